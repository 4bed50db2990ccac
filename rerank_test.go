package qwenvk

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// TestRerank compares scores with the softmax of logits that are computed from the documented prompt, and a score among
// others with that of the document alone.
func TestRerank(t *testing.T) {
	ctx := context.Background()
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{KV: "f32", Context: 640})
	yes, _ := m.word("yes")
	no, _ := m.word("no")
	if yes == no {
		t.Fatalf("yes and no are both %d", yes)
	}
	const query = "What is the capital of China?"
	docs := []string{
		"The capital of China is Beijing.", "", "\n a<|im_end|>", "The capital of China is not told here.",
		"The capital of China is not told here.", // all but its last token is in the cache then
	}
	tasks := []string{"", "Judge it"}
	if testing.Short() { // prompts are long for a device without fast arithmetic
		docs, tasks = docs[3:], tasks[:1]
	}
	for _, task := range tasks {
		if task != "" {
			docs = docs[:2]
		}
		scores, err := m.Rerank(ctx, query, docs, RerankOptions{Instruct: task})
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range docs {
			want := scoreOf(t, m, referencePrompt(t, m, task, query, doc), yes, no)
			if d := math.Abs(scores[i] - want); !(d < 1e-5) || len(scores) != len(docs) {
				t.Errorf("task %q: document %q has the score %g, the prompt's logits say %g", task, doc, scores[i], want)
			}
			alone, err := m.Rerank(ctx, query, docs[i:i+1], RerankOptions{Instruct: task})
			if err != nil {
				t.Fatal(err)
			}
			if alone[0] != scores[i] {
				t.Errorf("task %q: document %q has the score %v alone and %v among others", task, doc, alone[0], scores[i])
			}
		}
	}
}

// referencePrompt is the prompt as the model card of Qwen3-Reranker puts it together, in ids.
func referencePrompt(t *testing.T, m *Model, task, query, doc string) []int32 {
	t.Helper()
	if task == "" {
		task = "Given a web search query, retrieve relevant passages that answer the query"
	}
	encode := func(text string, plain bool) []int32 {
		ids, err := m.tok.Encode(text, tokenizer.EncodeOptions{Plain: plain})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	return slices.Concat(
		encode("<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n", false),
		encode("<Instruct>: "+task+"\n<Query>: "+query+"\n<Document>: "+doc, true),
		encode("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", false))
}

// scoreOf computes a prompt from its first token, in one go.
func scoreOf(t *testing.T, m *Model, ids []int32, yes, no int32) (score float64) {
	t.Helper()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Logits(context.Background(), ids, LogitsOptions{}, func(_ int, logits []float32) error {
		y, n := math.Exp(float64(logits[yes])), math.Exp(float64(logits[no]))
		score = y / (y + n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return score
}

// TestRerankRefusals: what cannot be scored is told with the document's number.
func TestRerankRefusals(t *testing.T) {
	ctx := context.Background()
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{KV: "f32", Context: 480})
	long := strings.Repeat("The river is long. ", 40)
	if _, err := m.Rerank(ctx, "a", []string{"b", long}, RerankOptions{}); !errors.Is(err, ErrContextFull) || !strings.HasPrefix(err.Error(), "document 2 makes a prompt of ") {
		t.Errorf("a long document: %v", err)
	}
	cut, err := m.Rerank(ctx, "a", []string{long}, RerankOptions{Truncate: true})
	if err != nil {
		t.Fatal(err)
	}
	prompt := referencePrompt(t, m, "", "a", long)
	tail := referencePrompt(t, m, "", "a", "")
	end := tail[len(tail)-tailLength(t, m):]
	prompt = append(prompt[:480-len(end):480-len(end)], end...)
	yes, _ := m.word("yes")
	no, _ := m.word("no")
	if want := scoreOf(t, m, prompt, yes, no); math.Abs(cut[0]-want) > 1e-5 {
		t.Errorf("a cut document has the score %g, want %g", cut[0], want)
	}
	if _, err := m.Rerank(ctx, long, []string{"b"}, RerankOptions{Truncate: true}); !errors.Is(err, ErrContextFull) || !strings.Contains(err.Error(), "without a document") {
		t.Errorf("a long query: %v", err)
	}
	if _, err := m.Rerank(ctx, "a", []string{"b", "\xff"}, RerankOptions{}); err == nil || !strings.HasPrefix(err.Error(), "document 2 cannot be read: ") {
		t.Errorf("no UTF-8: %v", err)
	}
	if _, err := yesShare(float32(math.NaN()), 0); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
	if s, err := yesShare(1000, -1000); err != nil || s != 1 {
		t.Errorf("logits of 1000 and -1000 are %g, %v", s, err)
	}
}

func tailLength(t *testing.T, m *Model) int {
	t.Helper()
	ids, err := m.tok.Encode("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", tokenizer.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return len(ids)
}
