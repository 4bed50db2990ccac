package loader

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/edsrzf/mmap-go"

	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/quant"
)

// Checkpoint is an opened model. It may be read by several goroutines; Close must come last.
type Checkpoint struct {
	format   string
	path     string
	name     string
	arch     string
	config   Config
	tensors  map[string]Tensor
	names    []string // in the order of the files
	maps     []mmap.MMap
	refusal  error
	body     bool          // of a class without output head, such as Qwen3Model
	pooling  string        // see Pooling
	outline  bool          // there are no weights
	outlined *quantization // of an outline; nil: its configuration names none
	text     texts
}

// Tensor is a matrix (or vector, of one row) of a checkpoint.
type Tensor struct {
	Name     string     // canonical, GGUF's: "blk.0.attn_q.weight"
	FileName string     // as the file calls it
	File     string     // the name of the file, for messages
	Type     quant.Type // zero for a type that is not computed with, which only Inspect lets through
	TypeName string     // as the file calls it: "BF16", "Q4_K", "I32"
	Rows     int        // product of all dimensions but the last; 1 for a vector
	Cols     int        // the last dimension, whose elements are neighbours
	Shape    []int      // outermost first
	Data     []byte     // Rows × Type.RowBytes(Cols); part of the file, never to be written

	// Packed is the matrix where it lies in several tensors of the file, or in a form that is no Type: GPTQ, AWQ, FP8.
	// Type and Data are then zero. [Tensor.Source] is there for every tensor.
	Packed      quant.Source
	PackedBytes int64 // of its parts in the file
}

// Source returns what the tensor's weights are made from.
func (t *Tensor) Source() quant.Source {
	if t.Packed != nil {
		return t.Packed
	}
	return quant.Blocks{Type: t.Type, Rows: t.Rows, Cols: t.Cols, Data: t.Data}
}

// Bytes returns how many bytes the tensor takes in the file.
func (t *Tensor) Bytes() int64 { return int64(len(t.Data)) + t.PackedBytes }

// Open opens the GGUF file or the folder at path. The error is an *Error, and for a model that
// is sound but cannot be used here, such as one of unknown tensor types, ErrUnsupportedModel.
func Open(path string) (*Checkpoint, error) {
	c, err := Inspect(path)
	if err != nil {
		return nil, err
	}
	return c.orRefuse()
}

// OpenGGUF opens a GGUF file that is in memory, such as one embedded in a program. The
// checkpoint uses data until it is closed. name stands for the file in messages.
func OpenGGUF(name string, data []byte) (*Checkpoint, error) {
	c, err := inspectGGUF(name, data, false)
	if err != nil {
		return nil, err
	}
	return c.orRefuse()
}

// Inspect opens a model to be looked at: it also lets through what [Open] refuses as
// ErrUnsupportedModel, as far as its tensors can be listed, and a folder whose weights are missing,
// as an [Checkpoint.Outline]. Refusal then says what Open would.
func Inspect(path string) (*Checkpoint, error) {
	if path == "" {
		return nil, &Error{File: "model", Problem: "no path is given", Kind: ErrNotFound}
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	if st.IsDir() {
		return inspectFolder(path)
	}
	first, redirected := firstPart(path)
	if redirected { // whichever part was named, the first has the metadata
		path = first
	}
	m, err := mapFile(path)
	if redirected && errors.Is(err, ErrNotFound) {
		return nil, missingPart(path, 1)
	}
	if err != nil {
		return nil, err
	}
	if !gguf.IsGGUF(m) {
		what, advice := sniff(m[:min(len(m), 512)])
		err = unsupported(path, what, advice)
	} else {
		var c *Checkpoint
		if c, err = inspectGGUF(path, m, true); err == nil {
			c.maps = append(c.maps, m)
			return c, nil
		}
	}
	return nil, errors.Join(err, m.Unmap())
}

// orRefuse closes a checkpoint that is only fit to be looked at.
func (c *Checkpoint) orRefuse() (*Checkpoint, error) {
	if c.refusal == nil {
		return c, nil
	}
	return nil, errors.Join(c.refusal, c.Close())
}

// refuse keeps the first reason against using the checkpoint.
func (c *Checkpoint) refuse(err error) {
	if c.refusal == nil {
		c.refusal = err
	}
}

// Refusal returns why Open refuses this checkpoint, nil if it does not.
func (c *Checkpoint) Refusal() error { return c.refusal }

// Close gives the mapped files back. Tensors must not be used any more.
func (c *Checkpoint) Close() error {
	var errs []error
	for i := range c.maps {
		errs = append(errs, c.maps[i].Unmap())
	}
	c.maps, c.tensors, c.names, c.text.gguf = nil, nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return &Error{File: c.path, Problem: "it cannot be unmapped", Err: err}
	}
	return nil
}

// Format returns "gguf" or "safetensors".
func (c *Checkpoint) Format() string { return c.format }

// Path returns what was opened.
func (c *Checkpoint) Path() string { return c.path }

// Name returns what the model calls itself, or else its file or folder.
func (c *Checkpoint) Name() string { return c.name }

// Architecture returns GGUF's name of the architecture: "qwen2", "qwen3", "qwen3moe", ...
func (c *Checkpoint) Architecture() string { return c.arch }

// Config returns the sizes and constants. It may be incomplete where Refusal is not nil.
func (c *Checkpoint) Config() Config { return c.config }

// Tensor returns the tensor of that canonical name; that of one expert is also found in a tensor that holds all of them.
func (c *Checkpoint) Tensor(name string) (Tensor, bool) {
	if t, ok := c.tensors[name]; ok {
		return t, true
	}
	return c.expert(name)
}

// Names returns the canonical names of all tensors, in the order of the files.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// add keeps a tensor. Names that the architecture's table does not know stay as they are.
func (c *Checkpoint) add(t Tensor) error {
	if other, twice := c.tensors[t.Name]; twice {
		return fmt.Errorf("tensors %q and %q are the same weight, %q", other.FileName, t.FileName, t.Name)
	}
	if t.Type == 0 && t.Packed == nil {
		c.refuse(unsupported(c.path, fmt.Sprintf("tensor %q is of type %s", t.FileName, t.TypeName), "the types that work are "+typeNames()))
	}
	c.tensors[t.Name] = t
	c.names = append(c.names, t.Name)
	return nil
}

// fileTypes names the types of tensors as both formats spell them: all that a device computes with.
var fileTypes = func() map[string]quant.Type {
	types := map[string]quant.Type{}
	for t := quant.F32; t.Valid(); t++ {
		if quant.LayoutOf(t) != (quant.Layout{}) {
			types[t.String()] = t
		}
	}
	return types
}()

func typeNames() string {
	types := make([]quant.Type, 0, len(fileTypes))
	for _, t := range fileTypes {
		types = append(types, t)
	}
	slices.Sort(types)
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

// TypeCount sums up the tensors of one type.
type TypeCount struct {
	Type     string // as the file calls it
	Tensors  int
	Elements int64
	Bytes    int64
}

// TypeCounts returns the sums for each type of tensor, most bytes first.
func (c *Checkpoint) TypeCounts() []TypeCount {
	sums := map[string]TypeCount{}
	for _, t := range c.tensors {
		s := sums[t.TypeName]
		s.Type = t.TypeName
		s.Tensors++
		s.Elements += int64(t.Rows) * int64(t.Cols)
		s.Bytes += t.Bytes()
		sums[t.TypeName] = s
	}
	counts := make([]TypeCount, 0, len(sums))
	for _, s := range sums {
		counts = append(counts, s)
	}
	slices.SortFunc(counts, func(a, b TypeCount) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Type, b.Type))
	})
	return counts
}

// TotalBytes returns the bytes of all tensors.
func (c *Checkpoint) TotalBytes() int64 {
	var n int64
	for _, s := range c.TypeCounts() {
		n += s.Bytes
	}
	return n
}

// Parameters returns the elements of all tensors.
func (c *Checkpoint) Parameters() int64 {
	var n int64
	for _, s := range c.TypeCounts() {
		n += s.Elements
	}
	return n
}

// matrix returns rows and cols of a shape.
func matrix(shape []int) (rows, cols int) {
	if len(shape) == 0 {
		return 1, 1
	}
	rows = 1
	for _, n := range shape[:len(shape)-1] {
		rows *= n // no overflow: the elements' bytes lie in a file
	}
	return rows, shape[len(shape)-1]
}
