package loader_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// withKeys writes a copy of a golden GGUF file with further metadata in front, floats and texts. The tensors stay
// where they were behind the header, which grows by a multiple of its alignment.
func withKeys(t *testing.T, keys map[string]any) string {
	t.Helper()
	whole := testkit.Read(t, "golden/qwen3-dense-tied/model.bf16.gguf")
	var more []byte
	text := func(s string) {
		more = append(binary.LittleEndian.AppendUint64(more, uint64(len(s))), s...)
	}
	const float, str = 6, 8
	for name, value := range keys {
		text(name)
		switch v := value.(type) {
		case string:
			more = binary.LittleEndian.AppendUint32(more, str)
			text(v)
		case float64:
			more = binary.LittleEndian.AppendUint32(more, float)
			more = binary.LittleEndian.AppendUint32(more, math.Float32bits(float32(v)))
		}
	}
	text("pad")
	more = binary.LittleEndian.AppendUint32(more, str)
	text(strings.Repeat(" ", (32-(len(more)+8)%32)%32))
	file := append([]byte(nil), whole[:24]...)
	binary.LittleEndian.PutUint64(file[16:], binary.LittleEndian.Uint64(file[16:])+uint64(len(keys))+1)
	file = append(append(file, more...), whole[24:]...)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGGUFRoPEScaling reads the keys as llama.cpp does.
func TestGGUFRoPEScaling(t *testing.T) {
	const p = "qwen3.rope.scaling."
	type keys = map[string]any
	const context = 40960 // of the file
	yarn := func(attention float64) loader.RoPEScaling {
		s := loader.NewYaRN(4, context)
		s.AttentionFactor *= attention
		return s
	}
	fast := yarn(1)
	fast.BetaFast, fast.BetaSlow = 16, 2
	for _, c := range []struct {
		keys keys
		want loader.RoPEScaling
	}{
		{keys{p + "type": "none", p + "factor": 4.}, loader.RoPEScaling{}},
		{keys{p + "type": "linear", p + "factor": 4.}, loader.RoPEScaling{Type: "linear", Factor: 4, OriginalContext: context, AttentionFactor: 1}},
		{keys{p + "factor": 2.}, loader.RoPEScaling{Type: "linear", Factor: 2, OriginalContext: context, AttentionFactor: 1}},
		{keys{p + "type": "yarn", p + "factor": 4.}, yarn(1)},
		{keys{p + "type": "yarn", p + "factor": 4., p + "attn_factor": 0.5, p + "yarn_attn_factor": 0.25}, yarn(0.125)},
		{keys{p + "type": "yarn", p + "factor": 4., p + "yarn_log_multiplier": 0.5}, yarn(1 / (0.05*math.Log(4) + 1))},
		{keys{p + "type": "yarn", p + "factor": 4., p + "yarn_beta_fast": 16., p + "yarn_beta_slow": 2., p + "yarn_ext_factor": 1.}, fast},
		{keys{p + "type": "yarn", p + "factor": 4., p + "yarn_ext_factor": -1.}, yarn(1)}, // llama.cpp's "not given"
		{keys{p + "type": "longrope", p + "factor": 4.}, loader.RoPEScaling{Type: "longrope"}},
	} {
		if got := open(t, withKeys(t, c.keys)).Config(); got.RoPEScaling != c.want || got.ContextLength != context {
			t.Errorf("%v: %+v, context %d; want %+v", c.keys, got.RoPEScaling, got.ContextLength, c.want)
		}
	}
	refused(t, withKeys(t, keys{p + "type": "yarn"}), loader.ErrCorrupt, `factor" is missing`)
	refused(t, withKeys(t, keys{p + "type": "yarn", p + "factor": 0.25}), loader.ErrCorrupt, "at least 1")
	refused(t, withKeys(t, keys{p + "type": "yarn", p + "factor": 4., p + "attn_factor": math.NaN()}), loader.ErrCorrupt, "attention factor")
	refused(t, withKeys(t, keys{p + "type": "yarn", p + "factor": 4., p + "yarn_ext_factor": 0.5}), loader.ErrUnsupportedModel, "yarn_ext_factor")
	refused(t, withKeys(t, keys{p + "type": 4., p + "factor": 4.}), loader.ErrCorrupt, "type")
}
