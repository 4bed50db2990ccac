package convert

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/quant"
)

// Options of Run. The zero value but for Preset is good.
type Options struct {
	Preset  Preset
	Threads int // encoders at a time; 0: one for each core

	// Begun is called with the sizes when all is checked, before the first byte is written.
	Begun func(Result)
	// Progress is called now and then, by one goroutine at a time: bytes of tensors that are
	// written, and all of them.
	Progress func(done, total int64)
	// Created is called with what removes the temporary file, for a program that may end in the
	// middle; it returns what takes that back.
	Created func(remove func()) (forget func())
}

// Result says what a file became. Sizes are bytes.
type Result struct {
	Path          string         `json:"path"`
	Type          string         `json:"type"`
	Tensors       map[string]int `json:"tensors"` // by type
	Params        int64          `json:"params"`
	SourceBytes   int64          `json:"source_bytes"` // of the tensors
	Bytes         int64          `json:"bytes"`        // of the new file
	BitsPerWeight float64        `json:"bits_per_weight"`
	Notes         []string       `json:"notes"` // what the file lacks or loses
	Seconds       float64        `json:"seconds"`
}

// chunk is the numbers that are encoded at a time: enough that a thread's switching costs nothing,
// few enough that a file of any size needs some megabytes.
const chunk = 1 << 18

// Run writes the model to path. An existing file of that name is replaced, when the new one is
// whole. The error is a *loader.Error about the model, an *OutputError about the new file, or the
// context's.
func Run(ctx context.Context, c *loader.Checkpoint, path string, o Options) (Result, error) {
	begin := time.Now()
	if err := checkOutput(path, c); err != nil {
		return Result{}, err
	}
	if err := checkModel(c); err != nil {
		return Result{}, err
	}
	outputs, err := newPlan(c, o.Preset)
	if err != nil {
		return Result{}, err
	}
	layout, err := layoutOf(c, o.Preset, outputs)
	if err != nil {
		return Result{}, err
	}
	result := summary(c, path, o.Preset, outputs, layout)
	if o.Begun != nil {
		o.Begun(result)
	}
	d, err := newDraft(path, layout.Size, o.Created)
	if err != nil {
		return Result{}, err
	}
	w := &writer{path: path, model: c.Path(), draft: d, outputs: outputs, layout: layout, progress: o.Progress}
	for _, size := range layout.Sizes {
		w.total += size
	}
	if err := w.run(ctx, o.Threads); err != nil {
		return Result{}, errors.Join(err, d.drop())
	}
	if err := d.keep(); err != nil {
		return Result{}, err
	}
	result.Seconds = time.Since(begin).Seconds()
	return result, nil
}

func layoutOf(c *loader.Checkpoint, p Preset, outputs []*output) (*gguf.Layout, error) {
	keys, err := metadataOf(c, p)
	if err != nil {
		return nil, err
	}
	list := make([]gguf.TensorInfo, len(outputs))
	for i, o := range outputs {
		if list[i], err = o.info(); err != nil {
			return nil, err
		}
	}
	layout, err := gguf.NewLayout(keys, list)
	if err != nil {
		return nil, refuse(c, "it has no form as GGUF: "+err.Error())
	}
	return layout, nil
}

func summary(c *loader.Checkpoint, path string, p Preset, outputs []*output, layout *gguf.Layout) Result {
	r := Result{Path: path, Type: p.Name, Tensors: map[string]int{}, SourceBytes: c.TotalBytes(), Bytes: layout.Size, Notes: notes(c, outputs)}
	var bytes int64
	for i, o := range outputs {
		r.Tensors[o.t.String()]++
		r.Params += o.elements()
		bytes += layout.Sizes[i]
	}
	r.BitsPerWeight = 8 * float64(bytes) / float64(max(r.Params, 1))
	return r
}

// writer fills a draft.
type writer struct {
	path, model string
	draft       *draft
	outputs     []*output
	layout      *gguf.Layout
	total       int64
	done        atomic.Int64
	mu          sync.Mutex // of progress
	progress    func(done, total int64)
}

// job is some rows of one part of a tensor.
type job struct{ output, part, first, n int }

// run encodes all tensors on some threads. The first error ends it.
func (w *writer) run(ctx context.Context, threads int) error {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if _, err := w.draft.WriteAt(w.layout.Header, 0); err != nil {
		return w.failed(err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	jobs := make(chan job)
	var group sync.WaitGroup
	for range threads {
		group.Go(func() {
			var b buffers
			for j := range jobs {
				if err := w.do(j, &b); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	w.deal(ctx, jobs)
	close(jobs)
	group.Wait()
	return context.Cause(ctx)
}

// deal hands out the work, tensor by tensor, until all is done or somebody stops it.
func (w *writer) deal(ctx context.Context, jobs chan<- job) {
	for i, o := range w.outputs {
		n := max(1, chunk/o.cols())
		for part := range o.parts {
			for first := 0; first < o.rows(); first += n {
				select {
				case jobs <- job{i, part, first, min(n, o.rows()-first)}:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// buffers are a thread's own.
type buffers struct {
	values []float32
	blocks []byte
}

func (w *writer) do(j job, b *buffers) error {
	o := w.outputs[j.output]
	part := &o.parts[j.part]
	cols := o.cols()
	row, err := o.t.RowBytes(cols)
	if err != nil {
		return err
	}
	blocks, err := b.encode(o.t, part, j.first, j.n, cols, row)
	if err != nil {
		return w.badTensor(part, j.first, err)
	}
	at := w.layout.Offsets[j.output] + int64(row)*(int64(j.part)*int64(o.rows())+int64(j.first))
	if _, err := w.draft.WriteAt(blocks, at); err != nil {
		return w.failed(err)
	}
	w.advance(int64(len(blocks)))
	return nil
}

// encode makes rows of a tensor in type t. Blocks that are of that type already stay as they are.
func (b *buffers) encode(t quant.Type, part *loader.Tensor, first, n, cols, row int) ([]byte, error) {
	if need := n * cols; cap(b.values) < need {
		b.values = make([]float32, need)
	}
	values := b.values[:n*cols]
	if err := part.Source().Values(values, first, n); err != nil {
		return nil, err
	}
	if part.Packed == nil && part.Type == t {
		return part.Data[first*row : (first+n)*row], quant.CheckFinite(values, cols)
	}
	if need := n * row; cap(b.blocks) < need {
		b.blocks = make([]byte, need)
	}
	blocks := b.blocks[:n*row]
	return blocks, quant.Encode(blocks, t, values, cols)
}

// badTensor says where a number stands that cannot be written.
func (w *writer) badTensor(part *loader.Tensor, first int, err error) error {
	var bad *quant.ValueError
	if errors.As(err, &bad) {
		moved := *bad
		moved.Row += first
		err = &moved
	}
	return &loader.Error{File: w.model, Problem: fmt.Sprintf("tensor %q", part.FileName), Err: err, Kind: loader.ErrCorrupt}
}

func (w *writer) failed(err error) error { return &OutputError{w.path, "cannot be written", err} }

func (w *writer) advance(n int64) {
	done := w.done.Add(n)
	if w.progress == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress(done, w.total)
}
