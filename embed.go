package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// EmbedOptions say what is embedded, and how wide.
type EmbedOptions struct {
	// Instruct is the task that the texts are queries of, in one sentence, as the makers of Qwen3-Embedding advise for
	// queries: "Given a web search query, retrieve relevant passages that answer the query". Documents have none.
	Instruct string
	// Dim keeps the first values of each vector alone and norms it again (Matryoshka representations); 0: all of them.
	Dim int
	// Truncate cuts texts that the context cannot hold at their end, instead of refusing them.
	Truncate bool
	// Progress is called behind every text; nil: it is not.
	Progress func(done, total int)
}

// embedEnd is the token behind every text that Qwen embeds.
const embedEnd = "<|endoftext|>"

// ErrPooling reports a model whose embeddings are made in a way that is not computed.
var ErrPooling = errors.New("its embeddings are made in another way")

// Embed turns each text into a vector of length 1, [texts, Dim or hidden]: the hidden state of its last token behind the
// last norm. The cosine of two texts is the scalar product of their vectors.
//
// Control tokens that a text spells out are text. Behind it comes the token that the model's tokenizer puts there, or
// <|endoftext|>. Texts are computed one by one, so that none changes another's vector. Models that were not trained for
// it (Info.Pooling is "") give vectors that say less. Errors: [ErrContextFull], [ErrNoSlot], [ErrPooling],
// [ErrNotFinite], [ErrClosed], [ErrDeviceLost].
func (m *Model) Embed(ctx context.Context, texts []string, o EmbedOptions) ([][]float32, error) {
	if err := m.words(); err != nil {
		return nil, fmt.Errorf("embedding needs words: %w", err)
	}
	before, after := m.frame()
	ids := make([][]int32, len(texts))
	for i, text := range texts {
		one, err := m.tok.Encode(embedText(text, o.Instruct), tokenizer.EncodeOptions{Plain: true})
		if err != nil {
			return nil, fmt.Errorf("text %d: %w", i+1, err)
		}
		room := m.info.Context - len(before) - len(after)
		if len(one) > room {
			if !o.Truncate || room < 1 {
				return nil, fmt.Errorf("text %d has %d tokens and the context holds %d: %w", i+1, len(one)+len(before)+len(after), m.info.Context, ErrContextFull)
			}
			one = one[:room]
		}
		ids[i] = append(append(append(make([]int32, 0, len(one)+len(before)+len(after)), before...), one...), after...)
		if len(ids[i]) == 0 {
			return nil, fmt.Errorf("text %d is empty, and this model has no token that stands for the end of a text", i+1)
		}
	}
	return m.embedIDs(ctx, ids, o)
}

// embedText puts a task in front of a query (model card of Qwen3-Embedding, "Transformers Usage").
func embedText(text, instruct string) string {
	if instruct == "" {
		return text
	}
	return "Instruct: " + instruct + "\nQuery:" + text
}

// frame returns the ids in front of and behind a text to be embedded. Qwen's first embedding models left the end token
// to whoever used them, and chat models say nothing.
func (m *Model) frame() (before, after []int32) {
	before, after = m.tok.Frame()
	if len(after) > 0 {
		return before, after
	}
	if end, ok := m.tok.TokenID(embedEnd); ok && m.tok.IsSpecial(end) {
		after = []int32{end}
	}
	return before, after
}

// embedIDs embeds texts that are ids, ends included.
func (m *Model) embedIDs(ctx context.Context, texts [][]int32, o EmbedOptions) (vectors [][]float32, err error) {
	if hidden := m.info.Hidden; o.Dim < 0 || o.Dim > hidden {
		return nil, fmt.Errorf("vectors of %d values are not possible: this model's have %d", o.Dim, hidden)
	}
	switch m.info.Pooling {
	case "", loader.PoolLast, "rank":
	default:
		return nil, fmt.Errorf("%s: %w: by pooling %q; of the last token (%q) is what is computed", m.info.Name, ErrPooling, m.info.Pooling, loader.PoolLast)
	}
	s, err := m.newSession(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	vectors = make([][]float32, len(texts))
	for i, ids := range texts {
		err := s.Hidden(ctx, ids, HiddenOptions{}, func(_ int, hidden []float32) (err error) {
			vectors[i], err = unit(hidden, o.Dim)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("text %d: %w", i+1, err)
		}
		if o.Progress != nil {
			o.Progress(i+1, len(texts))
		}
	}
	return vectors, nil
}

// unit returns the first n values, all for n = 0, of length 1 together.
func unit(values []float32, n int) ([]float32, error) {
	if n > 0 {
		values = values[:n]
	}
	squares := 0.0
	for _, v := range values {
		squares += float64(v) * float64(v)
	}
	if !(squares > 0) || math.IsInf(squares, 0) {
		return nil, ErrNotFinite
	}
	length := math.Sqrt(squares)
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(float64(v) / length)
	}
	return out, nil
}
