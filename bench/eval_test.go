package bench

import (
	"bytes"
	"context"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/tokenizer"
)

func loadDemo(t *testing.T) *qwenvk.Model {
	t.Helper()
	rt, err := qwenvk.Open(qwenvk.Options{Device: os.Getenv("QWENVK_TEST_DEVICE"), CacheDir: "none"})
	if err != nil {
		if os.Getenv("CI") == "" && os.Getenv("QWENVK_TEST_DEVICE") == "" {
			t.Skipf("this test needs a Vulkan device: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close() })
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), qwenvk.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// TestEvalDemo: the demo model's set gives the figures that its README has for Q8_0, category by category. The long and
// repetitive ones are left to the root package's TestDemo.
func TestEvalDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests leave the prompts out")
	}
	want := map[string]int{"greet": 8, "identity": 9, "word": 8, "tool_call": 11, "tool_answer": 7, "tool_none": 0, "chat_with_tools": 2}
	items, err := ReadEval(bytes.NewReader(testkit.Read(t, "demo-model/eval.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	items = slices.DeleteFunc(items, func(i EvalItem) bool { _, ok := want[i.Category]; return !ok })
	records := 0
	got, err := Eval(context.Background(), loadDemo(t), items, EvalOptions{MaxTokens: 160, Record: func(EvalRecord) error { records++; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if got.Items != 50 || got.Correct != 45 || records != 50 || len(got.Categories) != len(want) {
		t.Errorf("%d of %d right in %d categories, want 45 of 50 in %d", got.Correct, got.Items, len(got.Categories), len(want))
	}
	for _, c := range got.Categories {
		if c.Correct != want[c.Category] {
			t.Errorf("%s: %d right, want %d", c.Category, c.Correct, want[c.Category])
		}
	}
}

// TestEvalLikelihood holds the likelihood of choices against the logits of the whole text, for choices of one token and
// of several, behind each other in one session.
func TestEvalLikelihood(t *testing.T) {
	m := loadDemo(t)
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e := &evaluation{model: m, session: s, o: EvalOptions{ByText: true, Form: PromptRaw}}
	items := []EvalItem{
		{Kind: EvalChoice, Question: "What is a token?", Choices: []string{"A piece of text that the model reads", "Forty-two chickens", "9"}},
		{Kind: EvalChoice, Question: "What is 17 + 25?", Choices: []string{"1", "2", "3"}},
	}
	for _, item := range items {
		got, err := e.choices(context.Background(), item)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil { // one session at a time
			t.Fatal(err)
		}
		other, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		encode := func(text string) []int32 {
			ids, err := m.Tokenizer().Encode(text, tokenizer.EncodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return ids
		}
		head := encode(rawPrompt(nil, item))
		for i, choice := range item.Choices {
			ids := append(slices.Clone(head), encode(" "+choice)...)
			var want float64
			err := other.Logits(context.Background(), ids, qwenvk.LogitsOptions{All: true}, func(row int, logits []float32) error {
				if row+1 >= len(head) && row+1 < len(ids) {
					want += float64(logits[ids[row+1]]) - logSumExp(logits)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want /= float64(len(choice))
			if !(math.Abs(got[i]-want) < 2e-3) { // f16 cache, other chunk borders
				t.Errorf("%q: %.5f nats a byte, want %.5f", choice, got[i], want)
			}
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = m.NewSession(); err != nil {
			t.Fatal(err)
		}
		e.session = s
	}
}

func TestReadEval(t *testing.T) {
	good := `{"question":"Q","choices":["x","y"],"answer":1,"subject":"s"}

{"question":"Q","choices":["x","y","z"],"answer":"c","id":7}
{"question":"Q","choices":["x","y"],"answer":"x"}
{"question":"Q","answer":"so\n#### 1,234"}
{"question":"Q","answer":12}
{"messages":[{"role":"user","content":"hi"}],"expected":"ho","match":"contains","enable_thinking":false,"category":"c"}
`
	items, err := ReadEval(strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []EvalItem{
		{Kind: EvalChoice, Line: 1, Category: "s", Right: 1},
		{Kind: EvalChoice, Line: 3, ID: "7", Right: 2},
		{Kind: EvalChoice, Line: 4, Right: 0},
		{Kind: EvalQuestion, Line: 5, Answer: "so\n#### 1,234"},
		{Kind: EvalQuestion, Line: 6, Answer: "12"},
		{Kind: EvalMessages, Line: 7, Category: "c", Answer: "ho", Contains: true},
	} {
		got := items[i]
		if got.Kind != want.Kind || got.Line != want.Line || got.Category != want.Category || got.Right != want.Right || got.ID != want.ID || got.Answer != want.Answer || got.Contains != want.Contains {
			t.Errorf("item %d: %+v, want %+v", i, got, want)
		}
	}
	for text, want := range map[string]string{
		"": "it has no items", "[]": "line 1: it is no JSON object", "{}": "line 1: it has neither question nor messages",
		`{"question":"Q"}`: "line 1: it has no answer",
		`{"question":"Q","choices":["x"],"answer":0}`:                                "it has 1 choices; 2 to 26 are possible",
		`{"question":"Q","choices":["x","y"],"answer":2}`:                            "answer 2 is none of 2 choices",
		`{"question":"Q","choices":["x","y"],"answer":"C"}`:                          `answer "C" is neither the letter nor the text of a choice`,
		`{"question":"Q","choices":["x","y"]}`:                                       "it has no answer",
		`{"messages":[{"role":"user","content":"x"}]}`:                               "it has no expected text",
		`{"messages":[{"role":"user","content":"x"}],"expected":"y","match":"near"}`: `match is "near"; it is exact or contains`,
		"{\"question\":\"Q\",\"answer\":\"1\"}\n{":                                   "line 2: ",
	} {
		if _, err := ReadEval(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", text, err, want)
		}
	}
}

func TestExtract(t *testing.T) {
	for _, c := range []struct {
		text, reference, pattern string
		right                    bool
	}{
		{"It is 12, then 18.", "a\n#### 18", "", true},
		{"#### 1,234\n", "#### 1234", "", true},
		{"The answer is $1,234.00", "#### 1234", "", true},
		{"18 apples, no: 17", "#### 18", "", false},
		{"Paris.", "paris", "", true},
		{"", "18", "", false},
		{"-5", "5", "", false},
		{"x=3; y=4", "3", `x=(\d)`, true},
		{"x=3; y=4", "3", `z=(\d)`, false},
		{"first 1 then 2", "2", `\d`, true},
	} {
		var pattern *regexp.Regexp
		if c.pattern != "" {
			pattern = regexp.MustCompile(c.pattern)
		}
		got := extract(c.text, c.reference, pattern)
		if same(got, wanted(c.reference)) != c.right {
			t.Errorf("%q for %q: found %q", c.text, c.reference, got)
		}
	}
}

func TestRawPrompt(t *testing.T) {
	shot := EvalItem{Kind: EvalChoice, Question: "1+1?", Choices: []string{"1", "2"}, Right: 1}
	item := EvalItem{Kind: EvalChoice, Question: "2+2?", Choices: []string{"3", "4"}, Category: "elementary_mathematics"}
	want := "The following are multiple choice questions (with answers) about elementary mathematics.\n\n1+1?\nA. 1\nB. 2\nAnswer: B\n\n2+2?\nA. 3\nB. 4\nAnswer:"
	if got := rawPrompt([]EvalItem{shot}, item); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	want = "Question: a\nAnswer: b #### 1\n\nQuestion: c\nAnswer:"
	if got := rawPrompt([]EvalItem{{Kind: EvalQuestion, Question: "a", Answer: "b #### 1"}}, EvalItem{Kind: EvalQuestion, Question: "c"}); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestWithoutReasoning(t *testing.T) {
	for _, c := range []struct {
		text     string
		thinking bool
		want     string
	}{
		{"<think>\na\n</think>\n\nb", false, "\n\nb"}, {"a</think>b", true, "b"}, {"a", true, ""}, {"<think>a", false, ""}, {"b", false, "b"},
	} {
		if got := withoutReasoning(c.text, c.thinking); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
