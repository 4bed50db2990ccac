package sampler_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/sampler"
)

// vectors is sampling.json: what the reference keeps, with which probabilities.
type vectors struct {
	Vectors []struct {
		Logits       []float32
		PromptIDs    []int32 `json:"prompt_ids"`
		GeneratedIDs []int32 `json:"generated_ids"`
	}
	Cases []struct {
		Vector int
		Params struct {
			Temperature       *float64
			TopK              int      `json:"top_k"`
			TopP              *float64 `json:"top_p"`
			MinP              float64  `json:"min_p"`
			RepetitionPenalty float64  `json:"repetition_penalty"`
			PresencePenalty   float64  `json:"presence_penalty"`
			FrequencyPenalty  float64  `json:"frequency_penalty"`
		}
		KeptIDs []int32 `json:"kept_ids"`
		Probs   []float64
	}
}

func (v vectors) params(i int) sampler.Params {
	c := v.Cases[i].Params
	p := sampler.Params{
		Temperature: 1, TopK: c.TopK, TopP: 1, MinP: c.MinP, RepetitionPenalty: c.RepetitionPenalty,
		PresencePenalty: c.PresencePenalty, FrequencyPenalty: c.FrequencyPenalty,
	}
	if c.Temperature != nil {
		p.Temperature = *c.Temperature
	}
	if c.TopP != nil {
		p.TopP = *c.TopP
	}
	return p
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	for _, path := range []string{
		filepath.Join("..", "testdata", "golden", "sampling", "sampling.json.gz"),
		filepath.Join("..", "..", "shared", "golden", "sampling", "sampling.json"),
	} {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(path, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		var v vectors
		if err := json.NewDecoder(r).Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Skip("sampling.json is neither in testdata/golden/sampling nor in ../shared/golden/sampling")
	return vectors{}
}

func newSampler(t *testing.T, p sampler.Params) *sampler.Sampler {
	t.Helper()
	s, err := sampler.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectors(t *testing.T) {
	v := readVectors(t)
	if len(v.Cases) == 0 {
		t.Fatal("sampling.json has no cases")
	}
	for i, c := range v.Cases {
		p := v.params(i)
		name := fmt.Sprintf("case %d %+v", i, p)
		in := v.Vectors[c.Vector]
		before := slices.Clone(in.Logits)
		ids, probs, err := newSampler(t, p).Probabilities(in.Logits, in.PromptIDs, in.GeneratedIDs)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(before, in.Logits) {
			t.Fatalf("%s: the logits were changed", name)
		}
		if !sort.SliceIsSorted(probs, func(a, b int) bool { return probs[a] > probs[b] }) {
			t.Errorf("%s: the probabilities do not descend", name)
		}
		got := make(map[int32]float64)
		sum := 0.0
		for j, id := range ids {
			got[id] = probs[j]
			sum += probs[j]
		}
		slices.Sort(ids)
		if !slices.Equal(ids, c.KeptIDs) {
			t.Errorf("%s: kept %d, want %d", name, ids, c.KeptIDs)
			continue
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: the probabilities sum to %.15f", name, sum)
		}
		worst, at := 0.0, 0
		for j, id := range c.KeptIDs {
			if d := math.Abs(got[id]/c.Probs[j] - 1); d > worst {
				worst, at = d, j
			}
		}
		if worst > 1e-8 { // the file has nine digits
			t.Errorf("%s: id %d has probability %.10g, want %.10g (relative difference %.2g)", name, c.KeptIDs[at], got[c.KeptIDs[at]], c.Probs[at], worst)
		}
	}
}

// candidatesOf is what the device would return: the best k of processed logits.
func candidatesOf(logits []float32, k int) sampler.Candidates {
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	sort.Slice(order, func(a, b int) bool {
		x, y := logits[order[a]], logits[order[b]]
		return x > y || x == y && order[a] < order[b]
	})
	c := sampler.Candidates{Max: float64(logits[order[0]]), Vocab: len(logits)}
	sum := 0.0
	for i, id := range order {
		sum += math.Exp(float64(logits[id]) - c.Max)
		if i < k {
			c.IDs, c.Logits = append(c.IDs, id), append(c.Logits, logits[id])
		}
	}
	c.LogSumExp = float64(float32(c.Max + math.Log(sum))) // the device has 32 bits
	return c
}

// TestRoadsAgree draws from candidates and from all logits, with logits full of ties, and
// wants the same ids; what the candidates must be able to decide, they have to.
func TestRoadsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	decided, tried := 0, 0
	for range 3000 {
		logits := make([]float32, 20+rng.IntN(400))
		spread := 0.3 + 4*rng.Float64()
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * spread)
			if rng.IntN(3) == 0 {
				logits[i] = float32(math.Round(float64(logits[i]))) // ties
			}
			if rng.IntN(20) == 0 {
				logits[i] = float32(math.Inf(-1)) // masked
			}
		}
		logits[rng.IntN(len(logits))] = float32(3 * spread)
		p := sampler.Params{Temperature: []float64{0, 0.1, 0.6, 0.7, 1, 1.3, 3}[rng.IntN(7)], TopP: 1, Seed: rng.Uint64()}
		if rng.IntN(2) == 0 {
			p.TopK = 1 + rng.IntN(30)
		}
		if rng.IntN(2) == 0 {
			p.TopP = []float64{0.01, 0.5, 0.8, 0.95, 0.999}[rng.IntN(5)]
		}
		if rng.IntN(3) == 0 {
			p.MinP = []float64{0.01, 0.05, 0.5, 1}[rng.IntN(4)]
		}
		c := candidatesOf(logits, 1+rng.IntN(min(64, len(logits))))
		all, short := newSampler(t, p), newSampler(t, p)
		for step := range 8 {
			want, err := all.Sample(logits, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			tried++
			got, ok := short.FromCandidates(c)
			if ok {
				decided++
			} else if got, err = short.SampleProcessed(logits); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("step %d of %+v with %d of %d candidates: %d, from all logits %d (decided: %t)", step, p, len(c.IDs), c.Vocab, got, want, ok)
			}
			if all.Draws() != short.Draws() {
				t.Fatalf("one road used %d random numbers, the other %d", all.Draws(), short.Draws())
			}
			must := p.Greedy() || p.TopK > 0 && p.TopK < len(c.IDs) && c.Logits[p.TopK-1] != c.Logits[len(c.IDs)-1]
			if must && !ok {
				t.Fatalf("%+v with %d of %d candidates was not decided", p, len(c.IDs), c.Vocab)
			}
		}
	}
	t.Logf("%d of %d draws decided by candidates", decided, tried)
}
