package shaders_test

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/shaders"
)

func readGoldenSampling(t *testing.T) goldenSampling {
	t.Helper()
	file, err := os.Open("../testdata/golden/sampling/sampling.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var golden goldenSampling
	if err := json.NewDecoder(raw).Decode(&golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

// TestGoldenSamplingOnDevice takes every vector of the reference the device's way: penalties and the 64 best with the
// log-sum-exp by kernels, the draw from those. What is drawn is among what the reference keeps, each id about as often as
// the reference has it; where the candidates do not decide, all logits do, with the same random number.
func TestGoldenSamplingOnDevice(t *testing.T) {
	golden := readGoldenSampling(t)
	b := newBed(t)
	penalties, first, final := b.modules("penalties")[0], b.modules("top_k")[0], b.modules("top_k_final")[0]
	const groups, draws = 2, 400
	undecided := 0
	for i, c := range golden.Cases {
		vector := golden.Vectors[c.Vector]
		vocab := len(vector.Logits)
		get := func(name string, otherwise float64) float64 {
			if v, ok := c.Params[name]; ok {
				return v
			}
			return otherwise
		}
		p := sampler.Params{
			Temperature: get("temperature", 1), TopK: int(get("top_k", 0)), TopP: get("top_p", 1), MinP: get("min_p", 0),
			RepetitionPenalty: get("repetition_penalty", 1), PresencePenalty: get("presence_penalty", 0),
			FrequencyPenalty: get("frequency_penalty", 0), Seed: uint64(i),
		}
		step := newBatch(rand.New(rand.NewPCG(6, 6)), sequence{0, 1, 9})
		counts := make([]uint32, step.Slots*vocab)
		for _, id := range vector.PromptIDs {
			counts[id] |= 1 << 31
		}
		for _, id := range vector.GeneratedIDs {
			counts[id]++
		}
		params := []float32{float32(p.RepetitionPenalty), float32(p.PresencePenalty), float32(p.FrequencyPenalty), 0}
		logits := floats(vector.Logits).inPlace()
		constants := shaders.Tuning("penalties", penalties.Variant, b.software(), 0, 0, 0)
		b.run(penalties, constants, shaders.PenaltyPush{Seqs: 1, Vocab: uint32(vocab), SeqsAt: uint32(step.SeqsAt())},
			[3]uint32{ceil(vocab, int(constants["LOCAL_SIZE"])), 1, 1},
			logits, uints(counts...), floats(append(params, make([]float32, 4*(step.Slots-1))...)), step.array())
		logits.written = false
		partial, results := output(groups*(2+2*shaders.TopK)), output(4+2*shaders.TopK)
		push := shaders.TopKPush{Vocab: uint32(vocab), Groups: groups}
		constants = shaders.Tuning("top_k", first.Variant, b.software(), 0, 0, 0)
		b.run(first, constants, push, [3]uint32{groups, 1, 1}, logits, partial)
		partial.written = false
		b.run(final, constants, push, [3]uint32{1, 1, 1}, partial, results)

		best := sampler.Candidates{Max: float64(results.floats()[0]), LogSumExp: float64(results.floats()[1]), Vocab: vocab}
		for k := range shaders.TopK {
			best.IDs = append(best.IDs, int32(results.words[5+2*k]))
			best.Logits = append(best.Logits, results.floats()[4+2*k])
		}
		s, err := sampler.New(p)
		if err != nil {
			t.Fatal(err)
		}
		drawn := map[int]float64{}
		for range draws {
			id, ok := s.FromCandidates(best)
			if !ok {
				undecided++
				if id, err = s.SampleProcessed(logits.floats()); err != nil {
					t.Fatal(err)
				}
			}
			drawn[int(id)]++
		}
		for k, id := range c.IDs {
			want := draws * c.Probs[k]
			// Six deviations of a binomial, and room for the few draws of rare ids: chance goes wrong once in 10^7 ids.
			if d := math.Abs(drawn[id] - want); d > 6*math.Sqrt(want*(1-c.Probs[k]))+4 {
				t.Errorf("case %d %v: id %d was drawn %g times of %d, its probability is %g", i, c.Params, id, drawn[id], draws, c.Probs[k])
			}
		}
		for id := range drawn {
			if !slices.Contains(c.IDs, id) {
				t.Errorf("case %d %v: id %d was drawn, which the reference drops", i, c.Params, id)
			}
		}
	}
	t.Logf("%d of %d draws were not decided by the candidates", undecided, draws*len(golden.Cases))
	if undecided*5 > draws*len(golden.Cases) {
		t.Errorf("%d of %d draws were not decided by the candidates", undecided, draws*len(golden.Cases))
	}
}
