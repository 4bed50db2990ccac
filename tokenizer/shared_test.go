package tokenizer_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// shared is the folder of files too large for the repository.
func shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "shared", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("../shared/%s is not there", name)
	}
	return path
}

// TestPublishedQwen25 reads the published Qwen2.5 files themselves: tokenizer.json with its
// merges as strings, and the other form.
func TestPublishedQwen25(t *testing.T) {
	dir := shared(t, "qwen-tokenizer/qwen2.5")
	fast, err := tokenizer.FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var parts [3][]byte
	for i, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json"} {
		if parts[i], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	slow, err := tokenizer.FromVocabMerges(parts[0], parts[1], parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(fast.AddedTokens(), slow.AddedTokens()) {
		t.Errorf("the added tokens differ:\n%+v\n%+v", fast.AddedTokens(), slow.AddedTokens())
	}
	for _, g := range goldens(t) {
		want := g.IDsQwen25
		if want == nil {
			want = g.IDs
		}
		for _, tok := range []*tokenizer.Tokenizer{fast, slow} {
			if got := mustEncode(t, tok, g.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, want) {
				t.Errorf("golden %d (%s) %q:\n got %d\nwant %d", g.N, g.Class, g.Text, got, want)
			}
		}
	}
}

// TestDemoModel: the tokenizer in the demo model's GGUF file is that of its tokenizer.json.
func TestDemoModel(t *testing.T) {
	for _, c := range []struct{ dir, gguf string }{
		{"demo-model/qwenvk-demo", "demo-model/qwenvk-demo-Q8_0.gguf"},
		{"golden/qwen3-dense-tied", "golden/qwen3-dense-tied/model.bf16.gguf"},
		{"golden/qwen1", "golden/qwen1/model.bf16.gguf"},
	} {
		fromDir, err := tokenizer.FromDir(shared(t, c.dir))
		if err != nil {
			t.Fatal(err)
		}
		fromGGUF, err := tokenizer.FromGGUF(ggufMetadata(t, shared(t, c.gguf)))
		if err != nil {
			t.Fatalf("%s: %v", c.gguf, err)
		}
		a, b := fromDir.AddedTokens(), fromGGUF.AddedTokens()
		if !slices.Equal(a, b) {
			t.Errorf("%s: the added tokens differ:\n%+v\n%+v", c.gguf, a, b)
		}
		eosDir, _ := fromDir.Special("eos")
		if eos, ok := fromGGUF.Special("eos"); !ok || eos != eosDir {
			t.Errorf("%s: the end token is %d, in the folder %d", c.gguf, eos, eosDir)
		}
		rng := rand.New(rand.NewPCG(11, 12))
		all := goldens(t)
		for range 2000 {
			text := all[rng.IntN(len(all))].Text + all[rng.IntN(len(all))].Text
			x := mustEncode(t, fromDir, text, tokenizer.EncodeOptions{})
			y := mustEncode(t, fromGGUF, text, tokenizer.EncodeOptions{})
			if !slices.Equal(x, y) {
				t.Fatalf("%s: %q gives %d, from the folder %d", c.gguf, text, y, x)
			}
		}
	}
}

// ggufMetadata reads the tokenizer's keys of a GGUF file. It is a test's reader: it believes
// the file, which the loader must not.
func ggufMetadata(t *testing.T, path string) tokenizer.GGUFVocab {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(data)
	next := func(v any) {
		if err := binary.Read(r, binary.LittleEndian, v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	text := func() string {
		var n uint64
		next(&n)
		b := make([]byte, n)
		next(b)
		return string(b)
	}
	sizes := map[uint32]int64{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
	var head struct {
		Magic, Version uint32
		Tensors, Keys  uint64
	}
	next(&head)
	g := tokenizer.GGUFVocab{SpecialIDs: map[string]int32{}}
	for range head.Keys {
		key := text()
		var kind, of uint32
		n := uint64(1)
		if next(&kind); kind == 9 {
			next(&of)
			next(&n)
			kind = of
		}
		name, isSpecial := strings.CutSuffix(strings.TrimPrefix(key, "tokenizer.ggml."), "_token_id")
		switch {
		case kind == 8:
			list := make([]string, n)
			for i := range list {
				list[i] = text()
			}
			switch name {
			case "model":
				g.Model = list[0]
			case "pre":
				g.Pre = list[0]
			case "tokens":
				g.Tokens = list
			case "merges":
				g.Merges = list
			}
		case name == "token_type":
			g.Types = make([]int32, n)
			next(g.Types)
		case isSpecial:
			var id uint32
			next(&id)
			g.SpecialIDs[name] = int32(id)
		default:
			if _, err := r.Seek(int64(n)*sizes[kind], io.SeekCurrent); err != nil {
				t.Fatal(err)
			}
		}
	}
	return g
}
