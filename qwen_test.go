package qwenvk

import (
	"context"
	"math"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
)

// TestPromptLengthChoosesFrequencies: a first-generation model turns all tokens by what the length of the whole prompt
// says, so what the cache holds of another length is not used again, and what it holds of the same is.
func TestPromptLengthChoosesFrequencies(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.ShortQwen1(t, 10), LoadOptions{KV: "f32", Context: 64, Sessions: 2})
	session := func() *Session {
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	warm, fresh := session(), session()
	ids := make([]int32, 40)
	for i := range ids {
		ids[i] = int32(37*i+11) % 300
	}
	for _, c := range []struct{ n, cached int }{
		{8, 0},
		{10, 8}, // both are within the trained length
		{12, 0},
		{20, 12}, // both get α = 3
		{21, 0},
		{9, 0}, // and back
	} {
		o := GenerateOptions{MaxTokens: 1, IgnoreEOS: true}
		for _, err := range warm.Generate(context.Background(), ids[:c.n], o) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := warm.Result().Usage.CachedTokens; got != c.cached {
			t.Errorf("a prompt of %d tokens used %d cached ones, want %d", c.n, got, c.cached)
		}
		var a, b []float32
		for _, half := range []struct {
			s    *Session
			o    LogitsOptions
			into *[]float32
		}{{warm, LogitsOptions{Reuse: true, Chunk: 7}, &a}, {fresh, LogitsOptions{Chunk: 7}, &b}} {
			err := half.s.Logits(context.Background(), ids[:c.n], half.o, func(_ int, row []float32) error {
				*half.into = append([]float32(nil), row...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range a {
			if d := math.Abs(float64(a[i] - b[i])); !(d <= 5e-4) {
				t.Fatalf("%d tokens: logit %d is %v behind a warm cache, %v behind none", c.n, i, a[i], b[i])
			}
		}
	}
}
