package sampler_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/sampler"
)

// logitsOf are logits whose softmax is the given probabilities.
func logitsOf(probs ...float64) []float32 {
	out := make([]float32, len(probs))
	for i, p := range probs {
		out[i] = float32(math.Log(p))
	}
	return out
}

// TestKeptByHand: sets that can be worked out on paper.
func TestKeptByHand(t *testing.T) {
	half := logitsOf(0.5, 0.2, 0.15, 0.1, 0.05)
	for _, c := range []struct {
		name   string
		logits []float32
		p      sampler.Params
		want   []int32
	}{
		// The entropy of half is 1.3332 nats; the surprises are 0.693, 1.609, 1.897, 2.303, 2.996, so the distances
		// 0.640, 0.276, 0.564, 0.969, 1.663: the order is 1, 2, 0, 3, 4 and the masses 0.2, 0.35, 0.85, 0.95, 1.
		{"typical leaves out the likeliest", half, sampler.Params{TypicalP: 0.3}, []int32{1, 2}},
		{"typical takes what crosses", half, sampler.Params{TypicalP: 0.36}, []int32{0, 1, 2}},
		{"typical of one", half, sampler.Params{TypicalP: 0.19}, []int32{1}},
		{"typical of nearly all", half, sampler.Params{TypicalP: 0.96}, []int32{0, 1, 2, 3, 4}},
		{"typical of 1 is off", half, sampler.Params{TypicalP: 1}, []int32{0, 1, 2, 3, 4}},
		{"typical of equal ones", logitsOf(0.25, 0.25, 0.25, 0.25), sampler.Params{TypicalP: 0.1}, []int32{0, 1, 2, 3}},
		// Behind top-k 3 the probabilities are 0.588, 0.235, 0.176: entropy 0.959, distances 0.428, 0.488, 0.776.
		{"typical behind top-k", half, sampler.Params{TypicalP: 0.5, TopK: 3}, []int32{0}},
		// Logits 0, -1, -2, -3, -4: the deviation is the root of 2.
		{"sigma 1", []float32{0, -1, -2, -3, -4}, sampler.Params{TopNSigma: 1}, []int32{0, 1}},
		{"sigma 1.5", []float32{0, -1, -2, -3, -4}, sampler.Params{TopNSigma: 1.5}, []int32{0, 1, 2}},
		{"sigma is of logits before temperature", []float32{0, -1, -2, -3, -4}, sampler.Params{TopNSigma: 1.5, Temperature: 0.5}, []int32{0, 1, 2}},
		{"sigma leaves masked ones out", []float32{0, -1, -2, -3, -4, -inf, -inf}, sampler.Params{TopNSigma: 1}, []int32{0, 1}},
		{"sigma of equal ones", []float32{2, 2, 2}, sampler.Params{TopNSigma: 0.1}, []int32{0, 1, 2}},
		{"sigma then top-k", []float32{0, -1, -2, -3, -4}, sampler.Params{TopNSigma: 1.5, TopK: 2}, []int32{0, 1}},
		{"XTC keeps the last of three", half, sampler.Params{XTC: sampler.XTC{Probability: 1, Threshold: 0.12}}, []int32{2, 3, 4}},
		{"XTC with one above", half, sampler.Params{XTC: sampler.XTC{Probability: 1, Threshold: 0.3}}, []int32{0, 1, 2, 3, 4}},
		{"XTC after min-p", half, sampler.Params{MinP: 0.25, XTC: sampler.XTC{Probability: 1, Threshold: 0.12}}, []int32{2}},
		{"XTC of renormalised ones", half, sampler.Params{TopK: 4, XTC: sampler.XTC{Probability: 1, Threshold: 0.1049}}, []int32{3}},
		{"XTC never", half, sampler.Params{XTC: sampler.XTC{Threshold: 0.1}}, []int32{0, 1, 2, 3, 4}},
		// Typical keeps 1 and 2 with 0.571 and 0.429.
		{"XTC after typical", half, sampler.Params{TypicalP: 0.3, XTC: sampler.XTC{Probability: 1, Threshold: 0.4}}, []int32{2}},
		// Surprises in bits: 1, 2.32, 2.74, 3.32, 4.32; mirostat begins at 2 tau.
		{"mirostat", half, sampler.Params{Mirostat: sampler.Mirostat{Tau: 1.5, Eta: 0.1}}, []int32{0, 1, 2}},
		{"mirostat keeps one", half, sampler.Params{Mirostat: sampler.Mirostat{Tau: 0.1, Eta: 0.1}}, []int32{0}},
		{"mirostat alone", half, sampler.Params{TopK: 1, TypicalP: 0.1, MinP: 1, Mirostat: sampler.Mirostat{Tau: 1.5}}, []int32{0, 1, 2}},
		{"bias", []float32{0, 1, 2}, sampler.Params{TopK: 1, LogitBias: map[int32]float64{0: 3}}, []int32{0}},
		{"ban", []float32{0, 1, 2}, sampler.Params{LogitBias: map[int32]float64{2: math.Inf(-1)}}, []int32{0, 1}},
	} {
		p := c.p
		if p.Temperature == 0 {
			p.Temperature = 1
		}
		p.TopP = 1
		ids, probs, err := newSampler(t, p).Probabilities(c.logits, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, p := range probs {
			sum += p
		}
		slices.Sort(ids)
		if !slices.Equal(ids, c.want) || math.Abs(sum-1) > 1e-12 {
			t.Errorf("%s: kept %d with mass %g, want %d", c.name, ids, sum, c.want)
		}
	}
}

// TestDRY: what goes on with an earlier text loses base^(agreement - allowed length).
func TestDRY(t *testing.T) {
	d := sampler.DRY{Multiplier: 0.5, Base: 2, AllowedLength: 2}
	for _, c := range []struct {
		name              string
		prompt, generated []int32
		breakers          [][]int32
		want              sampler.Adjustments
	}{
		{"nothing yet", nil, nil, nil, nil},
		{"too short", []int32{1, 9, 1}, nil, nil, nil},
		{"two agree", []int32{1, 2, 3, 9}, []int32{1, 2}, nil, sampler.Adjustments{{3, -0.5}}},
		{"four agree", []int32{1, 2, 3, 4, 5, 9, 1, 2}, []int32{3, 4}, nil, sampler.Adjustments{{5, -2}}},
		{"two ways on", []int32{1, 2, 5, 1, 2, 6, 1, 2}, nil, nil, sampler.Adjustments{{5, -0.5}, {6, -0.5}}},
		{"the longer of two", []int32{1, 2, 7, 0, 1, 2, 7, 8, 0, 1, 2}, nil, nil, sampler.Adjustments{{7, -1}}},
		{"one id again and again", []int32{4, 4, 4, 4}, nil, nil, sampler.Adjustments{{4, -1}}}, // 3 agree
		{"broken", []int32{1, 2, 3, 4, 5, 9, 1, 2, 3, 4}, nil, [][]int32{{3}}, nil},
		{"broken further off", []int32{1, 2, 3, 4, 5, 9, 1, 2, 3, 4}, nil, [][]int32{{2}}, sampler.Adjustments{{5, -0.5}}},
		{"broken by two", []int32{1, 2, 3, 4, 5, 9, 1, 2, 3, 4}, nil, [][]int32{{1, 2}}, sampler.Adjustments{{5, -0.5}}},
		{"half a breaker", []int32{1, 2, 3, 4, 5, 9, 1, 2, 3, 4}, nil, [][]int32{{7, 2}}, sampler.Adjustments{{5, -2}}},
		{"a breaker goes on", []int32{1, 2, 5, 9, 1, 2}, nil, [][]int32{{5}}, nil},
		{"a long breaker goes on", []int32{1, 2, 5, 9, 1, 2}, nil, [][]int32{{5, 6}}, sampler.Adjustments{{5, -0.5}}},
	} {
		d.Breakers = c.breakers
		s := newSampler(t, sampler.Params{DRY: d})
		s.Adjustments([]int32{3, 3, 3, 3}, nil) // leaves nothing behind
		if got := s.Adjustments(c.prompt, c.generated); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// Linear time and finite logits, even here.
	long := make([]int32, 100_000)
	s := newSampler(t, sampler.Params{DRY: d})
	got := s.Adjustments(long, nil)
	if len(got) != 1 || got[0].ID != 0 || !(got[0].Delta < -1e6 && got[0].Delta > -1e10) {
		t.Errorf("one id 100,000 times: %v", got)
	}
}

// TestDRYAgainstEveryPlace compares with a search of every earlier place, on texts of few ids.
func TestDRYAgainstEveryPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 2000 {
		text := make([]int32, rng.IntN(60))
		for i := range text {
			text[i] = int32(rng.IntN(3))
		}
		allowed := 1 + rng.IntN(4)
		want := map[int32]int{}
		for i := 1; i < len(text); i++ { // text[i] went on behind text[:i]
			n := 0
			for n < i && text[i-1-n] == text[len(text)-1-n] {
				n++
			}
			if n >= allowed {
				want[text[i]] = max(want[text[i]], n)
			}
		}
		s := newSampler(t, sampler.Params{DRY: sampler.DRY{Multiplier: 1, Base: 1.1, AllowedLength: allowed}})
		got := s.Adjustments(text, nil)
		if len(got) != len(want) {
			t.Fatalf("%d: %v, want the lengths %v", text, got, want)
		}
		for _, a := range got {
			if w := float32(-math.Pow(1.1, float64(want[a.ID]-allowed))); a.Delta != w {
				t.Fatalf("%d: id %d loses %g, want %g", text, a.ID, a.Delta, w)
			}
		}
	}
}

// TestMirostatSteers: over many draws the mean surprise comes to tau, for a tau that the logits
// can give.
func TestMirostatSteers(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	logits := make([]float32, 2000)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 2)
	}
	for _, tau := range []float64{3, 5, 7} {
		s := newSampler(t, sampler.Params{Temperature: 1, TopP: 1, Seed: 5, Mirostat: sampler.Mirostat{Tau: tau, Eta: 0.1}})
		const settle, n = 200, 1000
		mean := 0.0
		for i := range settle + n {
			ids, probs, err := s.Probabilities(logits, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			id, err := s.Sample(logits, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if i >= settle {
				mean -= math.Log2(probs[slices.Index(ids, id)]) / n
			}
			if i == 50 {
				// A draw taken back and drawn again leaves the same bound.
				s.Seek(20)
				for range 31 {
					if _, err := s.Sample(logits, nil, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		// The bound telescopes: the mean of the errors is its drift divided by eta*n.
		if math.Abs(mean-tau) > 0.05*tau {
			t.Errorf("tau %g: the mean surprise is %g", tau, mean)
		}
	}
}

// TestXTCProbability: as often as asked, and not bound to what is drawn.
func TestXTCProbability(t *testing.T) {
	logits := logitsOf(0.4, 0.3, 0.3)
	s := newSampler(t, sampler.Params{Temperature: 1, TopP: 1, Seed: 3, XTC: sampler.XTC{Probability: 0.25, Threshold: 0.2}})
	counts := [3]float64{}
	const n = 40_000
	for range n {
		id, err := s.Sample(logits, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		counts[id]++
	}
	for id, want := range []float64{0.75 * 0.4, 0.75 * 0.3, 0.75*0.3 + 0.25} {
		if got := counts[id] / n; math.Abs(got-want) > 4*math.Sqrt(want*(1-want)/n) {
			t.Errorf("id %d was drawn with %.4f, want %.4f", id, got, want)
		}
	}
}

func TestValidateFurther(t *testing.T) {
	for want, p := range map[string]sampler.Params{
		"typical-p is 1.5":         {TypicalP: 1.5},
		"top-n-sigma is -1":        {TopNSigma: -1},
		"XTC probability is 2":     {XTC: sampler.XTC{Probability: 2}},
		"XTC threshold is NaN":     {XTC: sampler.XTC{Threshold: math.NaN()}},
		"DRY multiplier is -1":     {DRY: sampler.DRY{Multiplier: -1}},
		"DRY base is 0.5":          {DRY: sampler.DRY{Multiplier: 1, Base: 0.5, AllowedLength: 2}},
		"allowed length of DRY":    {DRY: sampler.DRY{Multiplier: 1, Base: 2}},
		"breaker of DRY is empty":  {DRY: sampler.DRY{Multiplier: 1, Base: 2, AllowedLength: 1, Breakers: [][]int32{{}}}},
		"mirostat's tau is -3":     {Mirostat: sampler.Mirostat{Tau: -3}},
		"mirostat's eta is 7":      {Mirostat: sampler.Mirostat{Tau: 3, Eta: 7}},
		"logit bias is for id -4":  {LogitBias: map[int32]float64{-4: 1}},
		"bias of id 4 is NaN":      {LogitBias: map[int32]float64{4: math.NaN()}},
		"bias of id 3 is +Inf":     {LogitBias: map[int32]float64{3: math.Inf(1), 5: math.NaN()}},
		"the bias of id 1 is 5000": {LogitBias: map[int32]float64{1: 5000}},
	} {
		_, err := sampler.New(p)
		if want = strings.TrimPrefix(want, "the "); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	s := newSampler(t, sampler.Params{LogitBias: map[int32]float64{9: 1}})
	if _, err := s.Sample([]float32{1, 2}, nil, nil); err == nil || !strings.Contains(err.Error(), "id 9") {
		t.Errorf("a bias beyond the vocabulary: %v", err)
	}
}
