package shaders_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
)

func TestEmbed(t *testing.T) {
	b := newBed(t)
	for _, m := range b.modules("embed") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(1, 2))
			type layout struct {
				group int
				zero  bool
			}
			layouts := []layout{{32, false}}
			if grouped(m.Variant.Weights) {
				layouts = append(layouts, layout{128, true})
			}
			for _, l := range layouts {
				const firstID, ids, gap = 7, 30, 4
				step := newBatch(rng, sequence{0, 20, 3}) // ids 0 to 49
				cols := kOf(m.Variant.Weights, l.group, 96)
				w := newMatrix(rng, m.Variant.Weights, ids, cols, l.group, l.zero)
				y := output(step.Rows * (cols + gap))
				constants := with(shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, cols, 0), w.constants())
				push := shaders.EmbedPush{
					Rows: uint32(step.Rows), Cols: uint32(cols), FirstID: firstID, IDs: ids,
					IDsAt: uint32(step.IDsAt()), Stride: uint32(cols + gap),
				}
				groups := [3]uint32{ceil(cols, 8*int(constants["LOCAL_SIZE"])), uint32(step.Rows), 1}
				b.run(m, constants, push, groups, append(w.planes[:], step.array(), y)...)
				for i, word := range y.words {
					row, col := i/(cols+gap), i%(cols+gap)
					id := int(step.words[step.IDsAt()+row]) - firstID
					if col >= cols || id < 0 || id >= ids {
						if word != poison {
							t.Fatalf("row %d, column %d was written", row, col)
						}
						continue
					}
					got, want := float64(math.Float32frombits(word)), w.w[id*cols+col]
					if !(math.Abs(got-want) <= 2e-7*math.Abs(want)) {
						t.Fatalf("row %d, column %d is %g, want %g", row, col, got, want)
					}
				}
			}
		})
	}
}

func TestRMSNorm(t *testing.T) {
	b := newBed(t)
	for _, m := range b.modules("rms_norm") {
		for _, c := range []struct {
			rows, cols int
			local      uint32 // 0: as the table says
			add        uint32
			inPlace    bool // h is the buffer of x
			factor     float64
		}{
			{rows: 3, cols: 4, factor: 1},
			{rows: 1, cols: 1024, factor: 1e5},
			{rows: 2, cols: 132, add: 1, factor: 1},
			{rows: 5, cols: 2052, local: 256, add: 1, inPlace: true, factor: 1},
			{rows: 1, cols: 36, local: 64, factor: 1e-4},
		} {
			t.Run(fmt.Sprintf("%s/%+v", m.File, c), func(t *testing.T) {
				b.TB = t
				rng := rand.New(rand.NewPCG(3, 4))
				constants := with(shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, c.cols, 0), map[string]uint32{"ADD": c.add})
				if c.local != 0 {
					constants["LOCAL_SIZE"] = c.local
				}
				xStride, yStride := c.cols+4, c.cols+8
				xs, rs, w := randoms(rng, c.rows*xStride), randoms(rng, c.rows*xStride), randoms(rng, c.cols)
				for i := range xs {
					xs[i] *= float32(c.factor)
				}
				x, y, h := floats(xs), output(c.rows*yStride), output(c.rows*xStride)
				if c.inPlace {
					h = x.inPlace()
				}
				push := shaders.RMSNormPush{
					Rows: uint32(c.rows), Cols: uint32(c.cols), XStride: uint32(xStride), YStride: uint32(yStride), Eps: eps,
				}
				b.run(m, constants, push, [3]uint32{uint32(c.rows), 1, 1}, x, floats(w), y, floats(rs), h)
				for row := range c.rows {
					v := widen(xs[row*xStride:][:c.cols])
					squares := 0.0
					for i := range v {
						if c.add != 0 {
							v[i] = float64(xs[row*xStride+i] + rs[row*xStride+i])
						}
						squares += v[i] * v[i]
					}
					if c.add != 0 {
						check(t, "sum", h.floats()[row*xStride:][:c.cols], v, relative(v, 0, 0))
					}
					for i := range v {
						v[i] *= float64(w[i]) / math.Sqrt(squares/float64(c.cols)+eps)
					}
					check(t, "norm", y.floats()[row*yStride:][:c.cols], v, relative(v, 3e-6, 0))
					if slices.ContainsFunc(y.words[row*yStride+c.cols:(row+1)*yStride], func(w uint32) bool { return w != poison }) {
						t.Fatal("wrote into the gap between rows")
					}
				}
			})
		}
	}
}

func TestPairs(t *testing.T) {
	b := newBed(t)
	for kernel, compute := range map[string]func(a, b float64) float64{
		"add":    func(a, b float64) float64 { return a + b },
		"swiglu": func(a, b float64) float64 { return a / (1 + math.Exp(-a)) * b },
	} {
		m := b.modules(kernel)[0]
		rng := rand.New(rand.NewPCG(5, 6))
		const rows, cols = 3, 101
		as, bs := randoms(rng, rows*(cols+1)), randoms(rng, rows*(cols+2))
		for i := range as {
			as[i] *= 100 // where exp overflows
		}
		y := output(rows * (cols + 3))
		constants := shaders.Tuning(kernel, m.Variant, b.software(), 0, cols, 0)
		push := shaders.PairPush{Rows: rows, Cols: cols, AStride: cols + 1, BStride: cols + 2, YStride: cols + 3}
		b.run(m, constants, push, [3]uint32{ceil(cols, int(constants["LOCAL_SIZE"])), rows, 1}, floats(as), floats(bs), y)
		for row := range rows {
			want := make([]float64, cols)
			for i := range want {
				want[i] = compute(float64(as[row*(cols+1)+i]), float64(bs[row*(cols+2)+i]))
			}
			// The relative error of exp grows with its argument.
			check(t, kernel, y.floats()[row*(cols+3):][:cols], want, relative(want, 5e-5, 1e-30))
		}
	}
}

func TestGather(t *testing.T) {
	b := newBed(t)
	m := b.modules("gather")[0]
	rng := rand.New(rand.NewPCG(9, 10))
	for _, cols := range []int{1, 63, 64, 130} {
		const rows = 3
		x, y := randoms(rng, rows*cols), output(rows*cols)
		var order []uint32
		for _, i := range rng.Perm(cols) {
			order = append(order, uint32(i))
		}
		constants := shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, cols, 0)
		b.run(m, constants, shaders.GatherPush{Rows: rows, Cols: uint32(cols)},
			[3]uint32{ceil(cols, int(constants["LOCAL_SIZE"])), rows, 1}, floats(x), uints(order...), y)
		for row := range rows {
			for j, i := range order {
				if got, want := y.float(row*cols+j), x[row*cols+int(i)]; got != want {
					t.Fatalf("row %d of %d columns: column %d is %g, want %g", row, cols, j, got, want)
				}
			}
		}
	}
}

func TestLastRows(t *testing.T) {
	b := newBed(t)
	m := b.modules("last_rows")[0]
	rng := rand.New(rand.NewPCG(7, 8))
	step := newBatch(rng, sequence{0, 3, 0}, sequence{1, 0, 5}, sequence{2, 1, 9})
	const cols = 70
	x, y := randoms(rng, step.Rows*cols), output(step.Seqs*cols)
	constants := shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, cols, 0)
	b.run(m, constants, shaders.LastRowsPush{Seqs: 3, Cols: cols, SeqsAt: uint32(step.SeqsAt())},
		[3]uint32{ceil(cols, int(constants["LOCAL_SIZE"])), 3, 1}, floats(x), step.array(), y)
	want := slices.Concat(floats(x[2*cols:3*cols]).words, output(cols).words, floats(x[3*cols:]).words)
	if !slices.Equal(y.words, want) {
		t.Error("the rows are not the last of each sequence")
	}
}
