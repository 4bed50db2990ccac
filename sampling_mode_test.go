package qwenvk

import (
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
)

// TestDefaultSampling: the values of the mode that a prompt ends in, for models whose template switches thinking.
func TestDefaultSampling(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m, _ := openDemo(t, rt, LoadOptions{})
	thinking := sampler.Params{Temperature: 0.6, TopP: 0.95, TopK: 20}
	direct := sampler.Params{Temperature: 0.7, TopP: 0.8, TopK: 20}
	for prompt, want := range map[string]sampler.Params{
		"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n":                               thinking,
		"<|im_start|>user\nHi /no_think<|im_end|>\n<|im_start|>assistant\n":                     direct,
		"<|im_start|>system\n/no_think<|im_end|>\n<|im_start|>user\n/think Hi<|im_end|>\n":      thinking,
		"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n":        direct,
		"<|im_start|>user\nHi /no_think<|im_end|>\n<|im_start|>assistant\n<think>\n":            thinking,
		"<|im_start|>user\nHi /think<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n": direct,
	} {
		if got := m.DefaultSampling(prompt); !equalSampling(got, want) {
			t.Errorf("%q: %+v, want %+v", prompt, got, want)
		}
	}
	// A model whose template knows no switch and that brought no advice.
	plain := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{})
	if got := plain.DefaultSampling("Hi"); !equalSampling(got, direct) {
		t.Errorf("without advice: %+v", got)
	}
}

func equalSampling(a, b sampler.Params) bool {
	return a.Temperature == b.Temperature && a.TopP == b.TopP && a.TopK == b.TopK && a.MinP == b.MinP && !a.Penalized()
}
