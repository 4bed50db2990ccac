package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// Adapter is a LoRA adapter that belongs to one loaded model: a small change of some of its weights, which sessions
// choose with [Session.SetAdapters]. The model's own weights are never touched.
type Adapter struct {
	model  *Model
	graph  *graph.Adapter
	source vkexec.Source
	info   AdapterInfo

	mu   sync.Mutex
	file *loader.Adapter // nil: closed
}

// AdapterUse is an adapter and how strongly it acts: 1 as it was trained, 0 not at all, negative the other way.
type AdapterUse struct {
	Adapter *Adapter
	Scale   float64
}

// AdapterFile names an adapter that is loaded with the model, see [LoadOptions]. The zero Scale is 0: it acts not at all.
type AdapterFile struct {
	Path  string // a PEFT folder or a GGUF adapter
	Scale float64
}

// AdapterInfo describes an adapter.
type AdapterInfo struct {
	Path, Format     string   // Format: "peft" or "gguf"
	Base             string   // what the file calls the model that it was made for; "" where it does not say
	Scale            float64  // that it was asked for with
	Weights          []string // that it changes, by name, in order
	MinRank, MaxRank int
	Params           int64 // elements of all A and B
	FileBytes        int64 // of the same, in the file
	DeviceBytes      int64 // of the same, as they lie on the device when the adapter acts alone
}

// LoadAdapter reads an adapter for the model, a PEFT folder (adapter_config.json, adapter_model.safetensors) or a GGUF
// file. It takes device memory when a session first chooses it.
//
// Errors: [ErrNotFound], [ErrCorrupt], [ErrUnsupportedFormat] for a kind of adapter that is not computed (DoRA, trained
// biases, embeddings), [ErrAdapter] for one that was made for another model, [ErrClosed].
func (m *Model) LoadAdapter(ctx context.Context, path string) (*Adapter, error) {
	_, end, err := m.life.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	a, err := m.openAdapter(path)
	if err != nil {
		return nil, err
	}
	m.engine.AddAdapter(a.graph, a.source)
	return a, nil
}

func (m *Model) openAdapter(path string) (*Adapter, error) {
	file, g, matrices, err := openAdapter(m.model, path, int(m.adapters.Add(1)))
	if err != nil {
		return nil, err
	}
	a := &Adapter{model: m, file: file, graph: g, source: sourceOf(matrices), info: describeAdapter(m.model, file, g, 1)}
	m.adapterMu.Lock()
	defer m.adapterMu.Unlock()
	m.openAdapters[a] = struct{}{}
	return a, nil
}

// openAdapter reads an adapter and holds it against the model; number makes its name unlike others.
func openAdapter(m *model.Model, path string, number int) (*loader.Adapter, *graph.Adapter, map[string]quant.Source, error) {
	file, err := loader.OpenAdapter(path)
	if err != nil {
		return nil, nil, nil, err
	}
	g, matrices, err := m.Adapter(file, fmt.Sprintf("lora%d", number))
	if err != nil {
		return nil, nil, nil, errors.Join(err, file.Close())
	}
	return file, g, matrices, nil
}

// sourceOf is a map as the executor asks for it.
func sourceOf(matrices map[string]quant.Source) vkexec.Source {
	return func(name string) (quant.Source, error) {
		if s, ok := matrices[name]; ok {
			return s, nil
		}
		return nil, fmt.Errorf("BUG: no adapter has %s", name)
	}
}

// Info describes the adapter.
func (a *Adapter) Info() AdapterInfo {
	i := a.info
	i.Weights = slices.Clone(i.Weights)
	return i
}

func describeAdapter(m *model.Model, file *loader.Adapter, g *graph.Adapter, scale float64) AdapterInfo {
	i := AdapterInfo{
		Path: file.Path(), Format: file.Format(), Base: file.Base(), Scale: scale, Params: file.Parameters(), FileBytes: file.Bytes(),
		DeviceBytes: int64(vkexec.AdapterBytes(m.Graph, graph.NewAdapters(g))),
	}
	for _, t := range file.Targets() {
		i.Weights = append(i.Weights, t.Weight)
		if i.MinRank == 0 || t.Rank < i.MinRank {
			i.MinRank = t.Rank
		}
		i.MaxRank = max(i.MaxRank, t.Rank)
	}
	return i
}

// Close forgets the adapter and gives its memory back. Error: [ErrBusy] while a session uses it. Closing the model
// closes its adapters too.
func (a *Adapter) Close() error {
	if a.closed() {
		return nil
	}
	if err := a.model.engine.RemoveAdapter(a.graph); err != nil {
		return fmt.Errorf("%s: %w", a.info.Path, err)
	}
	return a.closeFile()
}

func (a *Adapter) closed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file == nil
}

// closeFile unmaps the file. The engine must not know the adapter any more, or be closed.
func (a *Adapter) closeFile() error {
	a.model.adapterMu.Lock()
	delete(a.model.openAdapters, a)
	a.model.adapterMu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

// digest names the file's content.
func (a *Adapter) digest() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return "", fmt.Errorf("an adapter of the session is %w", ErrClosed)
	}
	return a.file.Digest()
}

// Adapters are those that the model was loaded with, which new sessions begin with.
func (m *Model) Adapters() []AdapterUse { return append([]AdapterUse(nil), m.defaults...) }

// SetAdapters chooses the adapters that act on the session from now on, several at once if wanted, in place of those
// before; none: the model as it is. It may be called between any two answers. A set that is chosen for the first time is
// uploaded; going back to it, and other scales, cost nothing. Neither reloads the model, and other sessions are not
// concerned: each step computes one session's tokens with that session's adapters.
//
// What the session's cache holds was computed with other adapters or scales, so that a change forgets it: the next
// prompt is computed from its first token. The same adapter named twice acts with the sum of its scales.
//
// Errors: [ErrOutOfMemory], [ErrClosed], [ErrBusy] while an answer of the session is running, and a scale that is not finite. After an
// error the adapters before are still in force.
func (s *Session) SetAdapters(ctx context.Context, uses ...AdapterUse) error {
	list := make([]engine.AdapterUse, len(uses))
	for i, u := range uses {
		switch {
		case u.Adapter == nil || u.Adapter.model != s.model:
			return errors.New("the adapter belongs to another model")
		case u.Adapter.closed():
			return fmt.Errorf("%s: the adapter is %w", u.Adapter.info.Path, ErrClosed)
		}
		list[i] = engine.AdapterUse{Adapter: u.Adapter.graph, Scale: u.Scale}
	}
	if err := s.s.SetAdapters(ctx, list); err != nil {
		return err
	}
	s.adapters = slices.Clone(uses)
	return nil
}

// SetAdapters chooses the adapters of the chat's session, see [Session.SetAdapters]. The messages stay.
func (c *Chat) SetAdapters(ctx context.Context, uses ...AdapterUse) error {
	return c.session.SetAdapters(ctx, uses...)
}

// loadAdapters opens the adapters that a load asks for.
func (m *Model) loadAdapters(files []AdapterFile) error {
	for _, f := range files {
		a, err := m.openAdapter(f.Path)
		if err != nil {
			return err
		}
		m.defaults = append(m.defaults, AdapterUse{Adapter: a, Scale: f.Scale})
	}
	return nil
}

// adapterBytes is the device memory that the adapters of the load take together.
func (m *Model) adapterBytes() uint64 {
	if len(m.defaults) == 0 {
		return 0
	}
	list := make([]*graph.Adapter, len(m.defaults))
	for i, u := range m.defaults {
		list[i] = u.Adapter.graph
	}
	return vkexec.AdapterBytes(m.model.Graph, graph.NewAdapters(list...))
}

// useAdapters makes the load's adapters known and uploads them, so that their memory is taken while the plan says so.
func (m *Model) useAdapters(ctx context.Context) error {
	if len(m.defaults) == 0 {
		return nil
	}
	for _, u := range m.defaults {
		m.engine.AddAdapter(u.Adapter.graph, u.Adapter.source)
	}
	s, err := m.newSession(ctx)
	if err != nil {
		return err
	}
	return s.Close()
}

// closeAdapters closes the adapters' files. The device's part went with the executor.
func (m *Model) closeAdapters() error {
	m.adapterMu.Lock()
	open := slices.Collect(maps.Keys(m.openAdapters))
	m.adapterMu.Unlock()
	var errs []error
	for _, a := range open {
		errs = append(errs, a.closeFile())
	}
	return errors.Join(errs...)
}
