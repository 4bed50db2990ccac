package loader

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/loader/safetensors"
)

const (
	adapterConfigFile = "adapter_config.json"
	adapterFile       = "adapter_model.safetensors"
)

// peft is what adapter_config.json says of an adapter, as PEFT's LoraConfig defines it
// (https://huggingface.co/docs/peft, LoRA).
type peft struct {
	rank   int
	alpha  float64
	rslora bool // the factor is α/√r (https://arxiv.org/abs/2312.03732), not α/r
	ranks  []pattern
	alphas []pattern
}

// pattern gives modules whose name ends as its expression says another rank or α.
type pattern struct {
	text  string
	match *regexp.Regexp
	value float64
}

// openPEFT reads a folder as PEFT saves it.
func (a *Adapter) openPEFT() error {
	a.format = "peft"
	configPath, path := filepath.Join(a.path, adapterConfigFile), filepath.Join(a.path, adapterFile)
	text, err := readFile(configPath, configLimit)
	if err != nil {
		return err
	}
	if text == nil {
		e := &Error{File: a.path, Kind: ErrNotFound, Problem: "the folder holds no adapter: there is no " + adapterConfigFile}
		if _, err := os.Stat(filepath.Join(a.path, "config.json")); err == nil {
			e.Problem, e.Advice = "the folder holds a whole model, not an adapter", "give it as the model"
		}
		return e
	}
	p, err := a.parsePEFT(text)
	if err != nil {
		return inFile(configPath, err)
	}
	m, err := mapFile(path)
	if errors.Is(err, ErrNotFound) {
		return a.noWeights()
	}
	if err != nil {
		return err
	}
	a.maps = append(a.maps, m)
	f, err := safetensors.Parse(m)
	if err != nil {
		var u *safetensors.UnsupportedError
		if errors.As(err, &u) {
			return unsupported(path, err.Error(), "the types that work are "+typeNames())
		}
		if what, advice := sniff(m[:min(len(m), 512)]); advice != "" && strings.Contains(what, "pointer") {
			return unsupported(path, what, advice)
		}
		return corrupt(path, err)
	}
	return a.pairPEFT(path, f, p)
}

// noWeights says why there are no tensors beside the configuration.
func (a *Adapter) noWeights() error {
	for _, name := range []string{"adapter_model.bin", "adapter_model.pt"} {
		if _, err := os.Stat(filepath.Join(a.path, name)); !errors.Is(err, fs.ErrNotExist) {
			return unsupported(filepath.Join(a.path, name), "the adapter is a Python pickle, which can run programs and is never read", "save it as safetensors")
		}
	}
	return &Error{File: a.path, Kind: ErrNotFound, Problem: adapterFile + " is missing beside " + adapterConfigFile, Advice: "download the whole adapter"}
}

// parsePEFT reads the configuration and refuses what is not a plain LoRA, by name.
func (a *Adapter) parsePEFT(text []byte) (*peft, error) {
	o, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	kind := o.text("peft_type")
	a.base = o.text("base_model_name_or_path")
	p := &peft{rslora: o.bool("use_rslora")}
	if o.err != nil {
		return nil, o.err
	}
	if !strings.EqualFold(kind, "LORA") {
		return nil, unsupported("", fmt.Sprintf("it is an adapter of type %q", kind), "only LoRA adapters are computed")
	}
	p.rank = o.size("r")
	p.alpha = o.float("lora_alpha")
	if err := refusePEFT(o); err != nil {
		return nil, err
	}
	if p.ranks, err = patterns(o, "rank_pattern"); err != nil {
		return nil, err
	}
	if p.alphas, err = patterns(o, "alpha_pattern"); err != nil {
		return nil, err
	}
	return p, o.err
}

// refusePEFT names what an adapter asks for beyond A and B.
//
// fan_in_fan_out is not looked at: it says how the base weight lies, and only merging depends on it. Nor are
// target_modules, layers_to_transform and their kind: the tensors that are there say what is changed.
func refusePEFT(o *object) error {
	const merge = "merge the adapter into the model, or train it without"
	asked := func(key string) bool { // neither absent, null, false, nor empty
		raw := string(bytes.TrimSpace(o.keys[key]))
		return o.has(key) && !slices.Contains([]string{"false", "[]", "{}", `""`, "0"}, raw)
	}
	for _, f := range []struct{ key, what string }{
		{"use_dora", "weight decomposition (DoRA)"},
		{"modules_to_save", "whole modules saved beside the adapter"},
		{"lora_bias", "a bias of the adapter"},
		{"layer_replication", "layers that are computed twice"},
		{"trainable_token_indices", "trained rows of the embedding"},
		{"target_parameters", "parameters of stacked experts"},
		{"alora_invocation_tokens", "an activated LoRA, which acts on a part of the prompt alone"},
		{"use_qalora", "inputs that are averaged in groups (QALoRA)"},
	} {
		if asked(f.key) {
			return unsupported("", fmt.Sprintf("key %q asks for %s, which this version does not compute", f.key, f.what), merge)
		}
	}
	if bias := o.text("bias"); o.err == nil && bias != "" && bias != "none" {
		return unsupported("", fmt.Sprintf("key \"bias\" is %q: trained biases are not computed in this version", bias), merge)
	}
	var start string
	if raw := o.keys["init_lora_weights"]; len(raw) > 0 && raw[0] == '"' {
		start = o.text("init_lora_weights")
	}
	for _, changed := range []string{"pissa", "olora", "corda", "loftq"} {
		if strings.HasPrefix(strings.ToLower(start), changed) {
			return unsupported("", fmt.Sprintf("key \"init_lora_weights\" is %q: such an adapter belongs to base weights that its training changed", start),
				"convert it to a plain LoRA with PEFT")
		}
	}
	return o.err
}

// maxPatternText bounds the expressions of a configuration together. Published ones have a line for each layer at most.
const maxPatternText = 256 << 10

// patterns reads an object of numbers by regular expression, in the file's order: the first that matches counts.
func patterns(o *object, key string) ([]pattern, error) {
	if !o.has(key) {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(o.keys[key]))
	fail := func(err error) ([]pattern, error) { return nil, fmt.Errorf("key %q: %w", key, err) }
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fail(errors.New("it is no object"))
	}
	var list []pattern
	length := 0
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fail(err)
		}
		p := pattern{text: t.(string)} // keys of an object are texts
		if err := d.Decode(&p.value); err != nil {
			return fail(fmt.Errorf("the value of %.80q is no number", p.text))
		}
		if length += len(p.text); length > maxPatternText {
			return fail(errors.New("its expressions are longer than those of any adapter"))
		}
		// Counted repetitions and classes of Unicode compile to much more than their text; no module's name needs them.
		if strings.Contains(p.text, "{") || strings.Contains(p.text, `\p`) || strings.Contains(p.text, `\P`) {
			return fail(fmt.Errorf("the expression %.80q is not one that names modules", p.text))
		}
		// As PEFT matches: the whole name, or its end behind a dot.
		if p.match, err = regexp.Compile(`^(?:.*\.)?(?:` + p.text + `)$`); err != nil {
			return fail(fmt.Errorf("%.80q is no regular expression", p.text))
		}
		list = append(list, p)
	}
	return list, nil
}

// lookUp returns the value of the first pattern that matches the module.
func lookUp(list []pattern, module string, otherwise float64) float64 {
	for _, p := range list {
		if p.match.MatchString(module) {
			return p.value
		}
	}
	return otherwise
}

// peftTensor takes a tensor's name apart: the module, which half it is, and the adapter's name, which older files have.
var peftTensor = regexp.MustCompile(`^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.([^.]+))?\.weight$`)

// pairPEFT pairs the tensors and holds their ranks against the configuration.
func (a *Adapter) pairPEFT(path string, f *safetensors.File, p *peft) error {
	h := halves{file: path}
	modules := map[string]string{} // by weight
	given := ""                    // name of the adapter
	for i, t := range f.Tensors {
		m := peftTensor.FindStringSubmatch(t.Name)
		if m == nil {
			return notLoRA(path, t.Name)
		}
		if i == 0 {
			given = m[3]
		}
		if m[3] != given {
			return unsupported(path, fmt.Sprintf("tensors of two adapters, %q and %q, are in one file", given, m[3]), "save each in a folder of its own")
		}
		weight := canonical(m[1] + ".weight")
		modules[weight] = m[1]
		rows, cols := matrix(t.Shape)
		if err := h.add(weight, m[2] == "B", Tensor{
			FileName: t.Name, File: adapterFile, Type: fileTypes[t.DType], TypeName: t.DType,
			Rows: rows, Cols: cols, Shape: t.Shape, Data: t.Data,
		}); err != nil {
			return err
		}
	}
	var err error
	if a.targets, err = h.targets(); err != nil {
		return err
	}
	for i := range a.targets {
		t := &a.targets[i]
		module := modules[t.Weight]
		if rank := lookUp(p.ranks, module, float64(p.rank)); rank != float64(t.Rank) {
			return corrupt(path, fmt.Errorf("tensor %q of shape %d has rank %d, but %s says %g", t.A.FileName, t.A.Shape, t.Rank, adapterConfigFile, rank))
		}
		by := float64(t.Rank)
		if p.rslora {
			by = math.Sqrt(by)
		}
		t.Factor = lookUp(p.alphas, module, p.alpha) / by
	}
	return nil
}

// notLoRA says what a tensor is that is neither lora_A nor lora_B.
func notLoRA(path, name string) error {
	const merge = "merge the adapter into the model, or train it without"
	switch {
	case strings.Contains(name, "lora_embedding_"):
		return embeddingLoRA(path, name)
	case strings.Contains(name, "lora_magnitude_vector"):
		return unsupported(path, fmt.Sprintf("tensor %q belongs to a weight-decomposed adapter (DoRA), which this version does not compute", name), merge)
	case strings.Contains(name, ".lora_B.") && strings.HasSuffix(name, ".bias"):
		return unsupported(path, fmt.Sprintf("tensor %q is a bias of the adapter, which this version does not compute", name), merge)
	}
	return unsupported(path, fmt.Sprintf("tensor %q is no part of a LoRA but a weight of its own, saved beside the adapter (modules_to_save)", name), merge)
}
