package qwenvk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// evalCase is a line of testdata/demo-model/eval.jsonl.
type evalCase struct {
	ID, Prompt, Expected, Match string
	F32IDs                      []int32 `json:"f32_ids"`
}

func readEval(t *testing.T) []evalCase {
	t.Helper()
	var cases []evalCase
	lines := bufio.NewScanner(bytes.NewReader(testkit.Read(t, "demo-model/eval.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c evalCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// right applies the match rule of testdata/demo-model/README.md.
func (c evalCase) right(answer string) bool {
	if c.Match == "contains" {
		return strings.Contains(answer, c.Expected)
	}
	if _, after, ok := strings.Cut(answer, "</think>"); ok {
		answer = after
	}
	return strings.TrimSpace(answer) == c.Expected
}

// demoRun is one precision of the demo model and what its README measured with transformers.
type demoRun struct {
	name    string
	file    string // "demo" for the file in the binary, "shared" for one of the full set
	options LoadOptions
	same    int     // greedy ids equal to the reference's in f32, at least
	correct int     // answers right in the README; 3 fewer are accepted
	ppl     float64 // ppl_all of the README
	pplTol  float64 // accepted relative difference
}

func demoRuns() []demoRun {
	const folder, q4 = "demo-model/qwenvk-demo", "demo-model/qwenvk-demo-Q4_0.gguf"
	runs := []demoRun{
		{"F16", "F16", LoadOptions{}, 149, 134, 2.1758, 0.003},
		{"Q8_0", "demo", LoadOptions{}, 148, 134, 2.1764, 0.003},
		{"Q4_0", q4, LoadOptions{}, 0, 134, 2.1633, 0.003},
		{"Q4_K_M", "shared", LoadOptions{}, 0, 133, 2.1829, 0.003},
	}
	// The table "Round-to-nearest INT8 and INT4" of the README. Perplexity there comes from torch in f32 on the same
	// quantised weights, so the same 0.3 % applies.
	for _, r := range []struct {
		bits, group int
		zero        bool
		ppl         float64
		correct     int
	}{
		{8, 32, false, 2.1758, 134},
		{8, 32, true, 2.1752, 133},
		{8, 128, false, 2.174, 133},
		{8, 128, true, 2.1758, 134},
		{4, 32, false, 2.175, 131},
		{4, 32, true, 2.1777, 133},
		{4, 128, false, 2.1791, 131},
		{4, 128, true, 2.1665, 128},
	} {
		o := LoadOptions{Quant: fmt.Sprintf("int%d", r.bits), Group: r.group, ZeroPoint: r.zero}
		runs = append(runs, demoRun{fmt.Sprintf("%s-g%d-zero=%v", o.Quant, r.group, r.zero), folder, o, 0, r.correct, r.ppl, 0.003})
	}
	return runs
}

func loadDemo(t *testing.T, rt *Runtime, r demoRun) *Model {
	t.Helper()
	switch r.file {
	case "demo":
		m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), r.options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	case "F16":
		return loadTest(t, rt, testkit.DemoF16(t), r.options)
	case "shared":
		return loadTest(t, rt, testkit.Shared(t, "demo-model/qwenvk-demo-"+r.name+".gguf"), r.options)
	}
	return loadTest(t, rt, testkit.Path(t, r.file), r.options)
}

// TestDemo answers the 150 prompts of the evaluation set greedily and measures perplexity, in every precision.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests leave the 150 prompts of each precision out")
	}
	cases := readEval(t)
	for _, r := range demoRuns() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel() // so small a model leaves cores idle
			rt := openUnchecked(t)
			m := loadDemo(t, rt, r)
			s, err := m.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r.check(t, m, s, cases)
		})
	}
}

// TestDemoInt8 is TestDemo in tier 2, where activations are rounded to bytes: as many answers must be right, and perplexity
// is allowed the same difference.
func TestDemoInt8(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests leave the 150 prompts of each precision out")
	}
	cases := readEval(t)
	for _, r := range demoRuns() {
		if r.name != "Q8_0" && r.name != "Q4_0" {
			continue
		}
		r.same = 0 // ids of the reference, which rounds no activations
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			tier := 2
			rt := openUncheckedWith(t, Options{Tier: &tier})
			m := loadDemo(t, rt, r)
			s, err := m.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r.check(t, m, s, cases)
		})
	}
}

// check answers the prompts and measures perplexity.
func (r demoRun) check(t *testing.T, m *Model, s *Session, cases []evalCase) {
	t.Helper()
	same, correct := 0, 0
	for _, c := range cases {
		answer, ids := greedy(t, m, s, c.Prompt)
		if slices.Equal(ids, c.F32IDs) {
			same++
		}
		if c.right(answer) {
			correct++
		}
	}
	ppl := perplexity(t, m, s)
	t.Logf("%s: ids equal to the reference %d of %d, right %d (reference %d), perplexity %.4f (reference %.4f, %+.2f %%)",
		r.name, same, len(cases), correct, r.correct, ppl, r.ppl, 100*(ppl/r.ppl-1))
	if len(cases) != 150 || same < r.same || correct < r.correct-3 {
		t.Errorf("want %d equal and %d right of 150", r.same, r.correct-3)
	}
	if d := math.Abs(ppl/r.ppl - 1); !(d <= r.pplTol) {
		t.Errorf("perplexity differs by %.2f %%, accept %.2f %%", 100*d, 100*r.pplTol)
	}
}

// greedy answers a rendered prompt with at most 160 tokens, as the reference did.
func greedy(t *testing.T, m *Model, s *Session, prompt string) (string, []int32) {
	t.Helper()
	ids, err := m.Tokenizer().Encode(prompt, tokenizer.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Generate(context.Background(), ids, GenerateOptions{MaxTokens: 160}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	out := s.Result().IDs
	text, err := m.Tokenizer().Decode(out, tokenizer.DecodeOptions{SkipSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	return text, out
}

// perplexity is ppl_all of the README: windows of 512 tokens without overlap, the last partial one dropped, tokens 2
// to 512 of each scored.
func perplexity(t *testing.T, m *Model, s *Session) float64 {
	t.Helper()
	ids, err := m.Tokenizer().Encode(string(testkit.Read(t, "demo-model/ppl.txt")), tokenizer.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const window = 512
	var loss float64
	n := 0
	for at := 0; at+window <= len(ids); at += window {
		w := ids[at : at+window]
		err := s.Logits(context.Background(), w, LogitsOptions{All: true}, func(row int, logits []float32) error {
			if row+1 < window {
				loss += logSumExp(logits) - float64(logits[w[row+1]])
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return math.Exp(loss / float64(n))
}

// TestGGUFQuants holds the quantised twins of a golden model to the reference on their dequantised weights.
func TestGGUFQuants(t *testing.T) {
	var doc struct{ Prompts []goldenPrompt }
	dir := "golden/gguf-quants"
	if err := json.Unmarshal(testkit.Read(t, filepath.Join(dir, "expected.json")), &doc); err != nil {
		t.Fatal(err)
	}
	for tier := range 2 {
		if testing.Short() && tier > 0 {
			continue
		}
		rt := openTest(t, Options{Tier: &tier}, nil)
		for _, typ := range testkit.GGUFQuants {
			logits := readLogits(t, filepath.Join(dir, "expected.safetensors"), typ+".", len(doc.Prompts))
			t.Run(fmt.Sprintf("%s/tier%d", typ, tier), func(t *testing.T) {
				m := loadTest(t, rt, testkit.Path(t, filepath.Join(dir, typ+".gguf")), LoadOptions{KV: "f32", Context: 64})
				s, err := m.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				for i, p := range doc.Prompts {
					for _, chunk := range []int{0, 1, 7} {
						if testing.Short() && chunk == 7 {
							continue // one more pipeline of each product, with columns that TestMulMatVec has
						}
						checkLogits(t, s, p.IDs, logits[i], chunk, toleranceF32)
					}
				}
			})
		}
	}
}

// TestGGUFQuantsInt8 is TestGGUFQuants in tier 2: activations are rounded to bytes.
func TestGGUFQuantsInt8(t *testing.T) {
	var doc struct{ Prompts []goldenPrompt }
	dir := "golden/gguf-quants"
	if err := json.Unmarshal(testkit.Read(t, filepath.Join(dir, "expected.json")), &doc); err != nil {
		t.Fatal(err)
	}
	tier := 2
	rt := openTest(t, Options{Tier: &tier}, nil)
	types := []string{"Q8_0", "Q4_0", "Q2_K", "Q5_K_M"} // every form of scales; the other files' errors are the same
	if testing.Short() {
		types = types[:1]
	}
	for _, typ := range types {
		logits := readLogits(t, filepath.Join(dir, "expected.safetensors"), typ+".", len(doc.Prompts))
		t.Run(typ, func(t *testing.T) {
			m := loadTest(t, rt, testkit.Path(t, filepath.Join(dir, typ+".gguf")), LoadOptions{KV: "f32", Context: 64})
			s, err := m.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i, p := range doc.Prompts {
				for _, chunk := range []int{0, 1} {
					checkLogits(t, s, p.IDs, logits[i], chunk, toleranceInt8)
				}
			}
		})
	}
}

// TestGGUFTwins holds the BF16 GGUF of a golden model to the same reference as its folder.
func TestGGUFTwins(t *testing.T) {
	for _, name := range []string{"qwen1", "qwen2-dense-tied", "qwen3-dense-tied", "qwen3-dense-untied", "qwen3-yarn"} {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			path := filepath.Join(g.dir, "model.bf16.gguf")
			if name == "qwen2-dense-tied" { // too large to lie in the tree twice
				path = testkit.Shared(t, "golden/"+name+"/model.bf16.gguf")
			}
			rt := openTest(t, Options{}, nil)
			m := loadTest(t, rt, path, LoadOptions{KV: "f32"})
			s, err := m.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i, p := range g.prompts {
				checkLogits(t, s, p.IDs, g.logits[i], 0, toleranceF32)
				checkGreedy(t, s, p, 0)
			}
		})
	}
}
