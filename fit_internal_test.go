package qwenvk

import (
	"errors"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// TestFit plans the memory of Qwen3-8B (36 layers of 8 key heads of 128) at contexts up to a million tokens, by hand:
// one token takes 36·2·8·128 elements, of 2 bytes, or of 34 and of 18 bytes for 32 of them.
func TestFit(t *testing.T) {
	const gib = 1 << 30
	shape := graph.KVShape{Layers: 36, Heads: 8, HeadDim: 128}
	elements := uint64(36 * 2 * 8 * 128)
	perToken := map[vkexec.KVType]uint64{"f32": 4 * elements, "f16": 2 * elements, "q8_0": elements * 34 / 32, "q4_0": elements * 18 / 32}
	for kv, want := range perToken {
		if got := vkexec.KVTokenBytes(shape, kv); got != want {
			t.Errorf("%s: %d bytes per token, want %d", kv, got, want)
		}
	}
	for _, c := range []struct {
		name     string
		kv       vkexec.KVType
		context  int
		sessions int
		free     uint64
		want     int    // context
		err      string // part of the refusal
		not      string // what it must not advise
	}{
		{name: "default", kv: "f16", free: 24 * gib, want: 8192},
		{name: "default on a small device", kv: "f16", free: 9 * gib, want: 4096},
		{name: "131,072", kv: "f16", context: 131072, free: 28 * gib, want: 131072},
		{name: "131,072 on a smaller device", kv: "f16", context: 131072, free: 24 * gib, err: "it fits with a smaller cache (--kv q8_0), or at a context of 65536 (--ctx 65536)"},
		{name: "131,072 in q8_0", kv: "q8_0", context: 131072, free: 24 * gib, want: 131072},
		{name: "131,072 on one smaller still", kv: "q8_0", context: 131072, free: 15 * gib, err: "--kv q4_0"},
		{name: "a million", kv: "f16", context: 1_000_000, free: 80 * gib, err: "needs 145.6 GiB"},
		{name: "a million in q8_0", kv: "q8_0", context: 1_000_000, free: 82 * gib, want: 1_000_000},
		{name: "a million in q4_0", kv: "q4_0", context: 1_000_000, free: 47 * gib, want: 1_000_000},
		{name: "a million twice", kv: "q4_0", context: 1_000_000, sessions: 2, free: 47 * gib, err: "--ctx 500000", not: "--kv"},
		{name: "nothing fits", kv: "f16", context: 4096, free: gib, err: "use a smaller model", not: "--kv"},
		{name: "beyond positions", kv: "q4_0", context: MaxContext + 1, free: 1 << 60, err: "not possible"},
	} {
		d := demand{weights: 8 * gib, shape: shape, trained: 40960, sessions: max(c.sessions, 1), kv: c.kv}
		p, err := d.fit(c.context, c.free)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || c.not != "" && strings.Contains(err.Error(), c.not) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			if c.name != "beyond positions" && !errors.Is(err, ErrOutOfMemory) {
				t.Errorf("%s: %v is not ErrOutOfMemory", c.name, err)
			}
			continue
		}
		pages := uint64(p.context+vkexec.PageTokens-1) / vkexec.PageTokens
		if err != nil || p.context != c.want || p.kv != pages*vkexec.PageTokens*perToken[c.kv] {
			t.Errorf("%s: context %d, cache of %d bytes, %v; want %d", c.name, p.context, p.kv, err, c.want)
		}
	}
}
