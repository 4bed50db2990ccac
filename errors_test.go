package qwenvk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/vk"
)

// calls are all that computes, each of which passes errors on. ids go to sessions, text to models and chats.
func calls(m *Model, s *Session, c *Chat, ids []int32, text string) map[string]func() error {
	ctx := context.Background()
	row := func(int, []float32) error { return nil }
	return map[string]func() error{
		"Session.Generate": func() (last error) {
			for _, last = range s.Generate(ctx, ids, GenerateOptions{MaxTokens: 2}) {
				if last != nil {
					break
				}
			}
			return last
		},
		"Session.Logits":     func() error { return s.Logits(ctx, ids, LogitsOptions{}, row) },
		"Session.Logits all": func() error { return s.Logits(ctx, ids, LogitsOptions{All: true}, row) },
		"Session.Hidden":     func() error { return s.Hidden(ctx, ids, HiddenOptions{}, row) },
		"Session.Beam":       func() error { _, err := s.Beam(ctx, ids, BeamOptions{Beams: 1, MaxTokens: 2}); return err },
		"Model.Generate": func() (last error) {
			for _, last = range m.Generate(ctx, text, GenerateOptions{MaxTokens: 2}) {
				if last != nil {
					break
				}
			}
			return last
		},
		"Model.Embed":  func() error { _, err := m.Embed(ctx, []string{text}, EmbedOptions{}); return err },
		"Model.Rerank": func() error { _, err := m.Rerank(ctx, "a", []string{text}, RerankOptions{}); return err },
		"Chat.Send":    func() error { _, err := ask(c, text); return err },
		"Chat.Run": func() (last error) {
			for _, last = range c.Run(ctx, text, ToolOptions{}) {
				if last != nil {
					break
				}
			}
			return last
		},
	}
}

// small is a model, a session and a chat that are opened quickly.
func small(t *testing.T, rt *Runtime, length int) (*Model, *Session, *Chat) {
	t.Helper()
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Context: length, Sessions: 3})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return m, s, greedyChat(t, m)
}

// TestContextFullEverywhere: whatever is asked with more than the context holds gets ErrContextFull, and a usable model stays.
func TestContextFullEverywhere(t *testing.T) {
	m, s, c := small(t, openTest(t, Options{}, nil), 96)
	long := strings.Repeat("one two three ", 40)
	ids, err := m.Tokenize(long)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range calls(m, s, c, ids, long) {
		if err := call(); !errors.Is(err, ErrContextFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := ask(c, "What is 17 + 25?"); err != nil || got != "17+25=42" {
		t.Errorf("behind that: %q, %v", got, err)
	}
}

// TestDeviceLostEverywhere: a device that is lost in any call is ErrDeviceLost there, and works again with the next answer.
func TestDeviceLostEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests lose a device in one call alone, see TestLostDevice")
	}
	names := calls(nil, nil, nil, nil, "")
	names["Runtime.MeasureCopy"], names["Session.Save"], names["Session.Restore"] = nil, nil, nil
	for name := range names {
		faults := &vk.Faults{}
		rt, err := openOrSkip(t, Options{CacheDir: "none", faults: faults})
		if err != nil {
			t.Fatal(err)
		}
		m, s, c := small(t, rt, 512)
		ids := encode(t, m, sum)
		all := calls(m, s, c, ids, "What is 17 + 25?")
		all["Runtime.MeasureCopy"] = func() error { _, err := rt.MeasureCopy(context.Background()); return err }
		var state bytes.Buffer
		if err := all["Session.Generate"](); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(context.Background(), &state); err != nil {
			t.Fatal(err)
		}
		all["Session.Save"] = func() error { return s.Save(context.Background(), io.Discard) }
		all["Session.Restore"] = func() error {
			_, err := s.Restore(context.Background(), bytes.NewReader(state.Bytes()))
			return err
		}
		s.Reset()
		if name == "Session.Save" { // something has to be there
			if err := all["Session.Generate"](); err != nil {
				t.Fatal(err)
			}
		}
		mapped := rt.device().Caps().Type == vk.Software && strings.HasPrefix(name, "Session.S") || name == "Session.Restore"
		faults.SubmitAt = 1
		if err := all[name](); !errors.Is(err, ErrDeviceLost) && !(mapped && err == nil) { // memory that the host sees is copied by the host
			t.Errorf("%s: %v", name, err)
		}
		faults.SubmitAt = 0
		if err := errors.Join(all["Session.Generate"](), all[name]()); err != nil { // what computes tokens opens the device again
			t.Errorf("%s once more: %v", name, err)
		}
		if err := errors.Join(rt.Close(), c.Close(), m.Close()); err != nil {
			t.Errorf("%s: closing: %v", name, err)
		}
	}
}

// TestBusyEverywhere: in the middle of an answer its session and its chat refuse everything else.
func TestBusyEverywhere(t *testing.T) {
	m, s, c := small(t, openTest(t, Options{}, nil), 512)
	ids := encode(t, m, sum)
	all := calls(m, s, c, ids, "What is 17 + 25?")
	all["Session.Save"] = func() error { return s.Save(context.Background(), io.Discard) }
	all["Session.SetAdapters"] = func() error { return s.SetAdapters(context.Background()) }
	all["Chat.Save"] = func() error { return c.Save(context.Background(), io.Discard) }
	all["Chat.SetAdapters"] = func() error { return c.SetAdapters(context.Background()) }
	busy := func(prefix string) {
		for name, call := range all {
			if err := call(); strings.HasPrefix(name, prefix) != errors.Is(err, ErrBusy) {
				t.Errorf("%s in the middle of an answer of %s: %v", name, prefix, err)
			}
		}
	}
	for _, err := range s.Generate(context.Background(), ids, GenerateOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		busy("Session.")
		break
	}
	for _, err := range c.Send(context.Background(), "What is 17 + 25?") {
		if err != nil {
			t.Fatal(err)
		}
		busy("Chat.")
		break
	}
}

// TestErrorsOfLoads: what is wrong with a device or a file is told apart by errors.Is, through every way to load.
func TestErrorsOfLoads(t *testing.T) {
	if _, err := Open(Options{Device: "no such card"}); !errors.Is(err, ErrNoDevice) && !errors.Is(err, ErrNoLoader) {
		t.Errorf("a device that is not there: %v", err)
	}
	rt := openTest(t, Options{}, nil)
	whole := demo.GGUF()
	other := bytes.ReplaceAll(whole[:1<<12], []byte("qwen3"), []byte("llama"))
	for _, c := range []struct {
		name string
		data []byte
		want []error
	}{
		{"nothing", nil, []error{ErrCorrupt, ErrUnsupportedFormat}},
		{"a text", []byte(strings.Repeat("text ", 100)), []error{ErrCorrupt, ErrUnsupportedFormat}},
		{"a part", whole[:len(whole)/2], []error{ErrCorrupt}},
		{"another architecture", append(other, whole[len(other):]...), []error{ErrUnsupportedModel, ErrUnsupportedFormat}},
	} {
		is := func(err error) bool {
			for _, want := range c.want {
				if errors.Is(err, want) {
					return true
				}
			}
			return false
		}
		path := filepath.Join(t.TempDir(), "model.gguf")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, byPath := rt.Load(context.Background(), path, LoadOptions{})
		_, byBytes := rt.LoadGGUF(context.Background(), "model.gguf", c.data, LoadOptions{})
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		_, byFile := rt.LoadFile(context.Background(), f, LoadOptions{})
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		_, inspected := Inspect(path, LoadOptions{})
		for how, err := range map[string]error{"Load": byPath, "LoadGGUF": byBytes, "LoadFile": byFile, "Inspect": inspected} {
			if !is(err) {
				t.Errorf("%s of %s: %v", how, c.name, err)
			}
		}
	}
	if _, err := rt.Load(context.Background(), filepath.Join(t.TempDir(), "no.gguf"), LoadOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 64, WeightsOnly: true})
	if _, err := m.NewChat(ChatOptions{}); !errors.Is(err, ErrNoTemplate) {
		t.Errorf("a chat without a template: %v", err)
	}
	if _, err := m.Render(context.Background(), chat.RenderOptions{}); !errors.Is(err, ErrNoTemplate) {
		t.Errorf("rendering without a template: %v", err)
	}
	for _, o := range []LoadOptions{{Quant: "int3"}, {KV: "f8"}, {Store: "f4"}, {Context: -1}, {RoPEScaling: "spiral"}} {
		if _, err := rt.LoadGGUF(context.Background(), "demo", whole, o); err == nil || strings.Contains(fmt.Sprint(err), "BUG") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
