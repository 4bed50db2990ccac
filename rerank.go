package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// RerankOptions say what makes a document fit a query.
type RerankOptions struct {
	Instruct string                // the task, in one sentence; "": [RerankTask]
	Truncate bool                  // cut documents that the context cannot hold at their end, instead of refusing them
	Progress func(done, total int) // called behind every document; nil: it is not
}

// RerankTask is what the makers of Qwen3-Reranker ask for where nobody says what.
const RerankTask = "Given a web search query, retrieve relevant passages that answer the query"

// The prompt of Qwen3-Reranker (its model card, "Transformers Usage"): query and document stand in a chat whose answer
// is yes or no, with an empty block of thoughts in front of it.
const (
	rerankHead = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. " +
		"Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n"
	rerankTail = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)

// Rerank tells for each document how likely it is that it answers the query: the model's probability of "yes" against
// that of "no", from 0 to 1.
//
// Query and documents are text, whatever control tokens they spell out. What the documents' prompts have in common is
// computed once; a score does not depend on the other documents. Errors: [ErrContextFull], [ErrNoSlot], [ErrHeadless],
// [ErrNotFinite], [ErrClosed], [ErrDeviceLost].
func (m *Model) Rerank(ctx context.Context, query string, docs []string, o RerankOptions) (scores []float64, err error) {
	if err := m.words(); err != nil {
		return nil, fmt.Errorf("reranking needs words: %w", err)
	}
	yes, okYes := m.word("yes")
	no, okNo := m.word("no")
	if !okYes || !okNo || yes == no {
		return nil, fmt.Errorf("%s has no tokens that \"yes\" and \"no\" begin with, whose probabilities are the score", m.info.Name)
	}
	p, err := m.rerankPrompt(query, o)
	if err != nil {
		return nil, err
	}
	prompts := make([][]int32, len(docs))
	for i, doc := range docs {
		if prompts[i], err = p.of(doc, o.Truncate); err != nil {
			return nil, fmt.Errorf("document %d %w", i+1, err)
		}
	}
	s, err := m.newSession(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	scores = make([]float64, len(docs))
	for i, ids := range prompts {
		// Chunks end behind what is common, so that it does not matter which document was computed first.
		l := engine.LogitsOptions{From: p.common(ids), Reuse: i > 0}
		err := s.s.Logits(ctx, ids, l, func(_ int, logits []float32) (err error) {
			scores[i], err = yesShare(logits[yes], logits[no])
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		if o.Progress != nil {
			o.Progress(i+1, len(docs))
		}
	}
	return scores, nil
}

// word is the token of a word, or what it begins with in a small vocabulary; Qwen's has both words whole.
func (m *Model) word(text string) (int32, bool) {
	ids, err := m.tok.Encode(text, tokenizer.EncodeOptions{Plain: true})
	if err != nil || len(ids) == 0 {
		return 0, false
	}
	return ids[0], true
}

// yesShare is the softmax over the logits of "no" and "yes", of "yes".
func yesShare(yes, no float32) (float64, error) {
	share := 1 / (1 + math.Exp(float64(no)-float64(yes)))
	if math.IsNaN(share) {
		return 0, ErrNotFinite
	}
	return share, nil
}

// rerankPrompt is what the prompts of one query share.
type rerankPrompt struct {
	tok        *tokenizer.Tokenizer
	text       string // from task to document's heading
	head, tail []int32
	lead       []int32 // head and text
	context    int
}

func (m *Model) rerankPrompt(query string, o RerankOptions) (*rerankPrompt, error) {
	task := o.Instruct
	if task == "" {
		task = RerankTask
	}
	p := &rerankPrompt{tok: m.tok, context: m.info.Context}
	p.text = "<Instruct>: " + task + "\n<Query>: " + query + "\n<Document>:"
	var err error
	if p.head, err = m.tok.Encode(rerankHead, tokenizer.EncodeOptions{}); err != nil {
		return nil, err
	}
	if p.tail, err = m.tok.Encode(rerankTail, tokenizer.EncodeOptions{}); err != nil {
		return nil, err
	}
	lead, err := m.tok.Encode(p.text, tokenizer.EncodeOptions{Plain: true})
	if err != nil {
		return nil, fmt.Errorf("the query: %w", err)
	}
	p.lead = append(append([]int32(nil), p.head...), lead...)
	if n := len(p.lead) + len(p.tail); n >= p.context {
		return nil, fmt.Errorf("the prompt without a document has %d tokens and the context holds %d: %w", n, p.context, ErrContextFull)
	}
	return p, nil
}

// of returns the prompt for a document. Task, query and document are encoded as one text, as the reference does.
func (p *rerankPrompt) of(doc string, truncate bool) ([]int32, error) {
	body, err := p.tok.Encode(p.text+" "+doc, tokenizer.EncodeOptions{Plain: true})
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if room := p.context - len(p.head) - len(p.tail); len(body) > room {
		if !truncate {
			return nil, fmt.Errorf("makes a prompt of %d tokens and the context holds %d: %w", p.context-room+len(body), p.context, ErrContextFull)
		}
		body = body[:room]
	}
	ids := append(make([]int32, 0, len(p.head)+len(body)+len(p.tail)), p.head...)
	return append(append(ids, body...), p.tail...), nil
}

// common is the number of ids that a prompt shares with every other one of the query.
func (p *rerankPrompt) common(ids []int32) int {
	n := 0
	for n < len(p.lead) && n < len(ids)-1 && ids[n] == p.lead[n] {
		n++
	}
	return n
}
