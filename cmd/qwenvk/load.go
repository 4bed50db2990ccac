package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/hub"
)

// loaded is a model on an open device.
type loaded struct {
	*qwenvk.Model
	runtime *qwenvk.Runtime
	name    string // as the person called it
}

// locate finds what the name of a model stands for, before a device is opened for it: a file or folder, the model inside
// the program, or a published model that was pulled.
func locate(name string) (path string, err error) {
	if name == demo.Name {
		return name, nil
	}
	if _, err = os.Stat(name); err == nil {
		return name, nil
	}
	published, noName := hub.ParseName(name)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("the model %s cannot be opened: %w", name, bareCause(err))
	case noName == nil && !strings.HasSuffix(name, ".gguf"):
		if path, err = findPulled(published); err == nil {
			return path, nil
		}
	default:
		err = fmt.Errorf("there is no model %q: MODEL is a .gguf file, a folder with config.json and *.safetensors, %q, or owner/name of a model that was pulled", name, demo.Name)
	}
	return "", &loadError{err}
}

// findPulled finds a published model in the shared cache.
func findPulled(n hub.Name) (string, error) {
	cache, err := hub.DefaultCache(os.Getenv)
	if err != nil {
		return "", err
	}
	path, err := hub.Find(cache, n)
	if errors.Is(err, hub.ErrNotPulled) {
		return "", fmt.Errorf("there is no file or folder %s, and no model of that name was pulled: qwenvk pull %s fetches it", n, n)
	}
	return path, err
}

// withModel opens the device and the model that the flags and the name ask for, runs do, and closes both.
func (p *program) withModel(c *cli.Context, name string, adjust func(*qwenvk.LoadOptions), do func(ctx context.Context, m *loaded) error) error {
	return p.withLoaded(c, name, nil, adjust, do)
}

// opener makes a model that is no file.
type opener func(ctx context.Context, rt *qwenvk.Runtime, o qwenvk.LoadOptions) (*qwenvk.Model, error)

// withLoaded is withModel for a model that open makes; nil: it is found by its name.
func (p *program) withLoaded(c *cli.Context, name string, open opener, adjust func(*qwenvk.LoadOptions), do func(ctx context.Context, m *loaded) error) (err error) {
	device, err := p.runtimeOptions(c)
	if err != nil {
		return err
	}
	load, err := loadOptions(c)
	if err != nil {
		return err
	}
	if adjust != nil {
		adjust(&load)
	}
	if err := checkAdapters(load.Adapters); err != nil {
		return err
	}
	if open == nil {
		path, err := locate(name)
		if err != nil {
			return err
		}
		open = opened(path)
	}
	rt, err := qwenvk.Open(device)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, validationFailure(rt), rt.Close())
	}()
	if d := rt.Device(); d.Software() && device.Device == "" {
		p.warn("no graphics card is used: %s computes on the CPU, which is slow", d.Name)
	}
	m, err := p.load(c.Context, rt, open, load)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	p.noteMemory(m)
	return do(c.Context, &loaded{Model: m, runtime: rt, name: name})
}

// opened loads a model's file or folder, or the model inside the program.
func opened(path string) opener {
	return func(ctx context.Context, rt *qwenvk.Runtime, o qwenvk.LoadOptions) (*qwenvk.Model, error) {
		if path == demo.Name {
			return rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), o)
		}
		return rt.Load(ctx, path, o)
	}
}

func (p *program) load(ctx context.Context, rt *qwenvk.Runtime, open opener, o qwenvk.LoadOptions) (*qwenvk.Model, error) {
	bar := p.newProgress("loading")
	o.Progress = bar.set
	m, err := open(ctx, rt, o)
	bar.done()
	if err != nil {
		return nil, &loadError{err}
	}
	return m, nil
}

// noteMemory says what the model takes, in one line.
func (p *program) noteMemory(m *qwenvk.Model) {
	i := m.Info()
	total := i.Memory.Weights + i.Memory.Adapters + i.Memory.KV + i.Memory.Scratch
	weights := size(i.Memory.Weights)
	if i.Memory.Adapters > 0 {
		weights += ", adapters " + size(i.Memory.Adapters)
	}
	p.note("needs %s: weights %s, KV cache %s at a context of %d tokens, scratch %s; fits",
		size(total), weights, size(i.Memory.KV), i.Context, size(i.Memory.Scratch))
}

// validationFailure makes the validation layer's messages an error.
func validationFailure(rt *qwenvk.Runtime) error {
	messages := rt.Messages()
	if len(messages) == 0 {
		return nil
	}
	return fmt.Errorf("the validation layer has %d complaints; the first: %s", len(messages), messages[0])
}
