package convert_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/gguf"
)

// TestMemory converts a file of 740 MiB, one tensor of which has 384 MiB. It is zeros that take no
// space on the disk. Memory may grow by a few chunks for each thread, not by a tensor.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 740 MiB")
	}
	const vocab, hidden, ffn, layers, heads, dim = 49152, 2048, 6144, 2, 16, 128
	list := []gguf.TensorInfo{{Name: "token_embd.weight", Shape: []int{vocab, hidden}}, {Name: "output_norm.weight", Shape: []int{hidden}}}
	for l := range layers {
		for name, shape := range map[string][]int{
			"attn_norm": {hidden}, "ffn_norm": {hidden}, "attn_q_norm": {dim}, "attn_k_norm": {dim},
			"attn_q": {heads * dim, hidden}, "attn_k": {dim, hidden}, "attn_v": {dim, hidden}, "attn_output": {hidden, heads * dim},
			"ffn_gate": {ffn, hidden}, "ffn_up": {ffn, hidden}, "ffn_down": {hidden, ffn},
		} {
			list = append(list, gguf.TensorInfo{Name: fmt.Sprintf("blk.%d.%s.weight", l, name), Shape: shape})
		}
	}
	keys := []gguf.KeyValue{
		{Key: "general.architecture", Value: gguf.NewText("qwen3")},
		{Key: "qwen3.attention.layer_norm_rms_epsilon", Value: gguf.NewFloat32(1e-6)},
		{Key: "qwen3.rope.freq_base", Value: gguf.NewFloat32(1e6)},
	}
	for key, n := range map[string]uint32{
		"block_count": layers, "context_length": 512, "embedding_length": hidden, "feed_forward_length": ffn,
		"attention.head_count": heads, "attention.head_count_kv": 1, "attention.key_length": dim, "attention.value_length": dim,
	} {
		keys = append(keys, gguf.KeyValue{Key: "qwen3." + key, Value: gguf.NewUint32(n)})
	}
	layout, err := gguf.NewLayout(keys, list)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "large.gguf")
	if err := os.WriteFile(source, layout.Header, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(source, layout.Size); err != nil {
		t.Fatal(err)
	}
	c := open(t, source)
	before, peak, calls := testkit.AnonymousBytes(t), int64(0), 0
	r, err := convert.Run(context.Background(), c, filepath.Join(dir, "out.gguf"), convert.Options{
		Preset: preset(t, "Q4_0"),
		Progress: func(int64, int64) {
			if calls++; calls%16 == 0 {
				peak = max(peak, testkit.AnonymousBytes(t)-before)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB became %d MiB in %.1f s, memory grew by %.1f MiB", r.SourceBytes>>20, r.Bytes>>20, r.Seconds, float64(peak)/(1<<20))
	if limit := int64(24 << 20); peak > limit {
		t.Errorf("memory grew by %d MiB, accept %d MiB", peak>>20, limit>>20)
	}
	if calls < 100 {
		t.Errorf("progress was reported %d times", calls)
	}
}
