package loader

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/quant"
)

// layerPart is one tensor of a layer that lies in several.
type layerPart struct {
	safetensors.Tensor
	file string
}

// layers collects the tensors of quantised layers, whose parts may lie in different files, until
// all files are read. A nil one takes none.
type layers struct {
	q     *quantization
	names []string // of layers, in the order of the files
	parts map[string]map[string]layerPart
}

// Endings of the parts' names. gptq and awq replace "weight", fp8 adds to it; the scales of its
// activations are not needed where only weights have 8 bits.
var (
	gptqParts = []string{"qweight", "qzeros", "scales", "g_idx"}
	fp8Parts  = []string{"weight_scale_inv", "weight_scale", "input_scale", "activation_scale"}
)

// take keeps a tensor that is part of a quantised layer.
func (l *layers) take(t safetensors.Tensor, file string) (taken bool, err error) {
	dot := strings.LastIndexByte(t.Name, '.')
	if l == nil || dot < 0 {
		return false, nil
	}
	layer, part := t.Name[:dot], t.Name[dot+1:]
	gptq := slices.Contains(gptqParts, part)
	fp8 := slices.Contains(fp8Parts, part) || part == "weight" && t.DType == "F8_E4M3"
	switch {
	case !gptq && !fp8:
		return false, nil
	case l.q == nil:
		return false, unsupported("", fmt.Sprintf("tensor %q is part of a quantised layer, but neither config.json nor %s says how it is quantised", t.Name, gptqConfigFile), "download the whole model")
	case gptq == (l.q.method == "fp8"):
		return false, unsupported("", fmt.Sprintf("tensor %q is no part of a layer that is quantised by the method %q, which the configuration names", t.Name, l.q.method), "")
	}
	if l.parts[layer] == nil {
		if l.parts == nil {
			l.parts = map[string]map[string]layerPart{}
		}
		l.parts[layer] = map[string]layerPart{}
		l.names = append(l.names, layer)
	}
	if other, twice := l.parts[layer][part]; twice {
		return false, fmt.Errorf("tensor %q lies in %s as well", t.Name, other.file)
	}
	l.parts[layer][part] = layerPart{t, file}
	return true, nil
}

// has reports whether a tensor of that name was taken.
func (l *layers) has(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if l == nil || dot < 0 {
		return false
	}
	_, ok := l.parts[name[:dot]][name[dot+1:]]
	return ok
}

// addLayers adds the collected layers as tensors.
func (c *Checkpoint) addLayers(l *layers) error {
	if l == nil {
		return nil
	}
	for _, name := range l.names {
		a := assembly{q: l.q, layer: name, parts: l.parts[name]}
		for part := range a.parts { // any, for messages
			a.file = a.parts[part].file
		}
		t, err := a.tensor()
		if err == nil {
			err = c.add(t)
		}
		if err = inFile(filepath.Join(c.path, a.file), err); errors.Is(err, ErrUnsupportedModel) {
			c.refuse(err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// assembly makes one tensor of a layer's parts.
type assembly struct {
	q     *quantization
	layer string
	parts map[string]layerPart
	file  string // that the next error is about
}

func (a *assembly) tensor() (Tensor, error) {
	main, make := "qweight", a.grouped
	if a.q.method == "fp8" {
		main, make = "weight", a.fp8
	}
	p, err := a.part(main)
	if err != nil {
		return Tensor{}, err
	}
	t := Tensor{Name: canonical(a.layer + ".weight"), FileName: p.Name, File: p.file}
	if err := make(&t); err != nil {
		return Tensor{}, err
	}
	t.Rows, t.Cols = t.Packed.Shape()
	t.Shape = []int{t.Rows, t.Cols}
	for _, p := range a.parts {
		t.PackedBytes += int64(len(p.Data))
	}
	return t, nil
}

// part returns a part that must be there.
func (a *assembly) part(name string) (layerPart, error) {
	p, ok := a.parts[name]
	if !ok {
		return p, fmt.Errorf("tensor %q is missing", a.layer+"."+name)
	}
	a.file = p.file
	return p, nil
}

// matrix returns a part that is a matrix of one of the types.
func (a *assembly) matrix(name string, types ...string) (layerPart, error) {
	p, err := a.part(name)
	switch {
	case err != nil:
		return p, err
	case !slices.Contains(types, p.DType):
		return p, fmt.Errorf("tensor %q is of type %s, not %s", p.Name, p.DType, strings.Join(types, ", "))
	case len(p.Shape) != 2:
		return p, fmt.Errorf("tensor %q has shape %v, which is no matrix", p.Name, p.Shape)
	}
	return p, nil
}

// shaped returns a part that is a matrix of that shape, which its layer's main part asks for.
func (a *assembly) shaped(name string, rows, cols int, types ...string) (layerPart, error) {
	p, err := a.matrix(name, types...)
	if err == nil && (p.Shape[0] != rows || p.Shape[1] != cols) {
		err = fmt.Errorf("tensor %q has shape %v, the other parts of its layer need [%d %d]", p.Name, p.Shape, rows, cols)
	}
	return p, err
}

var scaleTypes = []string{"F16", "BF16", "F32"}

// grouped makes a GPTQ or AWQ layer.
func (a *assembly) grouped(t *Tensor) error {
	weight, err := a.matrix("qweight", "I32", "U32")
	if err != nil {
		return err
	}
	p := quant.GroupedParts{
		Bits: a.q.bits, Group: a.q.group, QWeight: weight.Data,
		ActOrder: a.q.ordered, ZeroOffset: a.q.offset, Symmetric: a.q.sym,
	}
	if err := a.size(&p, weight); err != nil {
		return err
	}
	groups := (p.Cols-1)/p.Group + 1
	zeros, err := a.shaped("qzeros", groups, p.Rows*p.Bits/32, "I32", "U32")
	if err != nil {
		return err
	}
	scales, err := a.shaped("scales", groups, p.Rows, scaleTypes...)
	if err != nil {
		return err
	}
	p.QZeros, p.Scales, p.ScaleType = zeros.Data, scales.Data, fileTypes[scales.DType]
	if err := a.groupIdx(&p); err != nil {
		return err
	}
	a.file = weight.file
	packed, err := quant.NewGrouped(p)
	if err != nil {
		return unsupported("", fmt.Sprintf("tensor %q: %v", weight.Name, err), "")
	}
	t.Packed = packed
	t.TypeName = fmt.Sprintf("%s-INT%d g%d", strings.ToUpper(a.q.method), p.Bits, p.Group)
	if groups == 1 {
		t.TypeName = fmt.Sprintf("%s-INT%d per column", strings.ToUpper(a.q.method), p.Bits)
	}
	return nil
}

// size fills in what the shape of qweight says, and the number of bits and the group where
// layers differ in them.
func (a *assembly) size(p *quant.GroupedParts, weight layerPart) error {
	if a.q.method == "awq" {
		p.Packing, p.Cols, p.Rows = quant.PackAWQ, weight.Shape[0], 8*weight.Shape[1]
	} else {
		p.Packing, p.Rows = quant.PackGPTQ, weight.Shape[1]
		if idx, ok := a.parts["g_idx"]; a.q.mixed && ok && len(idx.Data) >= 4 {
			p.Bits = weight.Shape[0] * 32 / (len(idx.Data) / 4)
		}
		if p.Bits != 4 && p.Bits != 8 {
			return unsupported("", fmt.Sprintf("tensor %q has %d bits", weight.Name, p.Bits), "4 and 8 are what works")
		}
		p.Cols = weight.Shape[0] * (32 / p.Bits)
	}
	if a.q.mixed {
		scales, err := a.matrix("scales", scaleTypes...)
		if err != nil {
			return err
		}
		p.Group = (p.Cols-1)/scales.Shape[0] + 1
	}
	if p.Group == 0 || p.Group > p.Cols {
		p.Group = p.Cols
	}
	return nil
}

// groupIdx fills in which group each input belongs to.
func (a *assembly) groupIdx(p *quant.GroupedParts) error {
	idx, ok := a.parts["g_idx"]
	switch {
	case !ok && a.q.ordered:
		_, err := a.part("g_idx")
		return fmt.Errorf("%w, which \"desc_act\" asks for", err)
	case !ok:
		return nil
	}
	a.file = idx.file
	if idx.DType != "I32" || len(idx.Shape) != 1 || idx.Shape[0] != p.Cols {
		return fmt.Errorf("tensor %q is %s of shape %v, the other parts of its layer need I32 [%d]", idx.Name, idx.DType, idx.Shape, p.Cols)
	}
	p.GroupIdx = idx.Data
	return nil
}

// fp8 makes a layer of 8-bit floats. A scale of one number is for all of them.
func (a *assembly) fp8(t *Tensor) error {
	weight, err := a.matrix("weight", "F8_E4M3")
	if err != nil {
		return err
	}
	f := &quant.FP8{Rows: weight.Shape[0], Cols: weight.Shape[1], BlockRows: a.q.block[0], BlockCols: a.q.block[1], Data: weight.Data}
	var scales layerPart
	if f.BlockRows == 0 {
		f.BlockRows, f.BlockCols = f.Rows, f.Cols
		if scales, err = a.part("weight_scale"); err == nil && (!slices.Contains(scaleTypes, scales.DType) || elements(scales.Shape) != 1) {
			err = fmt.Errorf("tensor %q is %s of shape %v, not one number", scales.Name, scales.DType, scales.Shape)
		}
		t.TypeName = "FP8-E4M3"
	} else {
		scales, err = a.shaped("weight_scale_inv", (f.Rows-1)/f.BlockRows+1, (f.Cols-1)/f.BlockCols+1, scaleTypes...)
		t.TypeName = fmt.Sprintf("FP8-E4M3 %d×%d", f.BlockRows, f.BlockCols)
	}
	if err != nil {
		return err
	}
	f.Scales, f.ScaleType = scales.Data, fileTypes[scales.DType]
	t.Packed = f
	return f.Check()
}

// elements is the number of elements of a shape.
func elements(shape []int) int {
	rows, cols := matrix(shape)
	return rows * cols
}
