package qwenvk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/grammar"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/tokenizer"
	"github.com/qwenvk/qwenvk/vk"
)

// LoadOptions say how a model lies on the device. The zero value keeps the file's own types.
type LoadOptions struct {
	Context   int    // tokens per session; 0: the smallest of the trained context, 8192 and what fits
	Sessions  int    // sessions that compute at the same time, each with a cache; 0: 1. See [Model.NewSession]
	Quant     string // "", "none", "int8", "int4": for linear layers that the file stores in 16 or 32 bits
	Group     int    // elements that share a scale: 32 or 128; 0: 32
	ZeroPoint bool   // asymmetric groups
	KV        string // "", "f16", "f32", "q8_0", "q4_0": type of the KV cache

	// RoPEScaling stretches the rotary positions, in place of what the file says: "yarn", "linear", "dynamic", or "none"
	// for the model as it was trained; "" keeps the file's. All but "none" need RoPEFactor, at least 1. RoPEOrigContext
	// is the number of tokens that the model was trained for; 0: what the file says. The frequencies of "dynamic" are
	// those of sessions of Context tokens.
	RoPEScaling     string
	RoPEFactor      float64
	RoPEOrigContext int

	Store    string         // "", "f32", "f16", "bf16": type of the weights that stay unquantised
	Template string         // chat template to use instead of the model's own
	Threads  int            // host threads for conversions; 0: all cores
	Chunk    int            // tokens of a prompt that are computed at a time, at most; 0: chosen for the device
	Progress func(Progress) // called now and then from one goroutine, at last with Done equal to Total; nil: it is not

	// MemoryLimit bounds the bytes of device memory that this model takes, as Options.MemoryLimit bounds all together; 0: no
	// bound of its own. 256 MiB of it are set aside for scratch.
	MemoryLimit uint64

	// Adapters act on every session from its beginning, until it chooses others.
	Adapters []AdapterFile

	// WeightsOnly leaves tokenizer and chat template unread: the model takes and gives ids alone. Files that only
	// measurements are made with may have a tokenizer that makes no sense.
	WeightsOnly bool
}

// Progress tells how far a load is.
type Progress struct {
	Done, Total int64 // bytes of weights on the device
	What        string
}

// Model is a checkpoint on the device. It is safe for concurrent use: any number of chats and sessions of it, in any number of
// goroutines. LoadOptions.Sessions of them can compute at the same time, and have a cache.
type Model struct {
	life       *lifetime
	runtime    *Runtime
	checkpoint *loader.Checkpoint
	model      *model.Model
	tok        *tokenizer.Tokenizer
	template   *chat.Template
	chatML     bool             // the template is ours, the model has none
	exec       *vkexec.Executor // of the load; later the engine's
	put        func(ctx context.Context) (*vkexec.Executor, error)
	away       atomic.Bool // see Unload
	engine     *engine.Engine
	info       Info
	loadTime   time.Duration
	adapters   atomic.Int64 // that were ever opened
	defaults   []AdapterUse // of new sessions

	adapterMu    sync.Mutex
	openAdapters map[*Adapter]struct{}

	vocabularyOnce sync.Once
	vocabulary     *grammar.Vocabulary // of constraints, made with the first one

	settings     string // how the weights lie on the device
	identityOnce sync.Once
	identity     string // digest of the checkpoint, made when it is first asked for
	identityErr  error
}

// Load reads a .gguf file or a folder in Hugging Face layout and uploads its weights. The file is mapped, not copied, and must
// stay as it is until the model is closed. Cancelling ctx ends the load with ctx.Err().
//
// Errors: [ErrNotFound], [ErrCorrupt], [ErrUnsupportedFormat], [ErrUnsupportedModel], [ErrWeights], [ErrAdapter],
// [ErrOutOfMemory], [ErrDeviceLost], [ErrClosed], and options that make no sense.
func (r *Runtime) Load(ctx context.Context, path string, o LoadOptions) (*Model, error) {
	return r.load(ctx, o, func() (*loader.Checkpoint, error) { return loader.Open(path) })
}

// LoadGGUF is Load for a GGUF file in memory, such as one that the program embeds. data must stay as it is until the model
// is closed. name stands for the file in messages.
func (r *Runtime) LoadGGUF(ctx context.Context, name string, data []byte, o LoadOptions) (*Model, error) {
	return r.load(ctx, o, func() (*loader.Checkpoint, error) { return loader.OpenGGUF(name, data) })
}

// LoadFile is Load for an open GGUF file: one of an embed.FS, of an archive, or an *os.File that a sandbox handed over. It
// reads the file from where it stands to its end, into memory that is kept until the model is closed; Load maps a file
// instead. The file stays the caller's to close.
func (r *Runtime) LoadFile(ctx context.Context, f fs.File, o LoadOptions) (*Model, error) {
	return r.load(ctx, o, func() (*loader.Checkpoint, error) { return readModel(ctx, f) })
}

// LoadCheckpoint is Load for a checkpoint that is open already, such as one of [loader.Random]. The model closes it, also
// where the load fails.
func (r *Runtime) LoadCheckpoint(ctx context.Context, c *loader.Checkpoint, o LoadOptions) (*Model, error) {
	if err := r.life.err(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return r.load(ctx, o, func() (*loader.Checkpoint, error) { return c, nil })
}

// readModel reads a GGUF file whole.
func readModel(ctx context.Context, f fs.File) (*loader.Checkpoint, error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("the model file: %w", err)
	case st.IsDir():
		return nil, fmt.Errorf("%s is a folder; LoadFile takes a GGUF file: %w", st.Name(), ErrUnsupportedFormat)
	}
	var data bytes.Buffer
	if n := st.Size(); n > 0 && n < math.MaxInt-bytes.MinRead {
		// A size is a claim: memory for a small part of it is taken at once, the rest as it comes.
		data.Grow(int(min(n, 1<<30)) + bytes.MinRead)
	}
	if _, err := data.ReadFrom(ctxReader{ctx, f}); err != nil {
		return nil, fmt.Errorf("%s: %w", st.Name(), err)
	}
	return loader.OpenGGUF(st.Name(), data.Bytes())
}

// ctxReader stops reading when ctx is cancelled.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func (r *Runtime) load(ctx context.Context, o LoadOptions, open func() (*loader.Checkpoint, error)) (_ *Model, err error) {
	inner, end, err := r.life.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := r.recovered(); err != nil {
		return nil, err
	}
	c, err := open()
	if err != nil {
		return nil, err
	}
	m := &Model{life: newLifetime("model"), runtime: r, checkpoint: c, openAdapters: map[*Adapter]struct{}{}}
	if err := m.load(inner, o); err != nil {
		if inner.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("the runtime was %w during the load", ErrClosed)
		}
		return nil, errors.Join(err, m.Close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.models[m] = struct{}{}
	return m, nil
}

func (m *Model) load(ctx context.Context, o LoadOptions) error {
	begin := time.Now()
	mo, kv, err := o.storage()
	if err != nil {
		return err
	}
	if m.model, err = model.New(m.checkpoint, mo); err != nil {
		return err
	}
	m.settings = o.describe()
	if !o.WeightsOnly {
		if m.tok, m.template, err = readText(m.checkpoint, o.Template); err != nil {
			return err
		}
		m.chatML = o.Template == "" && m.checkpoint.ChatTemplate() == "" && m.template != nil
	}
	if err := m.loadAdapters(o.Adapters); err != nil {
		return err
	}
	size, err := m.runtime.fit(m.model, kv, o, m.adapterBytes())
	if err != nil {
		return fmt.Errorf("%s: %w", m.checkpoint.Name(), err)
	}
	defer m.runtime.settle(size)
	m.model.FixContext(size.context)
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	var uploaded int64
	options := vkexec.Options{
		Context: size.context, Slots: o.Sessions, MaxRows: o.Chunk, KV: kv, Threads: threads,
		FuseNorm:  m.runtime.device().Caps().Type != vk.Software,
		MaxSubmit: m.runtime.options.MaxSubmit, Profile: m.runtime.options.Profile, Disable: m.runtime.disabled, Vetoes: m.runtime.vetoes, CheckFinite: m.runtime.options.FindNaN,
		Prefer: m.runtime.preferred(),
		Int8:   m.runtime.int8(),
		Tuning: m.runtime.options.Tuning, Log: func(format string, args ...any) { m.runtime.log.Warn(fmt.Sprintf(format, args...)) },
		Progress: func(done, total uint64) {
			uploaded = int64(total)
			if o.Progress != nil {
				o.Progress(Progress{Done: int64(done), Total: uploaded, What: m.checkpoint.Name()})
			}
		},
	}
	m.put = func(ctx context.Context) (*vkexec.Executor, error) {
		return vkexec.New(ctx, m.runtime.device(), m.model.Graph, m.source, options)
	}
	if m.exec, err = m.put(ctx); err != nil {
		return fmt.Errorf("%s: %w", m.checkpoint.Name(), err)
	}
	m.noteTuning()
	m.engine = engine.New(m.exec, m.tok, engine.Options{
		Context: size.context, Slots: o.Sessions, EOS: m.EOS(), MaxStep: m.runtime.maxStep(),
		Restore: m.Reload,
	})
	m.info = describeModel(m.checkpoint, m.model)
	m.info.Context = size.context
	memory := &m.info.Memory
	memory.Weights, _, _ = m.exec.Memory()
	if err := m.useAdapters(ctx); err != nil {
		return fmt.Errorf("%s: %w", m.checkpoint.Name(), err)
	}
	memory.Adapters, memory.KV, memory.Scratch = m.exec.Memory()
	memory.Adapters -= memory.Weights
	if err := m.runtime.withinLimit(*memory, o); err != nil {
		return fmt.Errorf("%s: %w", m.checkpoint.Name(), err)
	}
	if o.Progress != nil { // norms and biases were not counted
		o.Progress(Progress{Done: uploaded, Total: uploaded, What: m.checkpoint.Name()})
	}
	m.loadTime = time.Since(begin)
	return nil
}

// maxStep keeps the steps of a card clear of the watchdogs that reset it after two seconds and more.
func (r *Runtime) maxStep() time.Duration {
	if r.device().Caps().Type == vk.Software {
		return 0
	}
	return 500 * time.Millisecond
}

// storage translates the options' words.
func (o LoadOptions) storage() (mo model.Options, kv vkexec.KVType, err error) {
	mo.RoPE = model.RoPEScaling{Type: o.RoPEScaling, Factor: o.RoPEFactor, OriginalContext: o.RoPEOrigContext}
	group := o.Group
	if group == 0 {
		group = 32
	}
	switch o.Quant {
	case "", "none":
	case "int8":
		mo.Quantise = quant.Scheme{Bits: 8, Group: group, Zero: o.ZeroPoint}
	case "int4":
		mo.Quantise = quant.Scheme{Bits: 4, Group: group, Zero: o.ZeroPoint}
	default:
		return mo, "", fmt.Errorf("quantisation %q does not exist: use none, int8 or int4", o.Quant)
	}
	if kv = vkexec.KVType(o.KV); kv == "" {
		kv = "f16"
	}
	if !slices.Contains(vkexec.KVTypes(), kv) {
		return mo, "", fmt.Errorf("KV cache type %q does not exist: use f16, f32, q8_0 or q4_0", o.KV)
	}
	stores := map[string]quant.Type{"f32": quant.F32, "f16": quant.F16, "bf16": quant.BF16}
	if o.Store != "" {
		t, ok := stores[o.Store]
		if !ok {
			return mo, "", fmt.Errorf("storage type %q does not exist: use f32, f16 or bf16", o.Store)
		}
		mo.Store = &t
	}
	return mo, kv, nil
}

// describe says in words how the options store weights.
func (o LoadOptions) describe() string {
	words := "the file has them"
	switch o.Quant {
	case "int8", "int4":
		words = fmt.Sprintf("%s in groups of %d", o.Quant, max(o.Group, 32))
		if o.ZeroPoint {
			words += " with zero points"
		}
	}
	if o.Store != "" {
		words += ", the others " + o.Store
	}
	return words
}

// source hands the executor a tensor of the checkpoint.
func (m *Model) source(name string) (quant.Source, error) {
	t, ok := m.checkpoint.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %s is missing: %w", name, ErrWeights)
	}
	return t.Source(), nil
}

// Tokenizer is the model's tokenizer; nil after a load of weights only.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tok }

// ChatTemplate is the model's chat template, ChatML for a model without one whose vocabulary knows its marks; nil if
// there is none.
func (m *Model) ChatTemplate() *chat.Template { return m.template }

// DefaultTemplate reports a model that brought no chat template and is spoken to in ChatML.
func (m *Model) DefaultTemplate() bool { return m.template != nil && m.chatML }

// EOS are the ids that end an answer. Models of the first generation name the end of a document alone; with ChatML the
// end of a turn joins it.
func (m *Model) EOS() []int32 {
	var ids []int32
	for _, id := range m.model.Config.EOS {
		ids = append(ids, int32(id))
	}
	if m.chatML {
		if end, ok := m.tok.TokenID(chat.ChatMLEnd); ok && !slices.Contains(ids, end) {
			ids = append(ids, end)
		}
	}
	return ids
}

// Info describes the model.
func (m *Model) Info() Info { return m.info }

// LoadTime is how long Load took.
func (m *Model) LoadTime() time.Duration { return m.loadTime }

// Close closes the model's sessions and adapters and gives weights and caches back. It may be called at any time, also twice:
// an answer under way ends with [ErrClosed] at its next token.
func (m *Model) Close() error { return m.life.close(m.release) }

func (m *Model) release() error {
	m.runtime.mu.Lock()
	delete(m.runtime.models, m)
	m.runtime.mu.Unlock()
	switch {
	case m.engine != nil:
		m.engine.Close()
	case m.exec != nil:
		m.exec.Close()
	}
	return errors.Join(m.closeAdapters(), m.checkpoint.Close())
}
