package loader_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// TestExpertTwins: folder and GGUF file of a mixture of experts have the same configuration and, by name, the same
// matrices, though the file has one tensor for all experts of a layer.
func TestExpertTwins(t *testing.T) {
	for _, name := range []string{"qwen3moe-top2", "qwen2moe"} {
		dir := testkit.Shared(t, "golden/"+name)
		folder, file := open(t, dir), open(t, filepath.Join(dir, "model.bf16.gguf"))
		if folder.Architecture() != file.Architecture() {
			t.Errorf("%s and %s", folder.Architecture(), file.Architecture())
		}
		if diff := cmp.Diff(folder.Config().MoE, file.Config().MoE); diff != "" {
			t.Errorf("%s: configurations differ (-folder +GGUF):\n%s", name, diff)
		}
		experts := 0
		for _, tensor := range folder.Names() {
			a, _ := folder.Tensor(tensor)
			b, ok := file.Tensor(tensor)
			if !ok || a.Rows != b.Rows || a.Cols != b.Cols || b.Name != tensor {
				t.Errorf("%s: %s is %v, in GGUF %s %v (%t)", name, tensor, a.Shape, b.Name, b.Shape, ok)
				continue
			}
			if !slices.Equal(values(t, a), values(t, b)) {
				t.Errorf("%s: %s has other values in GGUF", name, tensor)
			}
			if strings.HasSuffix(b.FileName, "_exps.weight") {
				experts++
			}
		}
		moe := folder.Config().MoE
		if want := 3 * moe.Experts * folder.Config().Layers; experts != want {
			t.Errorf("%s: %d matrices of experts, want %d", name, experts, want)
		}
		// A tensor of the file counts once, however many matrices it holds.
		inFile := 0
		for _, n := range file.TypeCounts() {
			inFile += n.Tensors
		}
		if inFile != len(file.Names()) || file.Parameters() != folder.Parameters() {
			t.Errorf("%s: %d tensors counted of %d, %d parameters of %d", name, inFile, len(file.Names()), file.Parameters(), folder.Parameters())
		}
		for _, tensor := range []string{"blk.0.ffn_gate.12.weight", "blk.0.ffn_gate.01.weight", "blk.0.ffn_gate.-1.weight", "blk.0.ffn_gate..weight", "blk.9.ffn_gate.0.weight", "ffn_gate.0.bias"} {
			if x, ok := file.Tensor(tensor); ok {
				t.Errorf("%s: there is a tensor %s, %v", name, tensor, x.Shape)
			}
		}
	}
}

// TestExpertConfig reads the published shapes' keys, in both styles, and refuses what contradicts itself.
func TestExpertConfig(t *testing.T) {
	for name, want := range map[string]loader.MoE{
		"qwen3moe-top2":       {Experts: 8, Used: 2, Intermediate: 64, Renormalise: true, Sparse: []bool{true, true}},
		"qwen3moe-top8-mixed": {Experts: 16, Used: 8, Intermediate: 32, Renormalise: true, Sparse: []bool{true, false, true}},
		"qwen2moe":            {Experts: 12, Used: 4, Intermediate: 32, SharedIntermediate: 96, Sparse: []bool{true, true}},
		"qwen2moe-mixed":      {Experts: 6, Used: 4, Intermediate: 32, SharedIntermediate: 64, Sparse: []bool{false, true, false}},
	} {
		if diff := cmp.Diff(&want, open(t, testkit.Path(t, "golden/"+name)).Config().MoE); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if open(t, testkit.Path(t, "golden/qwen3-dense-tied")).Config().MoE != nil {
		t.Error("a dense model has experts")
	}
	for _, c := range []struct {
		change map[string]any
		kind   error
		want   string
	}{
		{map[string]any{"num_local_experts": nil}, loader.ErrCorrupt, `"num_experts" is missing`},
		{map[string]any{"num_experts_per_tok": nil}, loader.ErrCorrupt, `"num_experts_per_tok" is missing`},
		{map[string]any{"num_experts_per_tok": 9}, loader.ErrCorrupt, "uses 9 experts, but there are 8"},
		{map[string]any{"num_local_experts": 1 << 30}, loader.ErrCorrupt, "more than the 4096"},
		{map[string]any{"moe_intermediate_size": 0}, loader.ErrCorrupt, "moe_intermediate_size"},
		{map[string]any{"decoder_sparse_step": 0}, loader.ErrCorrupt, "decoder_sparse_step"},
		{map[string]any{"mlp_only_layers": []int{2}}, loader.ErrCorrupt, `lists layer 2, but there are 2`},
		{map[string]any{"mlp_only_layers": []int{-1}}, loader.ErrCorrupt, "lists layer -1"},
	} {
		refused(t, expertsWith(t, c.change), c.kind, c.want)
	}
}

// expertsWith is the case qwen3moe-top2 with keys of its config.json changed; nil takes one away.
func expertsWith(t *testing.T, change map[string]any) string {
	t.Helper()
	dir, from := t.TempDir(), testkit.Path(t, "golden/qwen3moe-top2")
	var config map[string]any
	if err := json.Unmarshal(testkit.Read(t, "golden/qwen3moe-top2/config.json"), &config); err != nil {
		t.Fatal(err)
	}
	for key, value := range change {
		config[key] = value
		if value == nil {
			delete(config, key)
		}
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(from, "model.safetensors"), filepath.Join(dir, "model.safetensors"))
	return dir
}

// TestExpertStacks changes a GGUF file of experts in place.
func TestExpertStacks(t *testing.T) {
	whole, err := os.ReadFile(testkit.Shared(t, "golden/qwen3moe-top2/model.bf16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) string {
		data := bytes.Replace(whole, []byte(from), []byte(to), 1)
		if bytes.Equal(data, whole) || len(data) != len(whole) {
			t.Fatalf("%q does not replace %q", to, from)
		}
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const count = "qwen3moe.expert_count\x04\x00\x00\x00"
	refused(t, edit(count+"\x08", count+"\x07"), loader.ErrCorrupt, "holds 8 experts, the metadata says 7")
	refused(t, edit(count+"\x08", count+"\x01"), loader.ErrCorrupt, "uses 2 experts, but there are 1")
	refused(t, edit("qwen3moe.expert_count", "qwen3moe.expert_counX"), loader.ErrCorrupt, `"qwen3moe.expert_count" is missing`)
}
