package loader_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

func open(t *testing.T, path string) *loader.Checkpoint {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// values returns a tensor's numbers.
func values(t *testing.T, x loader.Tensor) []float32 {
	t.Helper()
	out := make([]float32, x.Rows*x.Cols)
	if err := quant.Dequantize(out, x.Type, x.Data); err != nil {
		t.Fatalf("%s: %v", x.Name, err)
	}
	return out
}

// twins are the cases of dense models whose folder also has them as GGUF.
func twins(t *testing.T) []string {
	var dirs []string
	for _, pattern := range []string{"golden/qwen3-*", "golden/qwen2-*"} {
		if pattern == "golden/qwen2-*" {
			if _, err := os.Stat(filepath.Join(testkit.Root(t), "../shared/golden/qwen2-dense-tied")); err != nil {
				continue // only the full set has Qwen2
			}
		}
		for _, dir := range testkit.Cases(t, pattern) {
			if _, err := os.Stat(filepath.Join(dir, "model.bf16.gguf")); err == nil {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(dirs) < 2 {
		t.Fatalf("%d twins found", len(dirs))
	}
	return dirs
}

// TestTwins: folder and GGUF file of one model have the same configuration, the same tensors
// under the same names with the same values, the same template and the same ends.
func TestTwins(t *testing.T) {
	for _, dir := range twins(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			folder, file := open(t, dir), open(t, filepath.Join(dir, "model.bf16.gguf"))
			if folder.Format() != "safetensors" || file.Format() != "gguf" || folder.Architecture() != file.Architecture() || folder.Name() != file.Name() {
				t.Errorf("%s %s %s and %s %s %s", folder.Format(), folder.Architecture(), folder.Name(), file.Format(), file.Architecture(), file.Name())
			}
			want, got := folder.Config(), file.Config()
			if float32(want.RMSEps) != float32(got.RMSEps) { // GGUF has it as float32
				t.Errorf("epsilon %g and %g", want.RMSEps, got.RMSEps)
			}
			got.RMSEps, got.TorchDType, got.Generation = want.RMSEps, want.TorchDType, want.Generation // GGUF has no such keys
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("configurations differ (-folder +GGUF):\n%s", diff)
			}
			if folder.ChatTemplate() == "" || folder.ChatTemplate() != file.ChatTemplate() {
				t.Error("templates differ or are empty")
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(folder.Names())), slices.Sorted(slices.Values(file.Names()))); diff != "" {
				t.Fatalf("names differ (-folder +GGUF):\n%s", diff)
			}
			for _, name := range folder.Names() {
				a, _ := folder.Tensor(name)
				b, _ := file.Tensor(name)
				if a.Rows != b.Rows || a.Cols != b.Cols || !slices.Equal(a.Shape, b.Shape) {
					t.Errorf("%s is %v (%d × %d) and %v (%d × %d)", name, a.Shape, a.Rows, a.Cols, b.Shape, b.Rows, b.Cols)
					continue
				}
				if !slices.Equal(values(t, a), values(t, b)) {
					t.Errorf("%s has other values as %v than as %v", name, a.Type, b.Type)
				}
			}
		})
	}
}

// TestConfigStyles: config.json of transformers 5 and of the Hub say the same.
func TestConfigStyles(t *testing.T) {
	dirs := testkit.Cases(t, "golden/qwen*")
	compared := 0
	for _, dir := range dirs {
		hub := filepath.Join(dir, "config.hub.json")
		if _, err := os.Stat(hub); err != nil {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			compared++
			other := t.TempDir()
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), "model") && !strings.HasSuffix(e.Name(), ".gguf") || e.Name() == "generation_config.json" {
					copyFile(t, filepath.Join(dir, e.Name()), filepath.Join(other, e.Name()))
				}
			}
			copyFile(t, hub, filepath.Join(other, "config.json"))
			if diff := cmp.Diff(open(t, dir).Config(), open(t, other).Config()); diff != "" {
				t.Errorf("configurations differ (-transformers 5 +Hub):\n%s", diff)
			}
		})
	}
	if compared < 3 {
		t.Errorf("only %d cases compared", compared)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConfigValues pins what config.json, generation_config.json and metadata are read as.
func TestConfigValues(t *testing.T) {
	yes, temperature, topP, topK := true, 0.6, 0.95, 20.0
	demo := loader.Config{
		Layers: 4, Hidden: 256, Intermediate: 768, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 2560, ContextLength: 512,
		RMSEps: 1e-6, RoPETheta: 10000, Tied: true, TorchDType: "bfloat16",
		BOS: 2551, PAD: 2551, EOS: []int{2553, 2551},
		Generation: loader.Generation{DoSample: &yes, Temperature: &temperature, TopP: &topP, TopK: &topK},
	}
	if diff := cmp.Diff(demo, open(t, testkit.Path(t, "demo-model/qwenvk-demo")).Config()); diff != "" {
		t.Errorf("demo model (-want +got):\n%s", diff)
	}
	demo.RMSEps, demo.TorchDType, demo.Generation = float64(float32(1e-6)), "", loader.Generation{}
	if diff := cmp.Diff(demo, open(t, testkit.Path(t, "demo-model/qwenvk-demo-Q4_0.gguf")).Config()); diff != "" {
		t.Errorf("demo model as GGUF (-want +got):\n%s", diff)
	}
}

// TestYaRN: both formats say the same of a stretched model.
func TestYaRN(t *testing.T) {
	for _, path := range []string{"golden/qwen3-yarn", "golden/qwen3-yarn/model.bf16.gguf"} {
		if diff := cmp.Diff(loader.NewYaRN(4, 64), open(t, testkit.Path(t, path)).Config().RoPEScaling); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestFullSet reads values that only cases of the full set have.
func TestFullSet(t *testing.T) {
	sliding := open(t, testkit.Shared(t, "golden/qwen2-sliding")).Config()
	if sliding.SlidingWindow != 16 || !slices.Equal(sliding.SlidingLayers, []bool{false, true, true}) || !sliding.AttentionBias || sliding.HeadDim != 64 {
		t.Errorf("qwen2-sliding: %+v", sliding)
	}
	embedding := open(t, testkit.Shared(t, "golden/later/qwen3-embedding")) // names without "model."
	if x, ok := embedding.Tensor("blk.1.attn_q_norm.weight"); !ok || x.FileName != "layers.1.self_attn.q_norm.weight" || x.Rows != 1 || x.Cols != 128 {
		t.Errorf("qwen3-embedding: %+v %t", x, ok)
	}
	for path, want := range map[string]string{
		"golden/later/qwen3-next":   `"qwen3_next"`,
		"golden/later/qwen3_5-text": `"qwen3_5_text"`,
	} {
		path = testkit.Shared(t, path)
		refused(t, path, loader.ErrUnsupportedModel, want)
		c, err := loader.Inspect(path)
		if err != nil {
			t.Errorf("Inspect: %v", err)
			continue
		}
		if c.Refusal() == nil || len(c.Names()) == 0 || c.TotalBytes() == 0 {
			t.Errorf("%s: refusal %v, %d tensors", path, c.Refusal(), len(c.Names()))
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTypeCounts adds up a file with three types; the figures are those of its README.
func TestTypeCounts(t *testing.T) {
	c := open(t, testkit.Path(t, "golden/gguf-quants/Q4_0.gguf"))
	counts := map[string]int{}
	var bytes, elements int64
	for _, n := range c.TypeCounts() {
		counts[n.Type] = n.Tensors
		bytes += n.Bytes
		elements += n.Elements
	}
	if diff := cmp.Diff(map[string]int{"Q6_K": 1, "F32": 5, "Q4_0": 8}, counts); diff != "" {
		t.Errorf("tensors by type (-want +got):\n%s", diff)
	}
	if c.TotalBytes() != bytes || c.Parameters() != elements || elements != 558080 { // total_parameters of the sharded twin's index
		t.Errorf("%d bytes of %d, %d parameters of %d", c.TotalBytes(), bytes, c.Parameters(), elements)
	}
}

// TestQuantisedFiles: each tensor of the quantised files unpacks, through planes, to its values.
func TestQuantisedFiles(t *testing.T) {
	for _, name := range testkit.GGUFQuants {
		c := open(t, testkit.Path(t, "golden/gguf-quants/"+name+".gguf"))
		for _, tensor := range c.Names() {
			x, _ := c.Tensor(tensor)
			l := quant.LayoutOf(x.Type)
			planes := make([][]byte, l.Planes())
			for p := range planes {
				planes[p] = make([]byte, x.Rows*l.PlaneRowBytes(p, x.Cols))
			}
			if err := quant.Repack(planes, l, x.Type, x.Data, x.Rows, x.Cols); err != nil {
				t.Fatalf("%s: %s: %v", name, tensor, err)
			}
			got := make([]float32, x.Rows*x.Cols)
			if err := quant.Unpack(got, l, planes, x.Rows, x.Cols); err != nil {
				t.Fatalf("%s: %s: %v", name, tensor, err)
			}
			if !slices.Equal(got, values(t, x)) {
				t.Errorf("%s: %s changes on its way through %v", name, tensor, l)
			}
		}
	}
}

// TestTokenizerData: both formats hand out what the tokenizer needs.
func TestTokenizerData(t *testing.T) {
	dir := testkit.Path(t, "golden/qwen3-dense-tied")
	folder, file := open(t, dir), open(t, filepath.Join(dir, "model.bf16.gguf"))
	files, err := folder.TokenizerFiles()
	if err != nil || files.Dir != dir || !strings.HasPrefix(string(files.TokenizerJSON), "{") || files.TokenizerConfig == nil || files.VocabJSON != nil {
		t.Errorf("%d bytes of tokenizer.json in %s, %v", len(files.TokenizerJSON), files.Dir, err)
	}
	tok, err := file.GGUFTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	if tok.Model != "gpt2" || tok.Pre != "qwen2" || len(tok.Tokens) != 320 || len(tok.Types) != 320 || len(tok.Merges) != 45 ||
		tok.Tokens[303] != "<|im_end|>" || tok.Merges[0] != "h e" || tok.Types[303] != 3 || tok.BOS != 301 || tok.EOS != 303 || tok.PAD != 301 || tok.AddBOS {
		t.Errorf("%+v", tok)
	}
	if _, err := folder.GGUFTokenizer(); err == nil {
		t.Error("a folder has a GGUF tokenizer")
	}
	if _, err := file.TokenizerFiles(); err == nil {
		t.Error("a GGUF file has tokenizer files")
	}
	if text, ok := file.Metadata("qwen3.block_count"); !ok || text != "2" || len(file.MetadataKeys()) != 24 || folder.MetadataKeys() != nil {
		t.Errorf("metadata: %s %t, %d keys", text, ok, len(file.MetadataKeys()))
	}
}

// TestOpenGGUF reads from memory, as the embedded demo model is.
func TestOpenGGUF(t *testing.T) {
	data := testkit.Read(t, "golden/gguf-quants/Q8_0.gguf")
	c, err := loader.OpenGGUF("demo", data)
	if err != nil {
		t.Fatal(err)
	}
	x, ok := c.Tensor("output.weight")
	if !ok || x.Type != quant.Q8_0 || x.Rows != 320 || x.Cols != 256 || c.Config().Tied {
		t.Errorf("%v %v %d × %d", ok, x.Type, x.Rows, x.Cols)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := c.Tensor("output.weight"); ok || c.Close() != nil {
		t.Error("a closed checkpoint still has tensors, or closing twice fails")
	}
}

func Example() {
	c, err := loader.Open("../testdata/golden/qwen3-dense-tied")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	q, _ := c.Tensor("blk.0.attn_q.weight")
	fmt.Println(c.Architecture(), c.Config().Layers, "layers;", q.FileName, q.Type, q.Rows, "×", q.Cols)
	// Output: qwen3 2 layers; model.layers.0.self_attn.q_proj.weight BF16 512 × 128
}
