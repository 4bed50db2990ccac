package shaders_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
)

// experts 1 and 2 of the matrix kernels' EXPERTS.
const (
	expertsEach   = 1
	expertsSummed = 2
)

func TestRoute(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rng := rand.New(rand.NewPCG(4, 4))
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	spread := func(n int) func(int) []float32 {
		return func(int) []float32 { return randoms(rng, n) }
	}
	cases := []struct {
		name          string
		rows, e, used int
		row           func(row int) []float32
	}{
		{"30B-A3B", 5, 128, 8, spread(128)},
		{"1.5-MoE", 3, 60, 4, spread(60)},
		{"all of them", 2, 12, 12, spread(12)},
		{"one of them", 4, 7, 1, spread(7)},
		{"one of one", 2, 1, 1, spread(1)},
		{"most", 2, shaders.MaxExperts, 10, spread(shaders.MaxExperts)},
		{"most of most", 1, shaders.MaxExperts, shaders.MaxExperts, spread(shaders.MaxExperts)},
		{"all equal", 1, 70, 5, func(int) []float32 { return make([]float32, 70) }},
		{"ties on the border", 1, 6, 3, func(int) []float32 { return []float32{1, 2, 1, 3, 1, 0} }},
		{"signed zeros", 1, 4, 2, func(int) []float32 { return []float32{-1, float32(math.Copysign(0, -1)), 0, -2} }},
		{"far apart", 1, 5, 3, func(int) []float32 { return []float32{-3e38, 3e38, 1e4, -1e4, 0} }},
		{"minus infinity", 1, 4, 3, func(int) []float32 { return []float32{-inf, 1, -inf, 0} }},
		{"NaN", 2, 9, 3, func(row int) []float32 { v := randoms(rng, 9); v[4+row] = nan; return v }},
		{"NaN alone", 1, 130, 8, func(int) []float32 { return slices.Repeat([]float32{nan}, 130) }},
		{"infinity", 1, 6, 2, func(int) []float32 { return []float32{0, inf, 1, inf, 2, 3} }},
	}
	for _, m := range b.modules("route") {
		for _, c := range cases {
			for _, renormalise := range []bool{false, true} {
				push := shaders.RoutePush{Rows: uint32(c.rows), Experts: uint32(c.e), Used: uint32(c.used)}
				if renormalise {
					push.Renormalise = 1
				}
				var logits []float32
				for row := range c.rows {
					logits = append(logits, c.row(row)...)
				}
				route := output(c.rows * 2 * c.used)
				b.run(m, shaders.Tuning(m.Kernel, m.Variant, b.software(), c.rows, c.e, 1), push, [3]uint32{push.Rows, 1, 1}, floats(logits), route)
				for row := range c.rows {
					what := fmt.Sprintf("%s, row %d, renormalised %t", c.name, row, renormalise)
					checkRoute(t, what, logits[row*c.e:(row+1)*c.e], route.words[row*2*c.used:(row+1)*2*c.used], renormalise)
				}
			}
		}
	}
}

// checkRoute holds a row of a routing against the definition. Of rows with a NaN or an infinity it wants different ids,
// the greatest logits first, and weights that cannot be taken for numbers.
func checkRoute(t *testing.T, what string, logits []float32, got []uint32, renormalise bool) {
	t.Helper()
	used := len(got) / 2
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	broken := false
	for _, v := range logits {
		broken = broken || v != v || v > math.MaxFloat32
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch nanA, nanB := logits[a] != logits[a], logits[b] != logits[b]; {
		case nanA && !nanB, logits[a] > logits[b]:
			return -1
		case nanB && !nanA, logits[a] < logits[b]:
			return 1
		}
		return a - b
	})
	for rank := range used {
		if int(got[rank]) != order[rank] {
			t.Fatalf("%s: rank %d is expert %d, want %d", what, rank, got[rank], order[rank])
		}
	}
	weights := make([]float32, used)
	for rank := range weights {
		weights[rank] = math.Float32frombits(got[used+rank])
	}
	if broken {
		if !slices.ContainsFunc(weights, func(v float32) bool { return v != v }) {
			t.Fatalf("%s: weights %v hide a logit that is no number", what, weights)
		}
		return
	}
	most, sum := float64(logits[order[0]]), 0.0
	of := order
	if renormalise {
		of = order[:used]
	}
	for _, e := range of {
		sum += math.Exp(float64(logits[e]) - most)
	}
	want := make([]float64, used)
	for rank := range want {
		want[rank] = math.Exp(float64(logits[order[rank]])-most) / sum
	}
	check(t, what, weights, want, relative(want, 1e-5, 1e-30))
}

// mixture is one case of the kernels that multiply by experts.
type mixture struct {
	tokens, experts, used int
	rows, k               int
	first, held           int // experts of the bound planes
	perRank               bool
	epilogue              int
	norm                  bool
	one                   bool // all tokens go to expert 1 first
	group                 int
}

func (x mixture) String() string {
	type fields mixture // without this method
	return fmt.Sprintf("%+v", fields(x))
}

// routing chooses different experts for each token.
func (x mixture) routing(rng *rand.Rand) *array {
	var words []uint32
	for range x.tokens {
		ids := rng.Perm(x.experts)
		if x.one {
			at := slices.Index(ids, 1)
			ids[0], ids[at] = ids[at], ids[0]
		}
		for _, e := range ids[:x.used] {
			words = append(words, uint32(e))
		}
		for range x.used {
			words = append(words, math.Float32bits(rng.Float32()))
		}
	}
	return uints(words...)
}

func (x mixture) expert(route *array, pair int) int {
	return int(route.words[pair/x.used*2*x.used+pair%x.used])
}

func (x mixture) weight(route *array, pair int) float64 {
	return float64(route.float(pair/x.used*2*x.used + x.used + pair%x.used))
}

func (x mixture) push() shaders.MatMulPush {
	push := shaders.MatMulPush{
		Rows: uint32(x.rows), K: uint32(x.k), N: 1, XStride: uint32(x.k), Eps: eps,
		YStride: uint32(x.rows), AddStride: uint32(x.rows), FirstExpert: uint32(x.first), Experts: uint32(x.held),
		Used: uint32(x.used), Sharing: uint32(x.used),
	}
	if x.perRank {
		push.Sharing = 1
	}
	if x.epilogue == epilogueSwiGLU {
		push.YStride /= 2
	}
	return push
}

// operands are the inputs of a case and what each pair gets of them in float64, before anything is summed.
type operands struct {
	w          matrix
	route, x   *array
	norm       []float32
	want, size []float64 // [pairs][outputs]; NaN for experts that are not held
}

func (x mixture) operands(rng *rand.Rand, weights string) operands {
	group := max(x.group, 32)
	o := operands{w: newMatrix(rng, weights, x.held*x.rows, x.k, group, false), route: x.routing(rng), norm: randoms(rng, x.k)}
	pairs, columns := x.tokens*x.used, x.tokens
	if x.perRank {
		columns = pairs
	}
	xs := randoms(rng, columns*x.k)
	o.x = floats(xs)
	wide := widen(xs)
	factors := make([]float64, columns)
	for c := range columns {
		factors[c] = 1
		if x.norm {
			squares := 0.0
			for k := range x.k {
				v := &wide[c*x.k+k]
				squares += *v * *v
				*v *= float64(o.norm[k])
			}
			factors[c] = 1 / math.Sqrt(squares/float64(x.k)+eps)
		}
	}
	for pair := range pairs {
		column := pair / x.used
		if x.perRank {
			column = pair
		}
		want, size := make([]float64, x.rows), make([]float64, x.rows)
		e := x.expert(o.route, pair) - x.first
		for r := range want {
			want[r] = math.NaN()
			if e < 0 || e >= x.held {
				continue
			}
			want[r] = 0
			for k := range x.k {
				p := factors[column] * o.w.w[(e*x.rows+r)*x.k+k] * wide[column*x.k+k]
				want[r] += p
				size[r] += math.Abs(p)
			}
		}
		if x.epilogue == epilogueSwiGLU {
			want, size = swigluPairs(want, size)
		}
		o.want, o.size = append(o.want, want...), append(o.size, size...)
	}
	return o
}

// checkPairs compares the rows of pairs whose experts are held, and wants the others untouched.
func (x mixture) checkPairs(b *bed, what string, o operands, y *array) {
	b.Helper()
	var got []float32
	var want, size []float64
	for i, w := range o.want {
		if w != w {
			if y.words[i] != poison {
				b.Fatalf("%s: wrote the result of an expert that other planes hold, at %d", what, i)
			}
			continue
		}
		got, want, size = append(got, y.float(i)), append(want, w), append(size, o.size[i])
	}
	check(b, what, got, want, func(i int) float64 { return 1e-6*math.Sqrt(float64(x.k))*size[i] + 1e-30 })
}

// mixtures are the cases for a type of weights: what published models have, in small, and what none has. What differs
// between types is how they find the rows of an expert, so one case does for most.
func mixtures(weights string) []mixture {
	k := func(k int) int { return kOf(weights, 0, k) }
	every := mixture{tokens: 9, experts: 6, first: 1, held: 3, used: 4, rows: 21, k: k(96), perRank: true, one: true}
	if weights != "q4" && weights != "f16" {
		return []mixture{every}
	}
	return []mixture{
		every,
		{tokens: 3, experts: 5, held: 5, used: 2, rows: 38, k: k(64), epilogue: epilogueSwiGLU},
		{tokens: 70, experts: 3, held: 3, used: 1, rows: 33, k: k(32), one: true}, // 0 and 2 are empty
		{tokens: 2, experts: 4, held: 4, used: 4, rows: 70, k: k(544), perRank: true},
	}
}

func TestMulMatVecExperts(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("mul_mat_vec") {
		if w := m.Variant.Weights; onlyDecodes(w) && w != "iq2s" { // one with a codebook
			continue
		}
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(5, 5))
			cases := mixtures(m.Variant.Weights)
			if m.Variant.Weights == "q4" {
				cases = append(cases, mixture{tokens: 2, experts: 5, held: 5, used: 3, rows: 12, k: 96, norm: true, epilogue: epilogueSwiGLU})
			}
			for _, x := range cases {
				x.run(b, m, rng)
				if x.perRank {
					x.runSummed(b, m, rng)
				}
			}
		})
	}
}

func (x mixture) run(b *bed, m shaders.Module, rng *rand.Rand) {
	b.Helper()
	o := x.operands(rng, m.Variant.Weights)
	tuning := shaders.Tuning(m.Kernel, m.Variant, b.software(), x.rows, x.k, 1)
	constants := with(with(tuning, o.w.constants()), map[string]uint32{"EPILOGUE": uint32(x.epilogue), "NORM": 0, "EXPERTS": expertsEach})
	if x.norm {
		constants["NORM"] = 1
	}
	y := output(len(o.want))
	groups := [3]uint32{ceil(x.rows, int(constants["ROWS"])), 1, uint32(x.tokens * x.used)}
	b.run(m, constants, x.push(), groups, append(o.w.planes[:], o.x, y, o.route, floats(o.norm))...)
	x.checkPairs(b, m.File+" "+x.String(), o, y)
}

// runSummed computes weighted sums over the ranks, with an addend, from planes that hold all experts.
func (x mixture) runSummed(b *bed, m shaders.Module, rng *rand.Rand) {
	b.Helper()
	x.first, x.held = 0, x.experts
	o := x.operands(rng, m.Variant.Weights)
	addend := floats(randoms(rng, x.tokens*x.rows))
	tuning := shaders.Tuning(m.Kernel, m.Variant, b.software(), x.rows, x.k, 1)
	constants := with(with(tuning, o.w.constants()), map[string]uint32{"EPILOGUE": epilogueAdd, "NORM": 0, "EXPERTS": expertsSummed})
	y := output(x.tokens * x.rows)
	groups := [3]uint32{ceil(x.rows, int(constants["ROWS"])), 1, uint32(x.tokens)}
	b.run(m, constants, x.push(), groups, append(o.w.planes[:], o.x, y, addend, o.route)...)
	want, size := x.sums(o, addend)
	check(b, m.File+" summed "+x.String(), y.floats(), want, func(i int) float64 { return 1e-6*math.Sqrt(float64(x.k*x.used))*size[i] + 1e-30 })
}

// sums weights and sums the pairs of each token, and adds the addend.
func (x mixture) sums(o operands, addend *array) (want, size []float64) {
	want, size = make([]float64, x.tokens*x.rows), make([]float64, x.tokens*x.rows)
	for i := range want {
		token, row := i/x.rows, i%x.rows
		want[i] = float64(addend.float(i))
		size[i] = math.Abs(want[i])
		for rank := range x.used {
			pair := token*x.used + rank
			want[i] += x.weight(o.route, pair) * o.want[pair*x.rows+row]
			size[i] += x.weight(o.route, pair) * o.size[pair*x.rows+row]
		}
	}
	return want, size
}

func TestMulMatExperts(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("mul_mat") {
		if w := m.Variant.Weights; onlyDecodes(w) && w != "iq2s" { // one with a codebook
			continue
		}
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(6, 6))
			for _, x := range mixtures(m.Variant.Weights) {
				o := x.operands(rng, m.Variant.Weights)
				columns := (x.tokens*x.used + x.experts - 1) / x.experts
				for _, software := range []bool{true, false} {
					if w := m.Variant.Weights; !software && w != "q4" && w != "f16" {
						continue
					}
					tuning := shaders.Tuning(m.Kernel, m.Variant, software, x.rows, x.k, columns)
					list, layout := x.list(b, o.route, int(tuning["BN"]))
					push := x.push()
					push.PairsAt = uint32(layout.PairsAt())
					constants := with(with(tuning, o.w.constants()), map[string]uint32{"EPILOGUE": uint32(x.epilogue), "EXPERTS": expertsEach})
					y := output(len(o.want))
					groups := [3]uint32{ceil(x.rows, int(constants["BM"])), list.words[1], 1}
					b.run(m, constants, push, groups, append(o.w.planes[:], o.x, y, list)...)
					x.checkPairs(b, m.File+" "+x.String(), o, y)
				}
			}
		})
	}
}

// list runs "expert_tiles" and holds its result against a stable sort of the pairs.
func (x mixture) list(b *bed, route *array, width int) (*array, shaders.ExpertList) {
	b.Helper()
	layout := shaders.ExpertList{Rows: x.tokens, Used: x.used, Experts: x.experts, Width: width}
	push := shaders.ExpertTilesPush{
		Rows: uint32(x.tokens), Used: uint32(x.used), Experts: uint32(x.experts), Width: uint32(width),
		PairsAt: uint32(layout.PairsAt()), Groups0: 7, Groups1: 8, Groups2: 9,
	}
	list := output(layout.Words())
	m := b.modules("expert_tiles")[0]
	b.run(m, shaders.Tuning(m.Kernel, m.Variant, b.software(), x.tokens, x.experts, 1), push, [3]uint32{1, 1, 1}, route, list)

	var pairs []uint32
	var tiles [][3]uint32
	for e := range x.experts {
		first := len(pairs)
		for pair := range x.tokens * x.used {
			if x.expert(route, pair) == e {
				pairs = append(pairs, uint32(pair))
			}
		}
		for at := first; at < len(pairs); at += width {
			tiles = append(tiles, [3]uint32{uint32(e), uint32(at), uint32(min(width, len(pairs)-at))})
		}
	}
	if len(tiles) > layout.Tiles() {
		b.Fatalf("%s: %d tiles where at most %d are planned", x, len(tiles), layout.Tiles())
	}
	for i := range 3 {
		if want := []uint32{uint32(7 + i), uint32(len(tiles)), 1}; !slices.Equal(list.words[4*i:4*i+3], want) {
			b.Fatalf("%s: arguments %d are %v, want %v", x, i, list.words[4*i:4*i+3], want)
		}
	}
	for i, want := range tiles {
		at := shaders.ExpertTilesAt + i*shaders.ExpertTileWords
		if !slices.Equal(list.words[at:at+3], want[:]) {
			b.Fatalf("%s: tile %d is %v, want %v", x, i, list.words[at:at+3], want)
		}
	}
	if got := list.words[layout.PairsAt():]; !slices.Equal(got, pairs) {
		b.Fatalf("%s: pairs %v, want %v", x, got, pairs)
	}
	list.written = false
	return list, layout
}

// TestExpertTiles sorts more pairs than the workgroup has invocations, and as many experts as there may be.
func TestExpertTiles(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rng := rand.New(rand.NewPCG(9, 9))
	for _, x := range []mixture{
		{tokens: 1, experts: 1, used: 1},
		{tokens: 300, experts: 128, used: 8},
		{tokens: 77, experts: shaders.MaxExperts, used: 10},
		{tokens: 513, experts: 2, used: 1, one: true},
		{tokens: 40, experts: 40, used: 40},
	} {
		route := x.routing(rng)
		for _, width := range []int{4, 16, 64} {
			x.list(b, route, width)
		}
	}
}

func TestCombine(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rng := rand.New(rand.NewPCG(2, 2))
	for _, x := range []mixture{{tokens: 3, experts: 9, used: 4, rows: 70}, {tokens: 1, experts: 3, used: 1, rows: 5}} {
		route := x.routing(rng)
		in := floats(randoms(rng, x.tokens*x.used*x.rows))
		for _, add := range []uint32{0, 1} {
			addend := floats(randoms(rng, x.tokens*x.rows))
			want, size := make([]float64, x.tokens*x.rows), make([]float64, x.tokens*x.rows)
			for i := range want {
				want[i] = float64(add) * float64(addend.float(i))
				size[i] = math.Abs(want[i])
				for rank := range x.used {
					pair := i/x.rows*x.used + rank
					p := x.weight(route, pair) * float64(in.float(pair*x.rows+i%x.rows))
					want[i] += p
					size[i] += math.Abs(p)
				}
			}
			m := b.modules("combine")[0]
			push := shaders.CombinePush{Rows: uint32(x.tokens), Cols: uint32(x.rows), Used: uint32(x.used), Add: add}
			constants := shaders.Tuning(m.Kernel, m.Variant, b.software(), x.tokens, x.rows, 1)
			y := output(len(want))
			b.run(m, constants, push, [3]uint32{ceil(x.rows, int(constants["LOCAL_SIZE"])), push.Rows, 1}, in, route, addend, y)
			check(t, x.String(), y.floats(), want, func(i int) float64 { return 1e-6 * size[i] })
		}
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	rng := rand.New(rand.NewPCG(3, 3))
	const rows, cols = 5, 70
	gates := floats([]float32{0.3, -200, 200, -1.5, 0})
	x := floats(randoms(rng, rows*cols))
	for _, add := range []uint32{0, 1} {
		addend := floats(randoms(rng, rows*cols))
		want := make([]float64, rows*cols)
		for i := range want {
			want[i] = float64(x.float(i))/(1+math.Exp(-float64(gates.float(i/cols)))) + float64(add)*float64(addend.float(i))
		}
		m := b.modules("gate")[0]
		constants := shaders.Tuning(m.Kernel, m.Variant, b.software(), rows, cols, 1)
		y := output(len(want))
		push := shaders.GatePush{Rows: rows, Cols: cols, Add: add}
		b.run(m, constants, push, [3]uint32{ceil(cols, int(constants["LOCAL_SIZE"])), rows, 1}, x, gates, addend, y)
		check(t, "gate", y.floats(), want, relative(want, 1e-5, 1e-6))
	}
}
