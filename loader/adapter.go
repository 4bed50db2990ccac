package loader

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/edsrzf/mmap-go"

	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/quant"
)

// Adapter is an opened LoRA adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685): for some weights W of a model two
// thin matrices A and B, so that x·Wᵀ becomes x·Wᵀ + Factor·(x·Aᵀ)·Bᵀ. Its numbers stay in the mapped file. It may be
// read by several goroutines; Close must come last.
type Adapter struct {
	path, format string
	arch, base   string
	targets      []AdapterTarget // by the weight's name
	maps         []mmap.MMap
}

// AdapterTarget is what an adapter does to one weight.
type AdapterTarget struct {
	Weight string  // canonical name of the weight W [out, in]
	Rank   int     // rows of A, columns of B
	Factor float64 // α/rank, or α/√rank for a rank-stabilised adapter
	A, B   Tensor  // [rank, in] and [out, rank]; their Name is that of the weight with ".lora_a" and ".lora_b"
}

// The adapter's part of a GGUF tensor's name, which canonical names end in as well.
const (
	suffixA = ".lora_a"
	suffixB = ".lora_b"
)

// OpenAdapter opens a PEFT folder (adapter_config.json, adapter_model.safetensors) or a GGUF adapter. All its numbers are
// looked at: one that is not finite is an error. The error is an *Error as [Open]'s.
func OpenAdapter(path string) (*Adapter, error) {
	if path == "" {
		return nil, &Error{File: "adapter", Problem: "no path is given", Kind: ErrNotFound}
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	a := &Adapter{path: path}
	if st.IsDir() {
		err = a.openPEFT()
	} else {
		err = a.openGGUF()
	}
	if err == nil {
		err = a.check()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// ParseAdapterGGUF reads a GGUF adapter that is in memory. The adapter uses data until it is closed; name stands for the
// file in messages.
func ParseAdapterGGUF(name string, data []byte) (*Adapter, error) {
	a := &Adapter{path: name}
	if err := a.readGGUF(data); err != nil {
		return nil, err
	}
	return a, a.check()
}

// Path returns what was opened.
func (a *Adapter) Path() string { return a.path }

// Format returns "peft" or "gguf".
func (a *Adapter) Format() string { return a.format }

// Architecture returns GGUF's name of the architecture that the adapter is for; "" where the file does not say.
func (a *Adapter) Architecture() string { return a.arch }

// Base returns what the file calls the model that the adapter was made for; "" where it does not say.
func (a *Adapter) Base() string { return a.base }

// Targets returns what the adapter changes, in the order of the weights' names. The slice must not be changed.
func (a *Adapter) Targets() []AdapterTarget { return a.targets }

// Tensor returns A or B by its name, "blk.0.attn_q.weight.lora_a".
func (a *Adapter) Tensor(name string) (Tensor, bool) {
	for _, suffix := range []string{suffixA, suffixB} {
		if len(name) <= len(suffix) || name[len(name)-len(suffix):] != suffix {
			continue
		}
		weight := name[:len(name)-len(suffix)]
		i, ok := slices.BinarySearchFunc(a.targets, weight, func(t AdapterTarget, w string) int {
			switch {
			case t.Weight < w:
				return -1
			case t.Weight > w:
				return 1
			}
			return 0
		})
		switch {
		case !ok:
			return Tensor{}, false
		case suffix == suffixA:
			return a.targets[i].A, true
		}
		return a.targets[i].B, true
	}
	return Tensor{}, false
}

// Bytes returns the bytes of all tensors in the file.
func (a *Adapter) Bytes() int64 {
	var n int64
	for _, t := range a.targets {
		n += int64(len(t.A.Data) + len(t.B.Data))
	}
	return n
}

// Parameters returns the elements of all tensors.
func (a *Adapter) Parameters() int64 {
	var n int64
	for _, t := range a.targets {
		n += int64(t.A.Rows)*int64(t.A.Cols) + int64(t.B.Rows)*int64(t.B.Cols)
	}
	return n
}

// Close gives the mapped file back. Tensors must not be used any more.
func (a *Adapter) Close() error {
	var errs []error
	for i := range a.maps {
		errs = append(errs, a.maps[i].Unmap())
	}
	a.maps, a.targets = nil, nil
	if err := errors.Join(errs...); err != nil {
		return &Error{File: a.path, Problem: "it cannot be unmapped", Err: err}
	}
	return nil
}

// halves collects the two matrices of each weight.
type halves struct {
	byWeight map[string]*AdapterTarget
	file     string // of the tensors, for messages
}

// add keeps one matrix; b says which.
func (h *halves) add(weight string, b bool, t Tensor) error {
	if h.byWeight == nil {
		h.byWeight = map[string]*AdapterTarget{}
	}
	target := h.byWeight[weight]
	if target == nil {
		target = &AdapterTarget{Weight: weight}
		h.byWeight[weight] = target
	}
	half, suffix := &target.A, suffixA
	if b {
		half, suffix = &target.B, suffixB
	}
	if half.FileName != "" {
		return corrupt(h.file, fmt.Errorf("tensors %q and %q are the same half of one adapter", half.FileName, t.FileName))
	}
	t.Name = weight + suffix
	switch {
	case len(t.Shape) == 3:
		return unsupported(h.file, fmt.Sprintf("tensor %q of shape %d changes a stack of experts, which adapters cannot do in this version", t.FileName, t.Shape),
			"use an adapter of the attention and of dense layers, or merge it into the model")
	case len(t.Shape) != 2:
		return corrupt(h.file, fmt.Errorf("tensor %q has shape %d, want two dimensions", t.FileName, t.Shape))
	case t.Type == 0:
		return unsupported(h.file, fmt.Sprintf("tensor %q is of type %s", t.FileName, t.TypeName), "the types that work are "+typeNames())
	case t.Rows == 0 || t.Cols == 0 || len(t.Data) == 0:
		return corrupt(h.file, fmt.Errorf("tensor %q is empty", t.FileName))
	case t.Cols > math.MaxInt32 || t.Rows > math.MaxInt32:
		return corrupt(h.file, fmt.Errorf("tensor %q of shape %d is larger than any weight", t.FileName, t.Shape))
	}
	*half = t
	return nil
}

// targets pairs the halves.
func (h *halves) targets() ([]AdapterTarget, error) {
	var all []AdapterTarget
	for _, t := range h.byWeight {
		switch {
		case t.B.FileName == "":
			return nil, corrupt(h.file, fmt.Errorf("tensor %q has no partner: lora_B of %s is missing", t.A.FileName, t.Weight))
		case t.A.FileName == "":
			return nil, corrupt(h.file, fmt.Errorf("tensor %q has no partner: lora_A of %s is missing", t.B.FileName, t.Weight))
		case t.A.Rows != t.B.Cols:
			return nil, corrupt(h.file, fmt.Errorf("tensors %q of shape %d and %q of shape %d have different ranks",
				t.A.FileName, t.A.Shape, t.B.FileName, t.B.Shape))
		}
		t.Rank = t.A.Rows
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b AdapterTarget) int {
		if a.Weight < b.Weight {
			return -1
		}
		return 1
	})
	return all, nil
}

// maxRank bounds what is believed: an adapter beyond it is no low-rank change of any published model.
const maxRank = 4096

// check looks at every number of the adapter.
func (a *Adapter) check() error {
	if len(a.targets) == 0 {
		return corrupt(a.path, errors.New("the adapter changes nothing: it has no lora_A and lora_B"))
	}
	values := make([]float32, 8192)
	for _, t := range a.targets {
		file := a.path
		if a.format == "peft" {
			file = filepath.Join(a.path, t.A.File)
		}
		if t.Rank > maxRank {
			return unsupported(file, fmt.Sprintf("tensor %q has rank %d, more than the %d that are computed", t.A.FileName, t.Rank, maxRank), "")
		}
		if math.IsNaN(t.Factor) || math.IsInf(t.Factor, 0) || math.Abs(t.Factor) > math.MaxFloat32 {
			return corrupt(file, fmt.Errorf("the scale of %s, %g, is no number", t.Weight, t.Factor))
		}
		for _, m := range []Tensor{t.A, t.B} {
			if at, v, err := firstBad(m, values); err != nil {
				return corrupt(file, fmt.Errorf("tensor %q: %w", m.FileName, err))
			} else if at >= 0 {
				return &Error{
					File: file, Kind: ErrCorrupt, Advice: "download it again, or ask who trained it",
					Problem: fmt.Sprintf("tensor %q has the value %g in row %d, column %d", m.FileName, v, at/m.Cols, at%m.Cols),
				}
			}
		}
	}
	return nil
}

// firstBad is the first element of m that is not finite, or -1. values is its scratch.
func firstBad(m Tensor, values []float32) (at int, value float32, err error) {
	block, size := m.Type.BlockSize(), m.Type.BlockBytes()
	per := len(values) / block
	for done := 0; done*size < len(m.Data); done += per {
		n := min(per, len(m.Data)/size-done)
		chunk := values[:n*block]
		if err := quant.Dequantize(chunk, m.Type, m.Data[done*size:(done+n)*size]); err != nil {
			return -1, 0, err
		}
		for i, v := range chunk {
			if v-v != 0 { // NaN or an infinity
				return done*block + i, v, nil
			}
		}
	}
	return -1, 0, nil
}

// openGGUF maps the file and reads it.
func (a *Adapter) openGGUF() error {
	m, err := mapFile(a.path)
	if err != nil {
		return err
	}
	a.maps = append(a.maps, m)
	if !gguf.IsGGUF(m) {
		what, advice := sniff(m[:min(len(m), 512)])
		switch base := filepath.Base(a.path); {
		case base == adapterFile || base == adapterConfigFile:
			what, advice = "it is one file of an adapter", "give the folder that it lies in"
		case advice == "" || advice == sniffWant || filepath.Ext(a.path) == ".safetensors":
			advice = "give a folder with " + adapterConfigFile + " and " + adapterFile + ", or a GGUF adapter"
		}
		return unsupported(a.path, what, advice)
	}
	return a.readGGUF(m)
}
