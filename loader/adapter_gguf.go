package loader

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

// readGGUF reads a GGUF adapter: general.type "adapter", adapter.type "lora", adapter.lora.alpha, and tensors
// NAME.lora_a [rank, in] and NAME.lora_b [out, rank] for each weight NAME
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "LoRA").
func (a *Adapter) readGGUF(data []byte) error {
	a.format = "gguf"
	f, err := gguf.Parse(data)
	if err != nil {
		var u *gguf.UnsupportedError
		if errors.As(err, &u) {
			return unsupported(a.path, err.Error(), "the types that work are "+typeNames())
		}
		return corrupt(a.path, err)
	}
	m := metadata{file: f}
	kind := m.optionalText("general.type")
	if m.err == nil && kind != "adapter" {
		return unsupported(a.path, "it is a model, not an adapter", "give it as the model")
	}
	a.arch = m.text("general.architecture")
	a.base = m.optionalText("general.base_model.0.name")
	method := m.text("adapter.type")
	alpha := m.optionalFloat("adapter.lora.alpha", 0)
	if m.err != nil {
		return corrupt(a.path, m.err)
	}
	if method != "lora" {
		return unsupported(a.path, fmt.Sprintf("it is an adapter of type %q", method), "only LoRA adapters are computed")
	}
	if _, ok := f.Lookup("adapter.alora.invocation_tokens"); ok {
		return unsupported(a.path, "it is an activated LoRA (adapter.alora.invocation_tokens), which acts on a part of the prompt alone", "use a plain LoRA")
	}
	h := halves{file: a.path}
	for _, t := range f.Tensors {
		weight, isA := strings.CutSuffix(t.Name, suffixA)
		isB := false
		if !isA {
			weight, isB = strings.CutSuffix(t.Name, suffixB)
		}
		switch {
		case !isA && !isB:
			return unsupported(a.path, fmt.Sprintf("tensor %q is neither a lora_a nor a lora_b", t.Name), "only LoRA adapters are computed")
		case weight == "token_embd.weight":
			return embeddingLoRA(a.path, t.Name)
		}
		rows, cols := matrix(t.Shape)
		if err := h.add(weight, isB, Tensor{
			FileName: t.Name, File: filepath.Base(a.path), Type: fileTypes[t.Type.String()], TypeName: t.Type.String(),
			Rows: rows, Cols: cols, Shape: t.Shape, Data: t.Data,
		}); err != nil {
			return err
		}
	}
	if a.targets, err = h.targets(); err != nil {
		return err
	}
	for i := range a.targets {
		// A file without alpha, or with 0, means a factor of 1: so reads the format's own program.
		a.targets[i].Factor = 1
		if alpha != 0 {
			a.targets[i].Factor = alpha / float64(a.targets[i].Rank)
		}
	}
	return nil
}

func embeddingLoRA(file, tensor string) error {
	return unsupported(file, fmt.Sprintf("tensor %q changes the embedding, which adapters cannot do in this version", tensor),
		"merge the adapter into the model, or train it without the embedding")
}
