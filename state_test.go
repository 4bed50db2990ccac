package qwenvk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/vk"
)

// saved is what Save writes.
func saved(t *testing.T, save func(ctx context.Context, w io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := save(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mustRestore restores a file without a note.
func mustRestore(t *testing.T, restore func(ctx context.Context, r io.Reader) (string, error), file []byte) {
	t.Helper()
	if note, err := restore(context.Background(), bytes.NewReader(file)); err != nil || note != "" {
		t.Fatalf("note %q, error %v", note, err)
	}
}

// TestRestore: a session that was saved and restored goes on with the bits of one that was never interrupted, with every
// type of cache, whose pages lie in several buffers; and with the same tokens where they lie elsewhere than they did.
func TestRestore(t *testing.T) {
	rt := openTest(t, Options{}, &vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 64 << 10, ForceStaging: true})
	for _, kv := range vkexec.KVTypes() {
		t.Run(string(kv), func(t *testing.T) {
			m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 1024, Sessions: 3, KV: string(kv)})
			open := func() *Session {
				s, err := m.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			a, other, b := open(), open(), open()
			defer a.Close()
			defer b.Close()
			text := make([]int32, 250)
			for i := range text {
				text[i] = int32(3 + i*i*7%250)
			}
			// The other session holds pages 0 to 25, so that a's eight lie on both sides of a border: buffers hold 4, 8, 15 or
			// 28 pages.
			for range other.Generate(context.Background(), text[:3], GenerateOptions{MaxTokens: 26*vkexec.PageTokens - 4}) {
				break
			}
			_, r := generate(context.Background(), t, a, text, GenerateOptions{MaxTokens: 6, IgnoreEOS: true})
			other.Close() // b gets its pages, which are in another order and not in one piece
			ids := append(slices.Clone(text), r.IDs...)
			file := saved(t, a.Save)
			mustRestore(t, b.Restore, file)
			if got, want := b.s.Cached(), len(ids)-1; got != want {
				t.Fatalf("%d tokens are cached, want %d", got, want)
			}
			if b.s.State().RoPE != a.s.State().RoPE || !slices.Equal(b.s.State().IDs, a.s.State().IDs) {
				t.Errorf("the states differ")
			}
			if !bytes.Equal(saved(t, b.Save), file) {
				t.Error("saved again from other pages it is another file")
			}
			tail := append(slices.Clone(ids), 9, 8, 7, 6)
			want := logitsBehind(t, a, tail, LogitsOptions{Reuse: true})
			_, whole := generate(context.Background(), t, a, tail, GenerateOptions{MaxTokens: 8, IgnoreEOS: true})
			goesOn := func(s *Session, limit float64) {
				t.Helper()
				for i, got := range logitsBehind(t, s, tail, LogitsOptions{Reuse: true}) {
					if d := math.Abs(float64(want[i]) - float64(got)); !(d <= limit) {
						t.Fatalf("logit %d is %v after a restore and %v without", i, got, want[i])
					}
				}
				_, r := generate(context.Background(), t, s, tail, GenerateOptions{MaxTokens: 8, IgnoreEOS: true})
				if !slices.Equal(whole.IDs, r.IDs) || r.Usage.CachedTokens != whole.Usage.CachedTokens {
					t.Errorf("%v (%d cached), want %v (%d cached)", r.IDs, r.Usage.CachedTokens, whole.IDs, whole.Usage.CachedTokens)
				}
			}
			// Attention sums up buffer by buffer: where pages lie in other buffers the sums differ by float32's rounding, which
			// an f32 cache passes on as it is.
			if kv == "f32" {
				goesOn(b, 1e-4)
			}
			generate(context.Background(), t, a, text[150:], GenerateOptions{MaxTokens: 1})
			mustRestore(t, a.Restore, file)
			goesOn(a, 0)
			if again := saved(t, a.Save); bytes.Equal(again, file) {
				t.Error("a longer sequence gives the same file")
			}
		})
	}
}

// TestRestoreElsewhere: a file that was made with something else is left aside with its reason, and the session computes
// as if there were none.
func TestRestoreElsewhere(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	tied := testkit.Path(t, "golden/qwen3-dense-tied")
	file := func(path string, o LoadOptions) []byte {
		m := loadTest(t, rt, path, o)
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		generate(context.Background(), t, s, []int32{5, 6, 7, 8, 9, 10}, GenerateOptions{MaxTokens: 2, IgnoreEOS: true})
		return saved(t, s.Save)
	}
	adapter := testkit.Path(t, "golden/qwen3-lora/adapter")
	for _, c := range []struct {
		name, path string
		o          LoadOptions
		want       string
	}{
		{"another model", testkit.Path(t, "golden/qwen3-dense-untied"), LoadOptions{}, "it is of another model"},
		{"another cache", tied, LoadOptions{KV: "f32"}, `its cache is of type "f32", the session's is f16`},
		{"quantised weights", tied, LoadOptions{Quant: "int8"}, "it was made with the weights as int8 in groups of 32, not as the file has them"},
		{"other frequencies", tied, LoadOptions{RoPEScaling: "linear", RoPEFactor: 2}, "it was made with other rotary frequencies"},
		{"an adapter", tied, LoadOptions{Adapters: []AdapterFile{{Path: adapter, Scale: 1}}}, "it was made with other adapters"},
		{"the same", tied, LoadOptions{Context: 96}, ""},
	} {
		made := file(c.path, c.o)
		m := loadTest(t, rt, tied, LoadOptions{Context: 64})
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		note, err := s.Restore(context.Background(), bytes.NewReader(made))
		if err != nil || !strings.Contains(note, c.want) || (c.want == "") != (note == "") {
			t.Errorf("%s: note %q, %v; want %q", c.name, note, err, c.want)
		}
		if cached := s.s.Cached() > 0; cached != (c.want == "") {
			t.Errorf("%s: %d tokens are cached", c.name, s.s.Cached())
		}
		s.Close()
	}
}

// TestRestoreDamaged cuts and changes a file: each gives an error, an empty cache, and a session that works.
func TestRestoreDamaged(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum)
	want, _ := generate(context.Background(), t, s, ids, GenerateOptions{})
	file := saved(t, s.Save)
	check := func(what string, file []byte) {
		t.Helper()
		note, err := s.Restore(context.Background(), bytes.NewReader(file))
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotState) || note != "" || s.s.Cached() != 0 {
			t.Errorf("%s: note %q, %v, %d tokens cached", what, note, err, s.s.Cached())
		}
	}
	for _, n := range []int{0, 7, 15, 40, len(file) / 2, len(file) - 1} {
		check("cut", file[:n])
	}
	check("longer", append(slices.Clone(file), 'x'))
	for _, at := range []int{len(file) / 3, len(file) - 2} {
		changed := slices.Clone(file)
		changed[at] ^= 0x40
		check("changed", changed)
	}
	check("another kind of file", []byte("GGUF and so on and so forth, and more of it"))
	if text, _ := generate(context.Background(), t, s, ids, GenerateOptions{}); text != want {
		t.Errorf("after bad files: %q, want %q", text, want)
	}
	mustRestore(t, s.Restore, file)
	if text, r := generate(context.Background(), t, s, ids, GenerateOptions{}); text != want || r.Usage.CachedTokens != len(ids)-1 {
		t.Errorf("after the good file: %q, %+v", text, r.Usage)
	}
	for range s.Generate(context.Background(), ids, GenerateOptions{}) {
		if err := s.Save(context.Background(), io.Discard); !errors.Is(err, ErrBusy) {
			t.Errorf("saved in the middle of an answer: %v", err)
		}
		if _, err := s.Restore(context.Background(), bytes.NewReader(file)); !errors.Is(err, ErrBusy) {
			t.Errorf("restored in the middle of an answer: %v", err)
		}
		break
	}
	failing := errors.New("the disk is full")
	if err := s.Save(context.Background(), failingWriter{failing}); !errors.Is(err, failing) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestSaveChat: a conversation that is loaded goes on as it would have; one whose cache is of other settings does too,
// computed anew; and a bad file leaves the conversation as it was.
func TestSaveChat(t *testing.T) {
	options := ChatOptions{System: "Be brief.", Think: chat.ThinkOn, Sampling: &sampler.Params{}}
	a := openChat(t, options)
	say(context.Background(), t, a, "What is 17 + 25?")
	file := saved(t, a.Save)
	wantAnswer, wantReasoning := say(context.Background(), t, a, "Who are you?")
	cached := a.Result().Usage.CachedTokens

	b := openChat(t, ChatOptions{Think: chat.ThinkOn, Sampling: &sampler.Params{}})
	mustRestore(t, b.Load, file)
	if messages := b.Messages(); len(messages) != 3 || messages[0].Content != "Be brief." || messages[2].Content != "17+25=42" {
		t.Fatalf("messages %+v", messages)
	}
	answer, reasoning := say(context.Background(), t, b, "Who are you?")
	if answer != wantAnswer || reasoning != wantReasoning || b.Result().Usage.CachedTokens != cached {
		t.Errorf("%q, %q, %+v; want %q, %q, %d cached", answer, reasoning, b.Result().Usage, wantAnswer, wantReasoning, cached)
	}
	if b.Reset(); len(b.Messages()) != 1 {
		t.Errorf("after a reset: %+v", b.Messages())
	}

	for _, bad := range [][]byte{nil, file[:len(file)-9], []byte("no session at all, only text")} {
		if _, err := b.Load(context.Background(), bytes.NewReader(bad)); err == nil || len(b.Messages()) != 1 {
			t.Errorf("a bad file: %v, %d messages", err, len(b.Messages()))
		}
	}
	if answer, _ := say(context.Background(), t, b, "What is 17 + 25?"); answer != "17+25=42" {
		t.Errorf("after bad files: %q", answer)
	}
	if _, err := b.Load(context.Background(), bytes.NewReader(saved(t, b.session.Save))); !errors.Is(err, ErrNotState) {
		t.Errorf("a cache without a conversation: %v", err)
	}
}

// TestRestoreFrequencies: a model that chooses its rotary frequencies by the prompt goes on with those that the saved keys
// were turned by.
func TestRestoreFrequencies(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.ShortQwen1(t, 10), LoadOptions{Context: 64, Sessions: 2})
	var sessions [2]*Session
	for i := range sessions {
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sessions[i] = s
	}
	ids := make([]int32, 18)
	for i := range ids {
		ids[i] = int32(37*i+11) % 300
	}
	generate(context.Background(), t, sessions[0], ids[:15], GenerateOptions{MaxTokens: 1, IgnoreEOS: true})
	if sessions[0].s.State().RoPE == 0 {
		t.Fatal("the prompt is within the trained length")
	}
	mustRestore(t, sessions[1].Restore, saved(t, sessions[0].Save))
	_, want := generate(context.Background(), t, sessions[0], ids, GenerateOptions{MaxTokens: 4, IgnoreEOS: true})
	_, got := generate(context.Background(), t, sessions[1], ids, GenerateOptions{MaxTokens: 4, IgnoreEOS: true})
	if !slices.Equal(got.IDs, want.IDs) || got.Usage.CachedTokens != 15 || want.Usage.CachedTokens != 15 {
		t.Errorf("%v (%d cached), want %v (%d cached)", got.IDs, got.Usage.CachedTokens, want.IDs, want.Usage.CachedTokens)
	}
}
