package hub

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// File is one file of a repository.
type File struct {
	Path   string // with slashes, inside the repository
	Size   int64  // bytes
	SHA256 string // of the content, for large files; "" where the hub keeps the file in git
	GitID  string // git's blob id (SHA-1 over a header and the content) of other files
}

// etag names the file's blob in the cache, as huggingface_hub does.
func (f File) etag() string {
	if f.SHA256 != "" {
		return f.SHA256
	}
	return f.GitID
}

// Small files that a model in Hugging Face layout may need; weights are chosen by their extension.
var textFiles = []string{
	"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
	"qwen.tiktoken", "chat_template.jinja", "special_tokens_map.json", "added_tokens.json", "quantize_config.json",
	"model.safetensors.index.json", "adapter_config.json", "modules.json", "1_Pooling/config.json", "README.md", "LICENSE",
}

// preferredTypes are taken, the first that is there, when a repository has several GGUF files and no type is named.
var preferredTypes = []string{"Q4_K_M", "Q4_0", "Q5_K_M", "Q8_0"}

// choose picks the files of the model that the name means.
func choose(n Name, files []File) ([]File, error) {
	var ggufs, tensors, texts []File
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) // parts in their order
	for _, f := range files {
		switch ext := path.Ext(f.Path); {
		case ext == ".gguf" && !strings.Contains(strings.ToLower(path.Base(f.Path)), "mmproj"):
			ggufs = append(ggufs, f)
		case ext == ".safetensors" && !strings.Contains(f.Path, "/"):
			tensors = append(tensors, f)
		case slices.Contains(textFiles, f.Path):
			texts = append(texts, f)
		}
	}
	switch {
	case n.Type != "" && len(ggufs) == 0:
		return nil, fmt.Errorf("%s has no GGUF files, so there is no type to choose; leave :%s out", n.ID(), n.Type)
	case n.Type == "" && len(tensors) > 0:
		return append(texts, tensors...), nil
	case len(ggufs) == 0:
		return nil, fmt.Errorf("%s has neither .safetensors nor .gguf files; it is no model that can be computed here", n.ID())
	}
	return chooseGGUF(n, ggufs)
}

// chooseGGUF picks one GGUF model: a file, or all parts of one.
func chooseGGUF(n Name, files []File) ([]File, error) {
	byModel := map[string][]File{} // without the number of the part
	var models, types []string
	for _, f := range files {
		model := partNumber.ReplaceAllString(f.Path, ".gguf")
		if byModel[model] == nil {
			models = append(models, model)
			types = append(types, typeOf(model))
		}
		byModel[model] = append(byModel[model], f)
	}
	pick := func(want string) []string {
		var found []string
		for i, model := range models {
			if strings.EqualFold(types[i], want) {
				found = append(found, model)
			}
		}
		return found
	}
	var found []string
	switch {
	case n.Type != "":
		found = pick(n.Type)
	case len(models) == 1:
		found = models
	default:
		for _, t := range preferredTypes {
			if found = pick(t); len(found) > 0 {
				break
			}
		}
	}
	switch {
	case len(found) == 1:
		return byModel[found[0]], nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s has several GGUF files of that type: %s; download the one that is meant and name the file", n, some(found))
	}
	slices.Sort(types)
	return nil, fmt.Errorf("%s has no such GGUF file; its types are %s: write %s:TYPE", n, some(slices.Compact(types)), n.ID())
}

var (
	partNumber = regexp.MustCompile(`-\d{5}-of-\d{5}\.gguf$`)
	// typeWord finds the type that a GGUF file's name ends in, behind a dot or a dash: model-Q4_K_M.gguf, model.f16.gguf.
	typeWord = regexp.MustCompile(`(?i)[.-]((?:ud-)?(?:iq|q|tq)\d[\w]*|f16|f32|bf16|fp16|mxfp4(?:_moe)?)\.gguf$`)
)

// typeOf returns the type in the name of a GGUF file, or the name itself where it has none.
func typeOf(file string) string {
	if m := typeWord.FindStringSubmatch(file); m != nil {
		return strings.ToUpper(m[1])
	}
	return strings.TrimSuffix(path.Base(file), ".gguf")
}

// some joins words, at most a dozen.
func some(words []string) string {
	if len(words) > 12 {
		return strings.Join(words[:12], ", ") + ", …"
	}
	return strings.Join(words, ", ")
}
