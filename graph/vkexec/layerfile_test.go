package vkexec

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/quant"
)

// published is a row of the tables in docs/models.md: a published model.
type published struct {
	name, arch           string
	hidden               int
	heads, kvHeads, dim  int
	feedForward          int // of a dense layer
	used, experts, width int // of a sparse layer; experts 0: it is dense
	shared               int // width of the expert that all tokens use; 0: none
	tied                 bool
}

// same reports shapes of which one test is enough.
func (s published) same(o published) bool {
	s.name = o.name
	return s == o
}

var (
	headsForm   = regexp.MustCompile(`^(\d+)/(\d+)×(\d+)$`)
	expertsForm = regexp.MustCompile(`^(\d+)/(\d+)×(\d+)(?:\+(\d+))?$`)
)

// publishedShapes reads docs/models.md.
func publishedShapes(t *testing.T) []published {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "models.md"))
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("docs/models.md: %q is no number", s)
		}
		return n
	}
	var shapes []published
	for line := range strings.Lines(string(page)) {
		var cells []string // name, arch, layers, hidden, heads, feed-forward, vocabulary, tied
		for _, cell := range strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if len(cells) != 8 || !strings.HasPrefix(cells[1], "qwen") {
			continue
		}
		s := published{name: strings.Split(cells[0], ",")[0], arch: cells[1], hidden: number(cells[3]), tied: cells[7] == "yes"}
		heads := headsForm.FindStringSubmatch(cells[4])
		if heads == nil {
			t.Fatalf("docs/models.md: %s: %q are no heads", s.name, cells[4])
		}
		s.heads, s.kvHeads, s.dim = number(heads[1]), number(heads[2]), number(heads[3])
		if e := expertsForm.FindStringSubmatch(cells[5]); e != nil {
			s.used, s.experts, s.width = number(e[1]), number(e[2]), number(e[3])
			if e[4] != "" {
				s.shared = number(e[4])
			}
		} else {
			s.feedForward = number(cells[5])
		}
		shapes = append(shapes, s)
	}
	if len(shapes) < 30 {
		t.Fatalf("docs/models.md has %d rows: the search is broken", len(shapes))
	}
	return shapes
}

// layerVocab is the vocabulary of a layer's file: the table's would hide the layer.
const layerVocab = 320

// layerFile writes a GGUF model of one layer of the shape: true widths and heads, random weights, types as Q4_K_M mixes
// them. Of more experts than mostWeights allows it has twice as many as a token uses.
func (s published) layerFile(t *testing.T) string {
	t.Helper()
	const mostWeights = 800_000_000
	if s.experts*3*s.hidden*s.width > mostWeights {
		s.experts = 2 * s.used
	}
	tensors := s.tensors(t)
	layout, err := gguf.NewLayout(s.metadata(), tensors)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "layer.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(layout.Header); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(layout.Size); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, uint64(s.hidden)))
	for i, x := range tensors {
		stretch := randomStretch(t, random, x)
		for at, end := layout.Offsets[i], layout.Offsets[i]+layout.Sizes[i]; at < end; at += int64(len(stretch)) {
			if _, err := f.WriteAt(stretch[:min(int64(len(stretch)), end-at)], at); err != nil {
				t.Fatal(err)
			}
		}
	}
	return path
}

func (s published) metadata() []gguf.KeyValue {
	meta := []gguf.KeyValue{
		{Key: "general.architecture", Value: gguf.NewText(s.arch)},
		{Key: s.arch + ".attention.layer_norm_rms_epsilon", Value: gguf.NewFloat32(1e-6)},
		{Key: s.arch + ".rope.freq_base", Value: gguf.NewFloat32(1e6)},
	}
	feedForward := s.feedForward
	switch {
	case s.arch == "qwen":
		feedForward *= 2 // the first generation counts both halves
	case s.experts > 0:
		feedForward = s.used * s.width
	}
	counts := []struct {
		key string
		n   int
	}{
		{"block_count", 1},
		{"context_length", 4096},
		{"embedding_length", s.hidden},
		{"feed_forward_length", feedForward},
		{"attention.head_count", s.heads},
		{"attention.head_count_kv", s.kvHeads},
		{"attention.key_length", s.dim},
		{"attention.value_length", s.dim},
		{"expert_count", s.experts},
		{"expert_used_count", s.used},
		{"expert_feed_forward_length", s.width},
		{"expert_shared_feed_forward_length", s.shared},
	}
	for _, c := range counts {
		if c.n > 0 {
			meta = append(meta, gguf.KeyValue{Key: s.arch + "." + c.key, Value: gguf.NewUint32(uint32(c.n))})
		}
	}
	return meta
}

// tensors lists the layer's tensors with their types.
func (s published) tensors(t *testing.T) (list []gguf.TensorInfo) {
	t.Helper()
	add := func(name, typ string, shape ...int) {
		if shape[len(shape)-1]%256 != 0 { // where llama-quantize falls back
			typ = strings.NewReplacer("Q4_K", "Q5_0", "Q6_K", "Q8_0").Replace(typ)
		}
		number, ok := gguf.TypeNamed(typ)
		if !ok {
			t.Fatalf("there is no type %s", typ)
		}
		list = append(list, gguf.TensorInfo{Name: name, Type: number, Shape: shape})
	}
	layer := func(name, typ string, shape ...int) { add("blk.0."+name, typ, shape...) }
	q, kv := s.heads*s.dim, s.kvHeads*s.dim

	add("token_embd.weight", "Q4_K", layerVocab, s.hidden)
	if !s.tied {
		add("output.weight", "Q6_K", layerVocab, s.hidden)
	}
	add("output_norm.weight", "F32", s.hidden)
	layer("attn_norm.weight", "F32", s.hidden)
	layer("ffn_norm.weight", "F32", s.hidden)
	layer("attn_output.weight", "Q4_K", s.hidden, q)
	if s.arch == "qwen" {
		layer("attn_qkv.weight", "Q4_K", q+2*kv, s.hidden)
		layer("attn_qkv.bias", "F32", q+2*kv)
	} else {
		layer("attn_q.weight", "Q4_K", q, s.hidden)
		layer("attn_k.weight", "Q4_K", kv, s.hidden)
		layer("attn_v.weight", "Q6_K", kv, s.hidden)
	}
	switch s.arch {
	case "qwen2", "qwen2moe":
		layer("attn_q.bias", "F32", q)
		layer("attn_k.bias", "F32", kv)
		layer("attn_v.bias", "F32", kv)
	case "qwen3", "qwen3moe":
		layer("attn_q_norm.weight", "F32", s.dim)
		layer("attn_k_norm.weight", "F32", s.dim)
	}
	if s.experts == 0 {
		layer("ffn_gate.weight", "Q4_K", s.feedForward, s.hidden)
		layer("ffn_up.weight", "Q4_K", s.feedForward, s.hidden)
		layer("ffn_down.weight", "Q6_K", s.hidden, s.feedForward)
		return list
	}
	layer("ffn_gate_inp.weight", "F32", s.experts, s.hidden)
	layer("ffn_gate_exps.weight", "Q4_K", s.experts, s.width, s.hidden)
	layer("ffn_up_exps.weight", "Q4_K", s.experts, s.width, s.hidden)
	layer("ffn_down_exps.weight", "Q6_K", s.experts, s.hidden, s.width)
	if s.shared > 0 {
		layer("ffn_gate_inp_shexp.weight", "F32", s.hidden)
		layer("ffn_gate_shexp.weight", "Q4_K", s.shared, s.hidden)
		layer("ffn_up_shexp.weight", "Q4_K", s.shared, s.hidden)
		layer("ffn_down_shexp.weight", "Q6_K", s.hidden, s.shared)
	}
	return list
}

// randomStretch returns the bytes that a tensor repeats: weights of about 1/√cols, so that activations keep their size.
// It has a prime number of blocks, so that rows differ.
func randomStretch(t *testing.T, random *rand.Rand, x gguf.TensorInfo) []byte {
	t.Helper()
	const blocks = 1009
	elements, _ := x.Type.Block()
	values := make([]float32, blocks*max(elements, 32))
	cols := x.Shape[len(x.Shape)-1]
	for i := range values {
		values[i] = float32(random.NormFloat64() / math.Sqrt(float64(cols)))
		if len(x.Shape) == 1 && !strings.HasSuffix(x.Name, "shexp.weight") {
			values[i] = float32(random.NormFloat64()) / 4
			if strings.HasSuffix(x.Name, "norm.weight") {
				values[i] = 1 + values[i]/2
			}
		}
	}
	var typ quant.Type
	for typ = quant.F32; typ.Valid() && typ.String() != x.Type.String(); typ++ {
	}
	if typ == quant.F32 {
		var raw []byte
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		return raw
	}
	raw := make([]byte, blocks*typ.BlockBytes())
	if err := quant.Encode(raw, typ, values, len(values)); err != nil {
		t.Fatal(err)
	}
	return raw
}
