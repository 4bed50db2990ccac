package loader

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/loader/safetensors"
)

// Limits of files that are read whole. Qwen's tokenizer.json, the largest, has 11 MB.
const (
	configLimit    = 16 << 20
	indexLimit     = 64 << 20
	tokenizerLimit = 128 << 20
)

const (
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// inspectFolder makes a checkpoint of a folder in Hugging Face layout.
func inspectFolder(dir string) (*Checkpoint, error) {
	configPath := filepath.Join(dir, "config.json")
	text, err := readFile(configPath, configLimit)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return nil, noModelIn(dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	c := &Checkpoint{format: "safetensors", path: dir, name: filepath.Base(abs), tensors: map[string]Tensor{}}
	if err := c.readTexts(); err != nil {
		return nil, err
	}
	config, err := parseObject(text)
	if err != nil {
		return nil, corrupt(configPath, err)
	}
	generation, err := parseObject(c.text.generationConfig)
	if err != nil {
		return nil, corrupt(filepath.Join(dir, generationConfigFile), err)
	}
	c.arch = config.text("model_type")
	if arch, ok := architectures[c.arch]; ok {
		c.arch = arch
	}
	settings, err := folderConfig(c.arch, config, generation)
	if err := c.configure(settings, inFile(configPath, err)); err != nil {
		return nil, err
	}
	var classes []string
	c.body = config.read("architectures", &classes) && len(classes) == 1 && isBody(classes[0])
	if err := c.readPooling(); err != nil {
		return nil, err
	}
	quantised := &layers{}
	if quantised.q, err = readQuantization(dir, config); err != nil {
		if !errors.Is(err, ErrUnsupportedModel) {
			return nil, err
		}
		c.refuse(err)
		quantised = nil // what cannot be put together is listed tensor by tensor
	}
	err = c.addShards(config, quantised)
	var missing *Error
	if errors.As(err, &missing) && missing.Kind == ErrNotFound && len(c.names) == 0 && c.refusal == nil && c.plausible() {
		c.asOutline(missing, quantised.q)
		return c, nil
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// isBody reports the class of a model without output head: Qwen3Model, but not QWenLMHeadModel.
func isBody(class string) bool {
	return strings.HasSuffix(class, "Model") && !strings.HasSuffix(class, "HeadModel")
}

// headless reports a model that may lack an output head: the body that embedding models are published as, under their
// class's name or under that of the whole model.
func (c *Checkpoint) headless() bool { return (c.body || c.pooling != "") && !c.config.Tied }

// addShards maps the weights and adds their tensors.
func (c *Checkpoint) addShards(config *object, quantised *layers) error {
	shards, places, err := findShards(c.path)
	if err != nil {
		return err
	}
	found := 0
	for _, shard := range shards {
		path := filepath.Join(c.path, shard)
		f, err := c.mapShard(path)
		if err != nil {
			return err
		}
		for _, t := range f.Tensors {
			if places != nil && places[t.Name] != shard {
				continue // the index decides which of several copies counts
			}
			found++
			if len(t.Data) == 0 {
				return corrupt(path, fmt.Errorf("tensor %q is empty", t.Name))
			}
			if taken, err := quantised.take(t, shard); errors.Is(err, ErrUnsupportedModel) {
				c.refuse(inFile(path, err))
			} else if err != nil {
				return corrupt(path, err)
			} else if taken {
				continue
			}
			rows, cols := matrix(t.Shape)
			if err := c.add(Tensor{
				Name: canonical(t.Name), FileName: t.Name, File: shard,
				Type: fileTypes[t.DType], TypeName: t.DType,
				Rows: rows, Cols: cols, Shape: t.Shape, Data: t.Data,
			}); err != nil {
				return corrupt(path, err)
			}
		}
	}
	if places != nil && found != len(places) {
		return c.lostTensor(places, quantised)
	}
	if err := c.addLayers(quantised); err != nil {
		return err
	}
	if err := c.splitQKV(); err != nil {
		return err
	}
	_, head := c.tensors["output.weight"]
	if !config.has("tie_word_embeddings") {
		c.config.Tied = !head
	}
	if c.headless() {
		c.config.Headless = !head
	}
	if _, bias := c.tensors["blk.0.attn_q.bias"]; bias && !config.has("attention_bias") {
		c.config.AttentionBias = true
	}
	return nil
}

// mapShard maps and parses one safetensors file. The checkpoint keeps the mapping.
func (c *Checkpoint) mapShard(path string) (*safetensors.File, error) {
	m, err := mapFile(path)
	if errors.Is(err, ErrNotFound) {
		return nil, &Error{File: path, Problem: "this part of the model is missing", Advice: "download the model again", Kind: ErrNotFound}
	}
	if err != nil {
		return nil, err
	}
	c.maps = append(c.maps, m)
	f, err := safetensors.Parse(m)
	if err == nil {
		return f, nil
	}
	var u *safetensors.UnsupportedError
	if errors.As(err, &u) {
		return nil, unsupported(path, err.Error(), "the types that work are "+typeNames())
	}
	if what, advice := sniff(m[:min(len(m), 512)]); advice != "" && strings.Contains(what, "pointer") {
		return nil, unsupported(path, what, advice)
	}
	return nil, corrupt(path, err)
}

// lostTensor names a tensor that the index has and its file has not.
func (c *Checkpoint) lostTensor(places map[string]string, quantised *layers) error {
	present := map[string]bool{}
	for _, t := range c.tensors {
		present[t.FileName] = true
	}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		if !present[name] && !quantised.has(name) {
			return corrupt(filepath.Join(c.path, places[name]), fmt.Errorf("tensor %q is missing, which %s places here", name, indexFile))
		}
	}
	return nil
}

// findShards returns the names of the safetensors files and, for a sharded model, which file
// holds which tensor. As in transformers, a single file is preferred to an index.
func findShards(dir string) (shards []string, places map[string]string, err error) {
	if _, err := os.Lstat(filepath.Join(dir, singleFile)); err == nil { // a link that leads nowhere is told of when it is opened
		return []string{singleFile}, nil, nil
	}
	path := filepath.Join(dir, indexFile)
	text, err := readFile(path, indexLimit)
	if err != nil {
		return nil, nil, err
	}
	if text == nil {
		return nil, nil, noModelIn(dir)
	}
	index, err := parseObject(text)
	if err != nil {
		return nil, nil, corrupt(path, err)
	}
	if index.read("weight_map", &places); index.err != nil {
		return nil, nil, corrupt(path, index.err)
	}
	if len(places) == 0 {
		return nil, nil, corrupt(path, missingKey("weight_map"))
	}
	for name, shard := range places {
		if !plainName(shard) {
			return nil, nil, &Error{
				File: path, Kind: ErrCorrupt, Advice: "do not trust this model",
				Problem: fmt.Sprintf("tensor %q is said to lie in %q, which is not the name of a .safetensors file in this folder", name, shard),
			}
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	var lost []string
	for _, shard := range shards {
		if _, err := os.Stat(filepath.Join(dir, shard)); errors.Is(err, os.ErrNotExist) {
			lost = append(lost, shard)
		}
	}
	if len(lost) > 0 {
		return nil, nil, &Error{
			File: dir, Kind: ErrNotFound, Advice: "download the model again",
			Problem: fmt.Sprintf("%d of the model's %d files are missing: %s", len(lost), len(shards), few(lost)),
		}
	}
	return shards, places, nil
}

// plainName reports whether name is a safetensors file's own name and no path, on any system.
func plainName(name string) bool {
	return strings.HasSuffix(name, ".safetensors") && name[0] != '.' && !strings.ContainsAny(name, "/\\:\x00")
}

// few joins names, at most three.
func few(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// noModelIn says what a folder without config.json or weights holds instead.
func noModelIn(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return pathError(dir, err)
	}
	byKind := map[string][]string{}
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		byKind[ext] = append(byKind[ext], e.Name())
		byKind[e.Name()] = append(byKind[e.Name()], e.Name())
	}
	e := &Error{File: dir, Kind: ErrNotFound}
	ggufs, weights := byKind[".gguf"], byKind[".safetensors"]
	pickles := slices.Concat(byKind[".bin"], byKind[".pt"], byKind[".pth"])
	switch {
	case len(ggufs) > 0:
		e.Problem, e.Advice = "the folder holds GGUF files, not a model in Hugging Face layout", "give one of them: "+few(ggufs)
	case byKind["adapter_config.json"] != nil:
		e.Problem, e.Advice = "the folder holds a LoRA adapter, not a whole model", "give the model that it was made for, and this folder as its adapter"
	case byKind["config.json"] == nil && len(weights) > 0:
		e.Problem, e.Advice = "config.json is missing beside "+few(weights), "download the whole model"
	case byKind["config.json"] == nil:
		e.Problem, e.Advice = "the folder holds no model: there is no config.json", "give a .gguf file or a folder with config.json and .safetensors files"
	case len(weights) > 0:
		e.Problem, e.Advice = "neither "+singleFile+" nor "+indexFile+" is there, only "+few(weights), "download the whole model"
	case len(pickles) > 0:
		e.Kind = ErrUnsupportedModel
		e.Problem, e.Advice = "the weights are Python pickles ("+few(pickles)+"), which can run programs and are never read", "get the model as safetensors or GGUF"
	default:
		e.Problem, e.Advice = "there is a config.json but no "+singleFile, "download the whole model"
	}
	return e
}
