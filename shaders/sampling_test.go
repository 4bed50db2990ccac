package shaders_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
)

const noID = 0xffffffff

var (
	nan32 = float32(math.NaN())
	inf32 = float32(math.Inf(1))
)

// rows of logits that selections get wrong.
func awkwardLogits(rng *rand.Rand) map[string][]float32 {
	cases := map[string][]float32{
		"one":            {3},
		"few":            {1, -2, 7, 7, 0},
		"many":           randoms(rng, 5003),
		"all equal":      make([]float32, 700),
		"signed zeros":   {float32(math.Copysign(0, -1)), 0, -1, 0},
		"all minus inf":  slices.Repeat([]float32{-inf32}, 300),
		"plus inf":       {1, inf32, 2, inf32},
		"mostly masked":  append(slices.Repeat([]float32{-inf32}, 900), 0.5, -3),
		"negative":       {-5, -3, -3, -9},
		"subnormal":      {1e-42, 3e-42, -1e-42},
		"NaN":            append(randoms(rng, 1000), nan32, 9),
		"negative NaN":   {1, math.Float32frombits(0xffc00001), 2},
		"ties at the 64": append(slices.Repeat([]float32{2}, 40), slices.Repeat([]float32{1}, 600)...),
	}
	coarse := randoms(rng, 4000)
	for i := range coarse {
		coarse[i] = float32(math.Round(float64(coarse[i]) * 4))
	}
	cases["many ties"] = coarse
	return cases
}

func TestArgMax(t *testing.T) {
	b := newBed(t)
	first, final := b.modules("argmax")[0], b.modules("argmax_final")[0]
	constants := shaders.Tuning("argmax", first.Variant, b.software(), 0, 0, 0)
	for name, logits := range awkwardLogits(rand.New(rand.NewPCG(1, 1))) {
		for _, groups := range []int{1, 7} {
			t.Run(fmt.Sprintf("%s/%d groups", name, groups), func(t *testing.T) {
				b.TB = t
				rng := rand.New(rand.NewPCG(2, 2))
				step := newBatch(rng, sequence{0, 1, 5}, sequence{1, 1, 77})
				other := randoms(rng, len(logits)) // the second sequence
				push := shaders.ArgMaxPush{
					Vocab: uint32(len(logits)), Groups: uint32(groups),
					IDsAt: uint32(step.IDsAt()), RowsAt: uint32(step.RowsAt()), SeqsAt: uint32(step.SeqsAt()),
				}
				partial, words, results := output(2*2*groups), step.array().inPlace(), output(2)
				b.run(first, constants, push, [3]uint32{uint32(groups), 2, 1}, floats(slices.Concat(logits, other)), partial)
				partial.written = false
				b.run(final, constants, push, [3]uint32{1, 2, 1}, partial, words, results)

				want := step.array().words
				for s, row := range [][]float32{logits, other} {
					id := uint32(noID)
					if !slices.ContainsFunc(row, isNaN) {
						id = uint32(slices.Index(row, slices.Max(row)))
					}
					if results.words[s] != id {
						t.Errorf("sequence %d: id %d, want %d", s, results.words[s], id)
					}
					want[step.IDsAt()+s] = id
					want[step.RowsAt()+2*s]++
					want[step.SeqsAt()+4*s+3]++
				}
				if !slices.Equal(words.words, want) {
					t.Errorf("step buffer %v, want %v", words.words, want)
				}
			})
		}
	}
}

func isNaN(f float32) bool { return f != f }

// sortLogits orders ids as the kernels do: NaN first, then greater first, ties by lower id.
func sortLogits(row []float32) []int {
	ids := make([]int, len(row))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		if isNaN(row[a]) != isNaN(row[b]) {
			if isNaN(row[a]) {
				return -1
			}
			return 1
		}
		if isNaN(row[a]) {
			return 0
		}
		return cmp.Compare(row[b], row[a])
	})
	return ids
}

func TestTopK(t *testing.T) {
	b := newBed(t)
	first, final := b.modules("top_k")[0], b.modules("top_k_final")[0]
	constants := shaders.Tuning("top_k", first.Variant, b.software(), 0, 0, 0)
	const words = 4 + 2*shaders.TopK
	for name, logits := range awkwardLogits(rand.New(rand.NewPCG(3, 3))) {
		for _, groups := range []int{1, 7} {
			t.Run(fmt.Sprintf("%s/%d groups", name, groups), func(t *testing.T) {
				b.TB = t
				other := randoms(rand.New(rand.NewPCG(4, 4)), len(logits))
				push := shaders.TopKPush{Vocab: uint32(len(logits)), Groups: uint32(groups)}
				partial, results := output(2*groups*(2+2*shaders.TopK)), output(2*words)
				b.run(first, constants, push, [3]uint32{uint32(groups), 2, 1}, floats(slices.Concat(logits, other)), partial)
				partial.written = false
				b.run(final, constants, push, [3]uint32{1, 2, 1}, partial, results)

				for s, row := range [][]float32{logits, other} {
					got := results.words[s*words:][:words]
					ids := sortLogits(row)
					for i := range shaders.TopK {
						value, id := -inf32, uint32(noID)
						if i < len(ids) {
							value, id = row[ids[i]], uint32(ids[i])
						}
						if got[5+2*i] != id || got[4+2*i] != math.Float32bits(value) {
							t.Fatalf("sequence %d, place %d: %g of id %d, want %g of id %d", s, i,
								math.Float32frombits(got[4+2*i]), got[5+2*i], value, id)
						}
					}
					greatest := row[ids[0]]
					if got[0] != math.Float32bits(greatest) {
						t.Errorf("sequence %d: maximum %g, want %g", s, math.Float32frombits(got[0]), greatest)
					}
					if isNaN(greatest) || math.IsInf(float64(greatest), 0) {
						continue // the log-sum-exp is then NaN or infinite as well
					}
					sum := 0.0
					for _, l := range row {
						sum += math.Exp(float64(l - greatest))
					}
					want := float64(greatest) + math.Log(sum)
					if lse := float64(math.Float32frombits(got[1])); !(math.Abs(lse-want) < 1e-5) {
						t.Errorf("sequence %d: log-sum-exp %g, want %g", s, lse, want)
					}
				}
			})
		}
	}
}

func TestCountTokens(t *testing.T) {
	b := newBed(t)
	m := b.modules("count_tokens")[0]
	constants := shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, 0, 0)
	step := newBatch(rand.New(rand.NewPCG(5, 5)), sequence{1, 100, 0}, sequence{0, 30, 0})
	const vocab = 40 // ids reach 49: those beyond are left out
	counts := uints(make([]uint32, step.Slots*vocab)...).inPlace()
	push := shaders.CountPush{
		Rows: uint32(step.Rows), Vocab: vocab, IDsAt: uint32(step.IDsAt()), RowsAt: uint32(step.RowsAt()), Prompt: 1,
	}
	groups := [3]uint32{ceil(step.Rows, int(constants["LOCAL_SIZE"])), 1, 1}
	b.run(m, constants, push, groups, step.array(), counts)
	push.Prompt = 0
	for range 2 {
		b.run(m, constants, push, groups, step.array(), counts)
	}
	want := make([]uint32, len(counts.words))
	for row := range step.Rows {
		if id := step.words[step.IDsAt()+row]; id < vocab {
			c := &want[step.words[step.RowsAt()+2*row+1]*vocab+id]
			*c = (*c | 1<<31) + 2
		}
	}
	if !slices.Equal(counts.words, want) {
		t.Errorf("counts %v\nwant %v", counts.words, want)
	}
}

// goldenSampling is the part of testdata/golden/sampling/sampling.json.gz that concerns penalties.
type goldenSampling struct {
	Vectors []struct {
		Logits       []float32 `json:"logits"`
		PromptIDs    []int     `json:"prompt_ids"`
		GeneratedIDs []int     `json:"generated_ids"`
	} `json:"vectors"`
	Cases []struct {
		Vector int                `json:"vector"`
		Params map[string]float64 `json:"params"`
		IDs    []int              `json:"kept_ids"`
		Probs  []float64          `json:"probs"`
	} `json:"cases"`
}

func TestPenalties(t *testing.T) {
	golden := readGoldenSampling(t)
	b := newBed(t)
	m := b.modules("penalties")[0]
	constants := shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, 0, 0)
	tested := 0
	for _, c := range golden.Cases {
		params := []float32{1, 0, 0, 0}
		only := true
		for name, value := range c.Params {
			i := slices.Index([]string{"repetition_penalty", "presence_penalty", "frequency_penalty"}, name)
			if only = only && i >= 0; only {
				params[i] = float32(value)
			}
		}
		if !only {
			continue
		}
		tested++
		vector := golden.Vectors[c.Vector]
		vocab := len(vector.Logits)
		const slot = 2 // the first sequence has slot 2, the second slot 0 and no penalties
		step := newBatch(rand.New(rand.NewPCG(6, 6)), sequence{slot, 1, 9}, sequence{0, 1, 9})
		counts := make([]uint32, step.Slots*vocab)
		for _, id := range vector.PromptIDs {
			counts[slot*vocab+id] |= 1 << 31
		}
		for _, id := range vector.GeneratedIDs {
			counts[slot*vocab+id]++
		}
		logits := floats(slices.Concat(vector.Logits, vector.Logits)).inPlace()
		b.run(m, constants, shaders.PenaltyPush{Seqs: 2, Vocab: uint32(vocab), SeqsAt: uint32(step.SeqsAt())},
			[3]uint32{ceil(vocab, int(constants["LOCAL_SIZE"])), 2, 1},
			logits, uints(counts...), floats(slices.Concat([]float32{9, 9, 9, 9, 9, 9, 9, 9}, params)), step.array())
		if !slices.Equal(logits.floats()[vocab:], vector.Logits) {
			t.Errorf("%v: a sequence without a history changed", c.Params)
		}
		probs := softmax(logits.floats()[:vocab])
		for i, id := range c.IDs {
			if math.Abs(probs[id]-c.Probs[i]) > 2e-6*c.Probs[i]+1e-12 {
				t.Fatalf("%v: probability of id %d is %g, want %g", c.Params, id, probs[id], c.Probs[i])
			}
		}
	}
	if tested < 5 {
		t.Fatalf("only %d cases have penalties alone", tested)
	}
}

func softmax(logits []float32) []float64 {
	greatest := slices.Max(logits)
	p, sum := make([]float64, len(logits)), 0.0
	for i, l := range logits {
		p[i] = math.Exp(float64(l) - float64(greatest))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
