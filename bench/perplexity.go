package bench

import (
	"context"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk"
)

// PerplexityOptions say how a text is cut.
type PerplexityOptions struct {
	Window   int                   // tokens that the model sees at a time, at least 2
	Stride   int                   // tokens between two windows; of each only the last Stride are scored. 0: Window
	Progress func(done, total int) // called after each window; may be nil
}

// PerplexityResult is the measured perplexity of a text.
type PerplexityResult struct {
	Perplexity float64 `json:"perplexity"` // e to the mean loss of the scored tokens
	StdErr     float64 `json:"stderr"`     // of Perplexity: perplexity × standard error of the mean loss
	Tokens     int     `json:"tokens"`     // scored
	Windows    int     `json:"windows"`
}

// LogitsSource computes the logits behind ids, row by row. A *qwenvk.Session is one.
type LogitsSource interface {
	Logits(ctx context.Context, ids []int32, o qwenvk.LogitsOptions, emit func(row int, logits []float32) error) error
}

// Perplexity scores ids in windows. Each window begins with an empty cache; its first token has no prediction and is
// never scored. What is left at the end is dropped.
func Perplexity(ctx context.Context, s LogitsSource, ids []int32, o PerplexityOptions) (PerplexityResult, error) {
	var result PerplexityResult
	if o.Stride == 0 {
		o.Stride = o.Window
	}
	if o.Window < 2 || o.Stride < 1 || o.Stride > o.Window {
		return result, fmt.Errorf("windows of %d tokens at a stride of %d are not possible", o.Window, o.Stride)
	}
	if len(ids) < o.Window {
		return result, fmt.Errorf("the text has %d tokens, which do not fill one window of %d; take a longer text or a smaller window", len(ids), o.Window)
	}
	total := (len(ids)-o.Window)/o.Stride + 1
	first := max(1, o.Window-o.Stride) // the first scored token of a window
	var sum, squares float64
	for w := range total {
		window := ids[w*o.Stride:][:o.Window]
		err := s.Logits(ctx, window, qwenvk.LogitsOptions{All: true}, func(row int, logits []float32) error {
			next := row + 1
			if next < first || next >= o.Window {
				return nil
			}
			loss := logSumExp(logits) - float64(logits[window[next]])
			sum += loss
			squares += loss * loss
			result.Tokens++
			return nil
		})
		if err != nil {
			return result, err
		}
		result.Windows++
		if o.Progress != nil {
			o.Progress(w+1, total)
		}
	}
	n := float64(result.Tokens)
	mean := sum / n
	result.Perplexity = math.Exp(mean)
	if result.Tokens > 1 {
		variance := max(0, (squares-n*mean*mean)/(n-1))
		result.StdErr = result.Perplexity * math.Sqrt(variance/n)
	}
	return result, nil
}

// logSumExp is ln Σ exp(x), without overflow.
func logSumExp(x []float32) float64 {
	most := math.Inf(-1)
	for _, v := range x {
		most = math.Max(most, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}
