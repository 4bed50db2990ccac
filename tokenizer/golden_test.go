package tokenizer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// golden is a line of golden.jsonl, made by the reference implementation.
type golden struct {
	N           int
	Class       string
	Text        string
	IDs         []int32
	IDsPlain    []int32 `json:"ids_plain"`
	IDsQwen25   []int32 `json:"ids_qwen2.5"`
	Decoded     string
	DecodedSkip *string `json:"decoded_skip_special"`
}

func goldens(t testing.TB) []golden {
	t.Helper()
	var all []golden
	d := json.NewDecoder(bytes.NewReader(read(t, "qwen-tokenizer/golden.jsonl", "qwen-tokenizer/golden.jsonl")))
	for d.More() {
		var g golden
		if err := d.Decode(&g); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	if len(all) != 200 {
		t.Fatalf("golden.jsonl has %d lines, want 200", len(all))
	}
	return all
}

func mustEncode(t testing.TB, tok *tokenizer.Tokenizer, text string, o tokenizer.EncodeOptions) []int32 {
	t.Helper()
	ids, err := tok.Encode(text, o)
	if err != nil {
		t.Fatalf("Encode(%q): %v", text, err)
	}
	return ids
}

func mustDecode(t testing.TB, tok *tokenizer.Tokenizer, ids []int32, o tokenizer.DecodeOptions) string {
	t.Helper()
	text, err := tok.Decode(ids, o)
	if err != nil {
		t.Fatalf("Decode(%d): %v", ids, err)
	}
	return text
}

// streamed decodes ids one by one and checks that no character was split on the way.
func streamed(t testing.TB, tok *tokenizer.Tokenizer, ids []int32, o tokenizer.DecodeOptions) string {
	t.Helper()
	s := tok.NewStream(o)
	var b strings.Builder
	for _, id := range ids {
		part := s.Push(id)
		if strings.ToValidUTF8(part, "?") != part {
			t.Fatalf("Push(%d) returned %q, which is not UTF-8", id, part)
		}
		b.WriteString(part)
	}
	b.WriteString(s.Flush())
	return b.String()
}

func TestGoldens(t *testing.T) {
	tok := qwen3(t)
	for range 3 { // the second and third time from the word cache
		for _, g := range goldens(t) {
			name := fmt.Sprintf("golden %d (%s) %q", g.N, g.Class, g.Text)
			if got := mustEncode(t, tok, g.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, g.IDs) {
				t.Errorf("%s:\n got %d\nwant %d", name, got, g.IDs)
			}
			plain := g.IDsPlain
			if plain == nil {
				plain = g.IDs
			}
			if got := mustEncode(t, tok, g.Text, tokenizer.EncodeOptions{Plain: true}); !slices.Equal(got, plain) {
				t.Errorf("%s, plain:\n got %d\nwant %d", name, got, plain)
			}
			skip := g.Decoded
			if g.DecodedSkip != nil {
				skip = *g.DecodedSkip
			}
			for _, c := range []struct {
				o    tokenizer.DecodeOptions
				want string
			}{{tokenizer.DecodeOptions{}, g.Decoded}, {tokenizer.DecodeOptions{SkipSpecial: true}, skip}} {
				if got := mustDecode(t, tok, g.IDs, c.o); got != c.want {
					t.Errorf("%s: Decode(%+v) = %q, want %q", name, c.o, got, c.want)
				}
				if got := streamed(t, tok, g.IDs, c.o); got != c.want {
					t.Errorf("%s: streamed(%+v) = %q, want %q", name, c.o, got, c.want)
				}
			}
		}
	}
}

// TestVocabMerges reads the Qwen2.5 files, written from the same vocabulary. The sums are
// those of the published files, so what is read is what people have.
func TestVocabMerges(t *testing.T) {
	vocab, merges := vocabMerges(t)
	if sum := fmt.Sprintf("%x", sha256.Sum256(merges)); sum != "8831e4f1a044471340f7c0a83d7bd71306a5b867e95fd870f74d0c5308a904d5" {
		t.Errorf("merges.txt has the sum %s, which is not the published file's", sum)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(vocab)); sum != "ca10d7e9fb3ed18575dd1e277a2579c16d108e32f27439684afa0e10b1440910" {
		t.Errorf("vocab.json has the sum %s, which is not the published file's", sum)
	}
	config := read(t, "qwen-tokenizer/qwen2.5/tokenizer_config.json", "qwen-tokenizer/qwen2.5/tokenizer_config.json")
	tok, err := tokenizer.FromVocabMerges(vocab, merges, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range goldens(t) {
		want := g.IDsQwen25
		if want == nil {
			want = g.IDs
		}
		if got := mustEncode(t, tok, g.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, want) {
			t.Errorf("golden %d (%s) %q:\n got %d\nwant %d", g.N, g.Class, g.Text, got, want)
		}
	}
	if id, ok := tok.Special("eos"); !ok || id != 151645 {
		t.Errorf("the end token is %d, %t; want 151645", id, ok)
	}
}

// vocabMerges writes vocab.json and merges.txt as they are published.
func vocabMerges(t testing.TB) (vocab, merges []byte) {
	t.Helper()
	m := parseModel(t, qwen3File(t))
	var v bytes.Buffer
	e := json.NewEncoder(&v)
	e.SetEscapeHTML(false)
	sep := byte('{')
	for id, token := range m.byID(t) {
		v.WriteByte(sep)
		sep = ','
		if err := e.Encode(token); err != nil {
			t.Fatal(err)
		}
		v.Truncate(v.Len() - 1) // the encoder's newline
		v.WriteString(":" + strconv.Itoa(id))
	}
	v.WriteByte('}')
	return v.Bytes(), []byte("#version: 0.2\n" + strings.Join(m.mergeLines(), "\n") + "\n")
}

func ggufVocab(t testing.TB, rows int) tokenizer.GGUFVocab {
	t.Helper()
	m := parseModel(t, qwen3File(t))
	g := tokenizer.GGUFVocab{Model: "gpt2", Pre: "qwen2", Tokens: m.byID(t), Merges: m.mergeLines(), SpecialIDs: map[string]int32{"eos": 151645}}
	for range g.Tokens {
		g.Types = append(g.Types, 1)
	}
	for _, a := range m.AddedTokens {
		g.Tokens = append(g.Tokens, a.Content)
		kind := int32(4)
		if a.Special {
			kind = 3
		}
		g.Types = append(g.Types, kind)
	}
	for len(g.Tokens) < rows {
		g.Tokens = append(g.Tokens, fmt.Sprintf("[PAD%d]", len(g.Tokens)))
		g.Types = append(g.Types, 5)
	}
	return g
}

func TestGGUF(t *testing.T) {
	tok, err := tokenizer.FromGGUF(ggufVocab(t, 151936))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range goldens(t) {
		if got := mustEncode(t, tok, g.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, g.IDs) {
			t.Errorf("golden %d (%s) %q:\n got %d\nwant %d", g.N, g.Class, g.Text, got, g.IDs)
		}
		if got := mustDecode(t, tok, g.IDs, tokenizer.DecodeOptions{}); got != g.Decoded {
			t.Errorf("golden %d: Decode = %q, want %q", g.N, got, g.Decoded)
		}
	}
	for _, id := range mustEncode(t, tok, "[PAD151700]", tokenizer.EncodeOptions{}) {
		if id >= 151669 {
			t.Errorf("the text [PAD151700] gives id %d, a row without a token", id)
		}
	}
	if got := tok.NewStream(tokenizer.DecodeOptions{}).Push(151700); got != "" {
		t.Errorf("a row without a token is written as %q", got)
	}
	if !tok.IsSpecial(151645) || tok.IsSpecial(151667) {
		t.Error("<|im_end|> must be special and <think> must not")
	}
}

// TestLlamaVectors holds the encoder to the 47 strings of llama.cpp's own test.
func TestLlamaVectors(t *testing.T) {
	in := string(read(t, "qwen-tokenizer/vectors/ggml-vocab-qwen2.gguf.inp", "qwen-tokenizer/vectors/ggml-vocab-qwen2.gguf.inp"))
	out := string(read(t, "qwen-tokenizer/vectors/ggml-vocab-qwen2.gguf.out", "qwen-tokenizer/vectors/ggml-vocab-qwen2.gguf.out"))
	texts := strings.Split(in, "\n__ggml_vocab_test__\n")
	lines := strings.Split(out, "\n")
	if len(texts) != len(lines) || len(lines) != 47 { // the 47th is the empty text
		t.Fatalf("%d texts and %d lines of ids, want 47", len(texts), len(lines))
	}
	tok := qwen3(t)
	for i, text := range texts {
		var want []int32
		for field := range strings.FieldsSeq(lines[i]) {
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, int32(n))
		}
		if got := mustEncode(t, tok, text, tokenizer.EncodeOptions{}); !slices.Equal(got, want) {
			t.Errorf("vector %d %q:\n got %d\nwant %d", i, text, got, want)
		}
	}
}

// TestTinyGoldens uses the tokenizer of the tiny golden models.
func TestTinyGoldens(t *testing.T) {
	tok, err := tokenizer.FromTokenizerJSON(tinyFile(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Cases []struct {
			Text        string
			IDs         []int32
			DecodedSkip string `json:"decoded_skip_special"`
		}
	}
	if err := json.Unmarshal(read(t, "golden/tokenizer/expected.json", "golden/tokenizer/expected.json"), &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Cases) == 0 {
		t.Fatal("expected.json has no cases")
	}
	for _, c := range want.Cases {
		if got := mustEncode(t, tok, c.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, c.IDs) {
			t.Errorf("%q:\n got %d\nwant %d", c.Text, got, c.IDs)
		}
		if got := mustDecode(t, tok, c.IDs, tokenizer.DecodeOptions{SkipSpecial: true}); got != c.DecodedSkip {
			t.Errorf("%q: Decode = %q, want %q", c.Text, got, c.DecodedSkip)
		}
	}
}

// TestChatGoldens encodes the rendered conversations, which are full of added tokens.
func TestChatGoldens(t *testing.T) {
	var records []struct {
		Name, Template, Text string
		IDs                  []int32
	}
	if err := json.Unmarshal(read(t, "qwen-tokenizer/chat_golden.json.gz", "qwen-tokenizer/chat_golden.json"), &records); err != nil {
		t.Fatal(err)
	}
	tok := qwen3(t)
	n := 0
	for _, r := range records {
		if r.Template == "qwen2.5" { // other added tokens
			continue
		}
		n++
		if got := mustEncode(t, tok, r.Text, tokenizer.EncodeOptions{}); !slices.Equal(got, r.IDs) {
			t.Errorf("%s (%s):\n got %d\nwant %d", r.Name, r.Template, got, r.IDs)
		}
	}
	if n == 0 {
		t.Fatal("chat_golden.json has no Qwen3 records")
	}
	t.Logf("%d of %d conversations", n, len(records))
}
