package qwenvk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
)

// greedyChat answers sums without thinking.
func greedyChat(t *testing.T, m *Model) *Chat {
	t.Helper()
	c, err := m.NewChat(ChatOptions{Think: chat.ThinkOff, Sampling: &sampler.Params{}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(c *Chat, question string) (string, error) {
	var text strings.Builder
	for d, err := range c.Send(context.Background(), question) {
		if err != nil {
			return text.String(), err
		}
		text.WriteString(d.Text)
	}
	return text.String(), nil
}

// closers is a runtime with all that can be opened of it.
type closers struct {
	rt      *Runtime
	m       *Model
	c       *Chat
	s       *Session
	adapter *Adapter
}

func openAll(t *testing.T) *closers {
	t.Helper()
	rt, err := openForTest(t, Options{CacheDir: "none"})
	if err != nil {
		t.Fatal(err)
	}
	a := &closers{rt: rt}
	if a.m, err = rt.Load(context.Background(), testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 64, Template: "{{ messages[0].content }}"}); err != nil {
		t.Fatal(err)
	}
	if a.c, err = a.m.NewChat(ChatOptions{MaxTokens: 3}); err != nil {
		t.Fatal(err)
	}
	if a.s, err = a.m.NewSession(); err != nil {
		t.Fatal(err)
	}
	if a.adapter, err = a.m.LoadAdapter(context.Background(), testkit.Path(t, "golden/qwen3-lora/adapter")); err != nil {
		t.Fatal(err)
	}
	if err := a.s.SetAdapters(context.Background(), AdapterUse{Adapter: a.adapter, Scale: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(a.c, "a b"); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCloseInAnyOrder closes runtime, model, chat, session and adapter in different orders, each twice: no error but that of
// an adapter which a session still uses, no message of the validation layer, and nothing left.
func TestCloseInAnyOrder(t *testing.T) {
	for _, order := range []string{"rmcsa", "mrcas", "mascr", "cmras", "sarcm", "acsmr"} {
		t.Run(order, func(t *testing.T) {
			a := openAll(t)
			for _, what := range order {
				for range 2 {
					var err error
					switch what {
					case 'r':
						err = a.rt.Close()
					case 'm':
						err = a.m.Close()
					case 'c':
						err = a.c.Close()
					case 's':
						err = a.s.Close()
					case 'a':
						if err = a.adapter.Close(); order[0] == 'a' && errors.Is(err, ErrBusy) {
							err = nil
						}
					}
					if err != nil {
						t.Errorf("closing %c: %v", what, err)
					}
				}
			}
			if left := a.rt.device().Memory(); left.Allocations != 0 || left.Buffers != 0 {
				t.Errorf("left: %+v", left)
			}
			for _, message := range a.rt.Messages() {
				t.Errorf("validation: %s", message)
			}
			a.refused(t)
		})
	}
}

// refused calls everything that can fail and wants ErrClosed of it.
func (a *closers) refused(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	row := func(int, []float32) error { return nil }
	sequence := func(generate func(yield func(error) bool)) (last error) {
		generate(func(err error) bool { last = err; return true })
		return last
	}
	tokens := func(s *Session) error {
		return sequence(func(yield func(error) bool) {
			for _, err := range s.Generate(ctx, []int32{1, 2}, GenerateOptions{}) {
				yield(err)
			}
		})
	}
	for name, call := range map[string]func() error{
		"Runtime.Load":     func() error { _, err := a.rt.Load(ctx, "x.gguf", LoadOptions{}); return err },
		"Runtime.LoadGGUF": func() error { _, err := a.rt.LoadGGUF(ctx, "x", nil, LoadOptions{}); return err },
		"Runtime.LoadFile": func() error {
			f, err := fstest.MapFS{"x": {}}.Open("x")
			if err == nil {
				_, err = a.rt.LoadFile(ctx, f, LoadOptions{})
			}
			return err
		},
		"Runtime.MeasureCopy":        func() error { _, err := a.rt.MeasureCopy(ctx); return err },
		"Model.NewSession":           func() error { _, err := a.m.NewSession(); return err },
		"Model.NewChat":              func() error { _, err := a.m.NewChat(ChatOptions{}); return err },
		"Model.Tokenize":             func() error { _, err := a.m.Tokenize("a"); return err },
		"Model.Detokenize":           func() error { _, err := a.m.Detokenize([]int32{1}); return err },
		"Model.Embed":                func() error { _, err := a.m.Embed(ctx, []string{"a"}, EmbedOptions{}); return err },
		"Model.Rerank":               func() error { _, err := a.m.Rerank(ctx, "a", []string{"b"}, RerankOptions{}); return err },
		"Model.Render":               func() error { _, err := a.m.Render(ctx, chat.RenderOptions{}); return err },
		"Model.LoadAdapter":          func() error { _, err := a.m.LoadAdapter(ctx, "x"); return err },
		"Model.NewJSONConstraint":    func() error { _, err := a.m.NewJSONConstraint([]byte("{}")); return err },
		"Model.NewGrammarConstraint": func() error { _, err := a.m.NewGrammarConstraint(`root ::= "a"`); return err },
		"Model.Generate": func() error {
			return sequence(func(yield func(error) bool) {
				for _, err := range a.m.Generate(ctx, "a", GenerateOptions{}) {
					yield(err)
				}
			})
		},
		"Session.Generate": func() error { return tokens(a.s) },
		"Session.Logits":   func() error { return a.s.Logits(ctx, []int32{1}, LogitsOptions{}, row) },
		"Session.Hidden":   func() error { return a.s.Hidden(ctx, []int32{1}, HiddenOptions{}, row) },
		"Session.Beam":     func() error { _, err := a.s.Beam(ctx, []int32{1}, BeamOptions{Beams: 1}); return err },
		"Session.Save":     func() error { return a.s.Save(ctx, io.Discard) },
		"Session.SetAdapters": func() error {
			return a.s.SetAdapters(ctx)
		},
		"Chat.Send": func() error { _, err := ask(a.c, "a"); return err },
		"Chat.Run": func() error {
			return sequence(func(yield func(error) bool) {
				for _, err := range a.c.Run(ctx, "a", ToolOptions{}) {
					yield(err)
				}
			})
		},
		"Chat.Save":      func() error { return a.c.Save(ctx, io.Discard) },
		"Chat.SaveCache": func() error { return a.c.SaveCache(ctx, io.Discard, 1) },
	} {
		if err := call(); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	// What only tells something goes on telling it.
	if a.m.Info().Layers == 0 || a.adapter.Info().Params == 0 || len(a.c.Messages()) != 2 || a.m.Tokenizer() == nil {
		t.Error("a closed thing forgot what it was")
	}
	a.s.Reset()
	a.c.Reset()
	_, _, _ = a.s.Result(), a.s.Profile(), a.rt.Devices()
}

// TestCloseMidAnswer closes, while an answer is under way, the chat, the model or the runtime: from the loop itself and from
// another goroutine. The answer ends with ErrClosed, and nobody waits for anybody.
func TestCloseMidAnswer(t *testing.T) {
	for _, what := range []string{"chat", "model", "runtime"} {
		for _, where := range []string{"loop", "goroutine"} {
			t.Run(what+" in "+where, func(t *testing.T) {
				rt, err := openForTest(t, Options{CacheDir: "none"})
				if err != nil {
					t.Fatal(err)
				}
				m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				c := greedyChat(t, m)
				end := map[string]func() error{"chat": c.Close, "model": m.Close, "runtime": rt.Close}[what]
				var last error
				begun := make(chan struct{})
				closed := make(chan struct{})
				if where == "goroutine" {
					go func() {
						defer close(closed)
						<-begun
						if err := end(); err != nil {
							t.Error(err)
						}
					}()
				}
				n := 0
				for _, err := range c.Send(context.Background(), "What is 17 + 25?") {
					if last = err; err != nil {
						break
					}
					if n++; n > 1 {
						continue
					}
					if where == "loop" {
						if err := end(); err != nil {
							t.Error(err)
						}
						close(closed)
						continue
					}
					close(begun)
					<-closed
				}
				<-closed
				if !errors.Is(last, ErrClosed) {
					t.Errorf("the answer ends with %v", last)
				}
				if messages := c.Messages(); len(messages) != 0 {
					t.Errorf("after an error the conversation has %d messages", len(messages))
				}
				if err := errors.Join(c.Close(), m.Close(), rt.Close()); err != nil {
					t.Error(err)
				}
				for _, message := range rt.Messages() {
					t.Errorf("validation: %s", message)
				}
			})
		}
	}
}

// TestCloseDuringLoad: a load that the runtime's end cancels says that it was that.
func TestCloseDuringLoad(t *testing.T) {
	rt, err := openForTest(t, Options{CacheDir: "none"})
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	closed := make(chan error, 1)
	_, err = rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Progress: func(Progress) {
		once.Do(func() {
			go func() { closed <- rt.Close() }()
			for rt.life.err() == nil {
				time.Sleep(time.Millisecond)
			}
		})
	}})
	if !errors.Is(err, ErrClosed) {
		t.Errorf("the load ends with %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestMoreChatsThanCaches: three chats of a model with one cache answer in turns, each with its own conversation.
func TestMoreChatsThanCaches(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "demo-model/qwenvk-demo"), LoadOptions{})
	var chats []*Chat
	for range 3 {
		c := greedyChat(t, m)
		defer c.Close()
		chats = append(chats, c)
	}
	for i, q := range []string{"What is 17 + 25?", "Please reverse: fox bird ball", "What is 17 + 26?"} {
		want := []string{"17+25=42", "ball bird fox", "17+26=43"}[i]
		for j, c := range chats {
			if got, err := ask(c, q); err != nil || got != want {
				t.Errorf("chat %d, question %q: %q, %v", j, q, got, err)
			}
		}
	}
	if n := chats[0].Result().Usage.CachedTokens; n != 0 {
		t.Errorf("%d tokens were cached of a chat whose cache others had", n)
	}
	// While one is in the middle of an answer the others cannot have its cache.
	for _, err := range chats[0].Send(context.Background(), "What is 17 + 25?") {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(chats[1], "What is 1 + 1?"); !errors.Is(err, ErrNoSlot) {
			t.Errorf("beside an answer that has the only cache: %v", err)
		}
		if _, err := ask(chats[0], "What is 1 + 1?"); !errors.Is(err, ErrBusy) {
			t.Errorf("a question within an answer: %v", err)
		}
		if err := chats[0].Save(context.Background(), io.Discard); !errors.Is(err, ErrBusy) {
			t.Errorf("saving within an answer: %v", err)
		}
		break
	}
	if got, err := ask(chats[1], "What is 17 + 26?"); err != nil || got != "17+26=43" {
		t.Errorf("when the answer was left: %q, %v", got, err)
	}
}

// TestGoroutines: chats of two models answer at the same time, from a goroutine each, while their messages are read.
func TestGoroutines(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	var models []*Model
	for _, quant := range []string{"", "int8"} {
		models = append(models, loadTest(t, rt, testkit.Path(t, "demo-model/qwenvk-demo"), LoadOptions{Sessions: 2, Quant: quant}))
	}
	var all sync.WaitGroup
	for _, m := range models {
		for range 2 {
			c := greedyChat(t, m)
			defer c.Close()
			all.Go(func() {
				for _, q := range []string{"17 + 25", "17 + 26"} {
					got, err := ask(c, "What is "+q+"?")
					if want := strings.ReplaceAll(q, " ", "") + "=4"; err != nil || !strings.HasPrefix(got, want) {
						t.Errorf("%q: %q, %v", q, got, err)
					}
				}
			})
			all.Go(func() {
				for range 20 {
					_, _, _ = c.Messages(), c.Result(), c.Options()
				}
			})
		}
	}
	all.Wait()
}

// TestUsageComesLast: of the deltas of an answer the last has the usage alone.
func TestUsageComesLast(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "demo-model/qwenvk-demo"), LoadOptions{})
	c := greedyChat(t, m)
	defer c.Close()
	var deltas []Delta
	for d, err := range c.Send(context.Background(), "What is 17 + 25?") {
		if err != nil {
			t.Fatal(err)
		}
		deltas = append(deltas, d)
	}
	last := deltas[len(deltas)-1]
	if last.Usage == nil || *last.Usage != c.Result().Usage || last.Usage.CompletionTokens == 0 || last.Text != "" {
		t.Errorf("the last delta is %+v", last)
	}
	for _, d := range deltas[:len(deltas)-1] {
		if d.Usage != nil {
			t.Errorf("usage comes early: %+v", d)
		}
	}
}

// TestResetMidAnswer: an answer whose conversation was replaced meanwhile does not join the new one.
func TestResetMidAnswer(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "demo-model/qwenvk-demo"), LoadOptions{})
	c := greedyChat(t, m)
	defer c.Close()
	for _, err := range c.Send(context.Background(), "What is 17 + 25?") {
		if err != nil {
			t.Fatal(err)
		}
		c.Reset()
	}
	if n := len(c.Messages()); n != 0 {
		t.Errorf("the new conversation has %d messages", n)
	}
	if got, err := ask(c, "What is 17 + 26?"); err != nil || got != "17+26=43" || len(c.Messages()) != 2 {
		t.Errorf("the new conversation answers %q, %v", got, err)
	}
}

func TestMemoryLimit(t *testing.T) {
	ctx := context.Background()
	load := func(rt *Runtime, o LoadOptions) (*Model, error) { return rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), o) }
	rt := openTest(t, Options{MemoryLimit: 400 << 20}, nil)
	first, err := load(rt, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	full := first.Info()

	// A limit of its own: the default context shrinks, a context that was asked for is refused with what would fit.
	tight := uint64(full.WeightBytes) + full.Memory.KV/2 + scratchBytes + 4096
	m, err := load(rt, LoadOptions{MemoryLimit: tight})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Info(); got.Context >= full.Context || got.Memory.total() > tight {
		t.Errorf("with a limit of %d bytes: context %d, %d bytes", tight, got.Context, got.Memory.total())
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := load(rt, LoadOptions{MemoryLimit: tight, Context: full.Context}); !errors.Is(err, ErrOutOfMemory) || !strings.Contains(err.Error(), "it fits") {
		t.Errorf("a context beyond the limit: %v", err)
	}
	if _, err := load(rt, LoadOptions{MemoryLimit: 1 << 20}); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("a limit below the weights: %v", err)
	}

	// The runtime's limit holds for all of them: what the first one took is missing.
	var models []*Model
	for err == nil && len(models) < 50 {
		if m, err = load(rt, LoadOptions{}); err == nil {
			defer m.Close()
			models = append(models, m)
		}
	}
	if !errors.Is(err, ErrOutOfMemory) || len(models) == 0 {
		t.Errorf("%d more models, then %v", len(models), err)
	}
	if taken := rt.taken(); taken > rt.options.MemoryLimit {
		t.Errorf("%d bytes are taken", taken)
	}
}

// failing is a file whose reading fails.
type failing struct{ fs.File }

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestLoadFile(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	ctx := context.Background()
	files := fstest.MapFS{"models/demo.gguf": {Data: demo.GGUF()}, "text.gguf": {Data: bytes.Repeat([]byte("text "), 100)}}
	open := func(name string) fs.File {
		f, err := files.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	m, err := rt.LoadFile(ctx, open("models/demo.gguf"), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got, err := ask(greedyChat(t, m), "What is 17 + 25?"); err != nil || got != "17+25=42" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := rt.LoadFile(ctx, open("models"), LoadOptions{}); !errors.Is(err, ErrUnsupportedFormat) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := rt.LoadFile(ctx, open("text.gguf"), LoadOptions{}); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupportedFormat) {
		t.Errorf("a text: %v", err)
	}
	if _, err := rt.LoadFile(ctx, failing{open("text.gguf")}, LoadOptions{}); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("a disk that is gone: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := rt.LoadFile(stopped, open("models/demo.gguf"), LoadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestGenerateText: Model.Generate is Session.Generate of the text's ids.
func TestGenerateText(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	want, _ := generate(context.Background(), t, s, encode(t, m, sum), GenerateOptions{})
	var got strings.Builder
	for tok, err := range m.Generate(context.Background(), sum, GenerateOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(tok.Text)
	}
	if got.String() != want {
		t.Errorf("%q, want %q", got.String(), want)
	}
	for _, err := range m.Generate(context.Background(), "a\xff", GenerateOptions{}) {
		if err == nil {
			t.Error("text that is not UTF-8 is taken")
		}
	}
	if _, err := m.Detokenize([]int32{1 << 30}); err == nil {
		t.Error("an id that the model does not have becomes text")
	}
}

// TestOptionsAreCopied: what a program does with its options later changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	budget, stop := 5, []string{"a"}
	o := ChatOptions{Stop: stop, ThinkBudget: &budget, Sampling: &sampler.Params{LogitBias: map[int32]float64{1: 1}}, Tools: chat.Tools{[]byte("{}")}}
	kept := o.clone()
	stop[0], budget, o.Sampling.TopK, o.Sampling.LogitBias[1], o.Tools[0] = "b", 6, 7, 8, nil
	if kept.Stop[0] != "a" || *kept.ThinkBudget != 5 || kept.Sampling.TopK != 0 || kept.Sampling.LogitBias[1] != 1 || kept.Tools[0] == nil {
		t.Errorf("%+v, %+v", kept, *kept.Sampling)
	}
}

// TestLimitOfLoadsAtOnce: loads at the same time keep the runtime's limit together.
func TestLimitOfLoadsAtOnce(t *testing.T) {
	rt := openTest(t, Options{MemoryLimit: scratchBytes + scratchBytes/2}, nil)
	load := func(progress func(Progress)) error {
		m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Progress: progress})
		if err != nil {
			return err
		}
		return m.Close()
	}
	inner := errors.New("never asked")
	var once sync.Once
	if err := load(func(Progress) {
		once.Do(func() { inner = load(nil) }) // in the middle of the first
	}); err != nil {
		t.Error(err)
	}
	if !errors.Is(inner, ErrOutOfMemory) {
		t.Errorf("a second load beside one that takes most of the limit: %v", inner)
	}
	if err := load(nil); err != nil || rt.planned != 0 {
		t.Errorf("behind that: %v; %d bytes stay planned", err, rt.planned)
	}
}
