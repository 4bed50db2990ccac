package qwenvk

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
	"github.com/qwenvk/qwenvk/vk"
)

// openDemo loads the demo model and opens a session on it.
func openDemo(t *testing.T, rt *Runtime, o LoadOptions) (*Model, *Session) {
	t.Helper()
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m, s
}

func encode(t *testing.T, m *Model, text string) []int32 {
	t.Helper()
	ids, err := m.Tokenizer().Encode(text, tokenizer.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// generate collects an answer's text.
func generate(ctx context.Context, t *testing.T, s *Session, ids []int32, o GenerateOptions) (string, Result) {
	t.Helper()
	var text strings.Builder
	for tok, err := range s.Generate(ctx, ids, o) {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(tok.Text)
	}
	return text.String(), s.Result()
}

const sum = "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n"

// logitsBehind are the logits of the last of ids.
func logitsBehind(t *testing.T, s *Session, ids []int32, o LogitsOptions) []float32 {
	t.Helper()
	var out []float32
	err := s.Logits(context.Background(), ids, o, func(_ int, logits []float32) error {
		out = slices.Clone(logits)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGenerateEnds(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum)
	full, r := generate(context.Background(), t, s, ids, GenerateOptions{})
	if !strings.HasSuffix(full, "42") || r.FinishReason != "stop" || r.IDs[len(r.IDs)-1] != m.EOS()[0] {
		t.Fatalf("answer %q, %+v", full, r)
	}
	if r.Counts.Submits != 1 {
		t.Errorf("%v submits per decode step, want 1", r.Counts.Submits)
	}
	if r.Usage.PromptTokens != len(ids) || r.Usage.CompletionTokens != len(r.IDs) {
		t.Errorf("usage %+v for %d and %d tokens", r.Usage, len(ids), len(r.IDs))
	}

	text, r := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 5})
	if r.FinishReason != "length" || len(r.IDs) != 5 || !strings.HasPrefix(full, text) {
		t.Errorf("5 tokens: %q, %+v", text, r)
	}
	if r.Usage.CachedTokens != len(ids)-1 {
		t.Errorf("%d of %d prompt tokens came from the cache, want all but the last", r.Usage.CachedTokens, len(ids))
	}

	const stop = "</think>"
	text, r = generate(context.Background(), t, s, ids, GenerateOptions{Stop: []string{stop}})
	if before, _, _ := strings.Cut(full, stop); text != before || r.FinishReason != "stop" {
		t.Errorf("stop text: %q, want %q; %+v", text, before, r)
	}

	_, r = generate(context.Background(), t, s, ids, GenerateOptions{IgnoreEOS: true, MaxTokens: 100})
	if len(r.IDs) != 100 || r.FinishReason != "length" {
		t.Errorf("end tokens ignored: %d tokens, %s", len(r.IDs), r.FinishReason)
	}
}

func TestContextFull(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Context: 64})
	ids := encode(t, m, sum)
	_, r := generate(context.Background(), t, s, ids, GenerateOptions{IgnoreEOS: true})
	// The last token needs no place of its own: it is not fed.
	if want := 64 - len(ids) + 1; len(r.IDs) != want || r.FinishReason != "length" {
		t.Errorf("%d tokens behind %d in a context of 64, want %d; %s", len(r.IDs), len(ids), want, r.FinishReason)
	}
	long := slices.Repeat(ids, 10)
	for _, err := range s.Generate(context.Background(), long, GenerateOptions{}) {
		if !errors.Is(err, ErrContextFull) {
			t.Errorf("a prompt of %d tokens: %v", len(long), err)
		}
	}
	exact := long[:64]
	if _, r := generate(context.Background(), t, s, exact, GenerateOptions{IgnoreEOS: true}); len(r.IDs) != 1 {
		t.Errorf("a prompt that fills the context gives %d tokens, want 1", len(r.IDs))
	}
}

func TestCancel(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range s.Generate(ctx, ids, GenerateOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			cancel()
		}
	}
	if r := s.Result(); r.FinishReason != "interrupted" || len(r.IDs) != 3 {
		t.Errorf("cancelled after 3 tokens: %d tokens, %s", len(r.IDs), r.FinishReason)
	}
	// The session goes on as if nothing had happened.
	if text, _ := generate(context.Background(), t, s, ids, GenerateOptions{}); !strings.HasSuffix(text, "42") {
		t.Errorf("after a cancelled answer: %q", text)
	}
	n = 0
	for range s.Generate(context.Background(), ids, GenerateOptions{}) {
		if n++; n == 2 {
			break
		}
	}
	if text, _ := generate(context.Background(), t, s, ids, GenerateOptions{}); !strings.HasSuffix(text, "42") {
		t.Errorf("after an answer nobody listened to: %q", text)
	}
}

// TestPrefixReuse: a prompt whose beginning is cached gives the bits of one computed from its first token, where the
// chunk borders are equal.
func TestPrefixReuse(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	for _, kv := range vkexec.KVTypes() {
		t.Run(string(kv), func(t *testing.T) { reusePrefix(t, rt, LoadOptions{Chunk: 16, KV: string(kv)}) })
	}
}

func reusePrefix(t *testing.T, rt *Runtime, o LoadOptions) {
	m, s := openDemo(t, rt, o)
	base := encode(t, m, strings.Repeat(sum, 3))[:48]
	tail := encode(t, m, "Name three colours.<|im_end|>\n<|im_start|>assistant\n")
	fresh := logitsBehind(t, s, append(slices.Clone(base), tail...), LogitsOptions{})

	s.Reset()
	generate(context.Background(), t, s, append(slices.Clone(base), 5, 6, 7), GenerateOptions{MaxTokens: 4})
	ids := append(slices.Clone(base), tail...)
	reused := logitsBehind(t, s, ids, LogitsOptions{Reuse: true})
	for i := range fresh {
		if math.Float32bits(fresh[i]) != math.Float32bits(reused[i]) {
			t.Fatalf("logit %d is %v with a cached prefix and %v without", i, reused[i], fresh[i])
		}
	}
	_, r := generate(context.Background(), t, s, append(slices.Clone(base), 8, 9), GenerateOptions{MaxTokens: 1})
	if r.Usage.CachedTokens != len(base) {
		t.Errorf("%d tokens came from the cache, want %d", r.Usage.CachedTokens, len(base))
	}
}

func TestSampling(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum)
	p := sampler.Params{Temperature: 4, TopP: 1, Seed: 7}
	a, _ := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: 40})
	b, _ := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: 40})
	if a != b {
		t.Errorf("the same seed gives %q and %q", a, b)
	}
	p.Seed = 8
	if c, _ := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: 40}); c == a {
		t.Errorf("another seed gives the same answer %q", c)
	}
}

// TestPenalties draws with penalties on the device and repeats every choice on the host, from the logits without
// penalties and the same history.
func TestPenalties(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{KV: "f32"})
	ids := encode(t, m, sum)
	p := sampler.Params{RepetitionPenalty: 2.5, PresencePenalty: 3, FrequencyPenalty: 2}
	_, r := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: 24, IgnoreEOS: true})
	for i, id := range r.IDs {
		logits := logitsBehind(t, s, append(slices.Clone(ids), r.IDs[:i]...), LogitsOptions{})
		if err := p.ApplyPenalties(logits, ids, r.IDs[:i]); err != nil {
			t.Fatal(err)
		}
		best := slices.Max(logits)
		if got := logits[id]; got < best-1e-3 { // the two prompts were cut differently: the f32 row of the goldens
			t.Fatalf("token %d: id %d with logit %v, the best is %v", i, id, got, best)
		}
	}
	plain, _ := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 24, IgnoreEOS: true})
	penalised, _ := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: 24, IgnoreEOS: true})
	if plain == penalised {
		t.Errorf("the penalties change nothing in %q", plain)
	}
}

// TestLostDevice: a submission that fails ends the answer with an error that says so, and everything can be closed.
func TestLostDevice(t *testing.T) {
	probe := openTest(t, Options{}, nil)
	m, s := openDemo(t, probe, LoadOptions{})
	ids := encode(t, m, sum)
	for _, at := range []int{1, 3, 10} {
		rt, err := openForTest(t, Options{CacheDir: "none", faults: &vk.Faults{SubmitAt: at, SubmitErr: vk.ErrDeviceLost}})
		if err != nil {
			t.Fatal(err)
		}
		lost := func() error {
			m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{})
			if err != nil {
				return err
			}
			defer m.Close()
			s, err := m.NewSession()
			if err != nil {
				return err
			}
			defer s.Close()
			for _, err := range s.Generate(context.Background(), ids, GenerateOptions{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}()
		if !errors.Is(lost, ErrDeviceLost) {
			t.Errorf("submission %d fails: %v", at, lost)
		}
		if err := rt.Close(); err != nil {
			t.Errorf("close after a lost device: %v", err)
		}
	}
	if text, _ := generate(context.Background(), t, s, ids, GenerateOptions{}); !strings.HasSuffix(text, "42") {
		t.Errorf("another runtime on the same machine answers %q", text)
	}
}

// TestOutOfMemory lets each allocation fail in turn, at the load and in the first answer: the error says so, and the same runtime
// then loads and answers.
func TestOutOfMemory(t *testing.T) {
	every := 1
	if testing.Short() {
		every = 7
	}
	for at, whole := 1, false; !whole; at += every {
		rt, err := openForTest(t, Options{CacheDir: "none", faults: &vk.Faults{AllocAt: at, AllocErr: vk.ErrOutOfMemory}})
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for try := range 3 {
			text, err := loadAndAsk(t, rt)
			if err == nil {
				if !strings.Contains(text, "42") {
					t.Errorf("allocation %d, try %d: %q", at, try, text)
				}
				break
			}
			if failed++; !errors.Is(err, ErrOutOfMemory) {
				t.Errorf("allocation %d fails: %v", at, err)
			}
		}
		if failed > 1 || failed == 0 && at == 1 {
			t.Errorf("allocation %d failed %d times", at, failed)
		}
		if left := rt.device().Memory(); left.Buffers != 0 {
			t.Errorf("allocation %d: left: %+v", at, left)
		}
		whole = failed == 0 // there were not so many allocations
		if err := rt.Close(); err != nil {
			t.Errorf("allocation %d: close: %v", at, err)
		}
	}
}

func loadAndAsk(t *testing.T, rt *Runtime) (string, error) {
	t.Helper()
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Context: 128})
	if err != nil {
		return "", err
	}
	c := greedyChat(t, m)
	text, err := ask(c, "What is 17 + 25?")
	return text, errors.Join(err, c.Close(), m.Close())
}

func TestDoesNotFit(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	_, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Context: MaxContext})
	if !errors.Is(err, ErrOutOfMemory) || !strings.Contains(err.Error(), "--ctx") {
		t.Errorf("a context of %d: %v", MaxContext, err)
	}
}

// TestSessions runs two sessions in turns: neither sees the other's tokens.
func TestSessions(t *testing.T) {
	m, a := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Sessions: 2})
	b, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	idsA := encode(t, m, sum)
	idsB := encode(t, m, strings.Replace(sum, "What is 17 + 25?", "Who are you?", 1))
	wantA, _ := generate(context.Background(), t, a, idsA, GenerateOptions{})
	wantB, _ := generate(context.Background(), t, b, idsB, GenerateOptions{})
	done := make(chan string)
	for s, ids := range map[*Session][]int32{a: idsA, b: idsB} {
		go func() {
			var text strings.Builder
			for tok, err := range s.Generate(context.Background(), ids, GenerateOptions{}) {
				if err != nil {
					text.WriteString(err.Error())
				}
				text.WriteString(tok.Text)
			}
			done <- text.String()
		}()
	}
	got := []string{<-done, <-done}
	if !slices.Contains(got, wantA) || !slices.Contains(got, wantB) {
		t.Errorf("side by side: %q, want %q and %q", got, wantA, wantB)
	}
}

func TestLoadErrors(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	for path, want := range map[string]error{
		"no/such/model": ErrNotFound,
		testkit.Path(t, "golden/qwen3-dense-tied/config.json"): ErrUnsupportedFormat,
	} {
		if _, err := rt.Load(context.Background(), path, LoadOptions{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, err := Open(Options{Device: "no such device"}); !errors.Is(err, ErrNoDevice) {
		t.Errorf("device of no machine: %v", err)
	}
}

// TestDisable hides kernels and capabilities by name; the answer stays.
func TestDisable(t *testing.T) {
	rt := openTest(t, Options{Disable: []string{"mul_mat_vec", "float16"}}, nil)
	if rt.Device().Tier == 1 { // higher groups do not need it
		t.Errorf("tier %d without float16", rt.Device().Tier)
	}
	m, s := openDemo(t, rt, LoadOptions{})
	if text, _ := generate(context.Background(), t, s, encode(t, m, sum), GenerateOptions{}); !strings.HasSuffix(text, "42") {
		t.Errorf("answer %q", text)
	}
	if rt, err := Open(Options{Disable: []string{"no such thing"}, CacheDir: "none"}); err == nil {
		rt.Close()
		t.Error("a name that is neither kernel nor capability was taken")
	}
}
