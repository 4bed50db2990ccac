package model

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// TestYaRNReference holds frequencies and attention factor against transformers', for both styles of config.json and the
// GGUF file. torch computes them in float32, in four steps that each round, of which the power is the worst.
func TestYaRNReference(t *testing.T) {
	var want struct {
		InvFreq          []float64 `json:"inv_freq"`
		AttentionScaling float64   `json:"attention_scaling"`
		CosRow100        []float64 `json:"cos_row_100"`
	}
	if err := json.Unmarshal(testkit.Read(t, "golden/qwen3-yarn/rope.json"), &want); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"golden/qwen3-yarn", "golden/qwen3-yarn/model.bf16.gguf"} {
		c, err := loader.Open(testkit.Path(t, path))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Config.ContextLength != 256 {
			t.Errorf("%s: context %d, want 256", path, m.Config.ContextLength)
		}
		got := m.Graph.RoPE
		if math.Abs(got.Scale/want.AttentionScaling-1) > 1e-15 {
			t.Errorf("%s: attention factor %v, want %v", path, got.Scale, want.AttentionScaling)
		}
		if len(got.InvFreq) != len(want.InvFreq) {
			t.Fatalf("%s: %d frequencies, want %d", path, len(got.InvFreq), len(want.InvFreq))
		}
		for i, f := range got.InvFreq {
			if math.Abs(f/want.InvFreq[i]-1) > 3*0x1p-24 {
				t.Errorf("%s: frequency %d is %v, want %v", path, i, f, want.InvFreq[i])
			}
			if cos := got.Scale * math.Cos(100*f); math.Abs(cos-want.CosRow100[i]) > 1e-5 {
				t.Errorf("%s: cosine %d at position 100 is %v, want %v", path, i, cos, want.CosRow100[i])
			}
		}
	}
}

// TestRoPEFormulas computes a few frequencies by hand: head size 8, base 10^4, so that the plain ones are 1, 0.1, 0.01
// and 0.001.
func TestRoPEFormulas(t *testing.T) {
	config := loader.Config{HeadDim: 8, RoPETheta: 1e4, ContextLength: 100}
	base := func(factor, length float64) float64 { return 1e4 * math.Pow(factor*length-(factor-1), 8./6) }
	yarn := func(exact bool, fast, slow float64) loader.RoPEScaling {
		s := loader.NewYaRN(4, 1000)
		s.Exact, s.BetaFast, s.BetaSlow = exact, fast, slow
		return s
	}
	// A pair of frequency f turns 1000·f/2π times in 1000 tokens: log10(1000/(2π·turns)) is the pair that turns so often.
	pair := func(turns float64) float64 { return math.Log10(1000 / (2 * math.Pi * turns)) }
	ramp := func(i, low, high float64) float64 {
		r := math.Min(math.Max((i-low)/(high-low), 0), 1)
		return math.Pow(10, -i) * (1 - r + r/4)
	}
	for _, c := range []struct {
		name    string
		scaling loader.RoPEScaling
		context int
		want    [4]float64
		scale   float64
	}{
		{"plain", loader.RoPEScaling{}, 100, [4]float64{1, 0.1, 0.01, 0.001}, 1},
		{"linear", loader.RoPEScaling{Type: "linear", Factor: 4, OriginalContext: 25}, 100, [4]float64{0.25, 0.025, 0.0025, 0.00025}, 1},
		{"linear of a GGUF file with a factor for cos and sin", loader.RoPEScaling{Type: "linear", Factor: 1, AttentionFactor: 3}, 100, [4]float64{1, 0.1, 0.01, 0.001}, 3},
		{"dynamic within the original context", loader.RoPEScaling{Type: "dynamic", Factor: 4, OriginalContext: 100}, 64, [4]float64{1, 0.1, 0.01, 0.001}, 1},
		// Three times the context: 4·3-3 = 9, and the slowest pair is stretched ninefold.
		{"dynamic beyond it", loader.RoPEScaling{Type: "dynamic", Factor: 4, OriginalContext: 100}, 300, [4]float64{1, math.Pow(base(4, 3), -0.25), math.Pow(base(4, 3), -0.5), 0.001 / 9}, 1},
		// Pairs 0.7 and 2.2 turn 32 times and once; rounded outwards these are 0 and 3.
		{"yarn", yarn(false, 32, 1), 4000, [4]float64{1, ramp(1, 0, 3), ramp(2, 0, 3), 0.001 / 4}, 0.1*math.Log(4) + 1},
		{"yarn without rounding", yarn(true, 32, 1), 4000, [4]float64{1, ramp(1, pair(32), pair(1)), ramp(2, pair(32), pair(1)), 0.001 / 4}, 0.1*math.Log(4) + 1},
		// Both borders at pair 1.2: a step.
		{"yarn without a range", yarn(true, 10, 10), 4000, [4]float64{1, 0.1, 0.01 / 4, 0.001 / 4}, 0.1*math.Log(4) + 1},
		// All pairs turn less than once: both borders are pair 0, which stays.
		{"yarn of a tiny context", loader.NewYaRN(4, 1), 4, [4]float64{1, 0.025, 0.0025, 0.00025}, 0.1*math.Log(4) + 1},
		{"yarn by 1", loader.NewYaRN(1, 1000), 1000, [4]float64{1, 0.1, 0.01, 0.001}, 1},
	} {
		config.RoPEScaling = c.scaling
		r := ropeOf(config, c.context)
		for i, f := range r.InvFreq {
			if !(math.Abs(f/c.want[i]-1) < 1e-14) {
				t.Errorf("%s: frequency %d is %v, want %v", c.name, i, f, c.want[i])
			}
		}
		if math.Abs(r.Scale/c.scale-1) > 1e-15 {
			t.Errorf("%s: attention factor %v, want %v", c.name, r.Scale, c.scale)
		}
	}
}

// TestStretch: what is asked for overrules the file, and the context follows.
func TestStretch(t *testing.T) {
	plain := loader.Config{HeadDim: 128, RoPETheta: 1e6, ContextLength: 32768}
	extended := plain // as a person edits config.json by a model card's advice
	extended.ContextLength = 40960
	extended.RoPEScaling = loader.NewYaRN(4, 32768)
	odd := plain
	odd.RoPEScaling = loader.RoPEScaling{Type: "longrope"}
	flat := plain
	flat.RoPETheta = 1
	for _, c := range []struct {
		name    string
		file    loader.Config
		asked   RoPEScaling
		kind    string
		context int
		err     string
	}{
		{name: "plain", file: plain, context: 32768},
		{name: "the file's", file: extended, kind: "yarn", context: 131072},
		{name: "none", file: extended, asked: RoPEScaling{Type: "none"}, context: 32768},
		{name: "none of an unknown one", file: odd, asked: RoPEScaling{Type: "none"}, context: 32768},
		{name: "yarn", file: plain, asked: RoPEScaling{Type: "yarn", Factor: 4}, kind: "yarn", context: 131072},
		{name: "another factor", file: extended, asked: RoPEScaling{Type: "linear", Factor: 2}, kind: "linear", context: 65536},
		{name: "another original context", file: extended, asked: RoPEScaling{Type: "dynamic", Factor: 2, OriginalContext: 1000}, kind: "dynamic", context: 2000},
		{name: "a million", file: plain, asked: RoPEScaling{Type: "yarn", Factor: 32}, kind: "yarn", context: 1 << 20},
		{name: "beyond integers", file: plain, asked: RoPEScaling{Type: "yarn", Factor: 1e6}, kind: "yarn", context: maxContext - 1},
		{name: "unknown", file: odd, err: `rotary scaling "longrope" is not one this version computes`},
		{name: "unknown request", file: plain, asked: RoPEScaling{Type: "ntk", Factor: 2}, err: `"ntk" does not exist`},
		{name: "no factor", file: plain, asked: RoPEScaling{Type: "yarn"}, err: "needs a factor from 1"},
		{name: "half", file: plain, asked: RoPEScaling{Type: "yarn", Factor: 0.5}, err: "needs a factor from 1"},
		{name: "not a number", file: plain, asked: RoPEScaling{Type: "yarn", Factor: math.NaN()}, err: "needs a factor from 1"},
		{name: "endless", file: plain, asked: RoPEScaling{Type: "yarn", Factor: math.Inf(1)}, err: "needs a factor from 1"},
		{name: "negative", file: plain, asked: RoPEScaling{Type: "yarn", Factor: 2, OriginalContext: -1}, err: "original context of -1"},
		{name: "factor alone", file: plain, asked: RoPEScaling{Factor: 2}, err: "belong to a scaling"},
		{name: "none by two", file: plain, asked: RoPEScaling{Type: "none", Factor: 2}, err: "belong to a scaling"},
		{name: "flat", file: flat, asked: RoPEScaling{Type: "yarn", Factor: 2}, err: "rotary base of 1 "},
	} {
		got := c.file
		err := stretch(&got, c.asked)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			if (c.name == "unknown" || c.name == "flat") && !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %v is not ErrUnsupported", c.name, err)
			}
			continue
		}
		if err != nil || got.RoPEScaling.Type != c.kind || got.ContextLength != c.context {
			t.Errorf("%s: %q, context %d, %v; want %q, %d", c.name, got.RoPEScaling.Type, got.ContextLength, err, c.kind, c.context)
		}
	}
}

// TestFixContext: dynamic frequencies are those of the session's context, others do not change.
func TestFixContext(t *testing.T) {
	c, err := loader.Open(testkit.Path(t, "golden/qwen3-dense-tied"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, kind := range []string{"yarn", "dynamic"} {
		m, err := New(c, Options{RoPE: RoPEScaling{Type: kind, Factor: 2, OriginalContext: 64}})
		if err != nil {
			t.Fatal(err)
		}
		m.FixContext(64)
		short := m.Graph.RoPE.InvFreq[63]
		m.FixContext(640)
		if long := m.Graph.RoPE.InvFreq[63]; (long != short) != (kind == "dynamic") {
			t.Errorf("%s: the slowest frequency is %v in a context of 64 and %v in one of 640", kind, short, long)
		}
	}
}
