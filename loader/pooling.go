package loader

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
)

// PoolLast is last-token pooling, see [Checkpoint.Pooling].
const PoolLast = "last"

// Pooling says how a model that was made for embeddings turns a text's hidden states into one vector: "last" for that of
// the last token, as all of Qwen do, or another way in the words of sentence-transformers ("mean", "cls") or GGUF. It is
// "" for a model that was not made for embeddings, or does not say so.
func (c *Checkpoint) Pooling() string { return c.pooling }

// Files of sentence-transformers beside a model.
const (
	modulesFile   = "modules.json"
	poolingConfig = "config.json" // in the module's folder
	poolingFolder = "1_Pooling"
)

// readPooling reads how a folder's embeddings are made. A body without output head that says nothing is one of an
// embedding model, whose pooling then is the family's.
func (c *Checkpoint) readPooling() error {
	path := filepath.Join(c.path, modulesFile)
	text, err := readFile(path, configLimit)
	if err != nil {
		return err
	}
	folder := poolingFolder
	var others []string
	if text != nil {
		var modules []struct{ Type, Path string }
		if err := json.Unmarshal(text, &modules); err != nil {
			return corrupt(path, fmt.Errorf("it is no list of modules: %w", err))
		}
		for _, m := range modules {
			switch kind := m.Type[strings.LastIndexByte(m.Type, '.')+1:]; kind {
			case "Transformer", "Normalize":
			case "Pooling":
				if folder = m.Path; !plainFolder(folder) {
					return corrupt(path, fmt.Errorf("its module %q lies in %q, which is not the name of a folder in this one", kind, folder))
				}
			default:
				others = append(others, kind)
			}
		}
		c.pooling = PoolLast
	}
	path = filepath.Join(c.path, folder, poolingConfig)
	if text, err = readFile(path, configLimit); err != nil {
		return err
	}
	if text != nil {
		if c.pooling, err = poolingMode(text); err != nil {
			return corrupt(path, err)
		}
	}
	if others != nil {
		c.pooling += " and then " + strings.Join(others, ", ")
	}
	if c.pooling == "" && c.body {
		c.pooling = PoolLast
	}
	return nil
}

// plainFolder reports whether name is a folder's own name and no path, on any system.
func plainFolder(name string) bool {
	return name != "" && name[0] != '.' && !strings.ContainsAny(name, "/\\:\x00")
}

// poolingMode reads the configuration of sentence-transformers' Pooling: a switch for each mode, or one word.
func poolingMode(text []byte) (string, error) {
	o, err := parseObject(text)
	if err != nil {
		return "", err
	}
	var modes []string
	if mode := o.text("pooling_mode"); mode != "" {
		modes = append(modes, strings.TrimSuffix(mode, "token"))
	}
	for _, mode := range []struct{ key, name string }{
		{"pooling_mode_lasttoken", PoolLast},
		{"pooling_mode_cls_token", "cls"},
		{"pooling_mode_mean_tokens", "mean"},
		{"pooling_mode_max_tokens", "max"},
		{"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"},
		{"pooling_mode_weightedmean_tokens", "weightedmean"},
	} {
		if o.bool(mode.key) {
			modes = append(modes, mode.name)
		}
	}
	if o.err == nil && len(modes) == 0 {
		return "mean", nil // the default of sentence-transformers
	}
	return strings.Join(modes, " and "), o.err
}

// ggufPoolings are the values of pooling_type, by number. Of 0, "none", nothing is made.
var ggufPoolings = []string{"", "mean", "cls", PoolLast, "rank"}

// pooling reads a GGUF file's pooling_type.
func (m *metadata) pooling(arch string) string {
	key := arch + ".pooling_type"
	v, ok := m.file.Lookup(key)
	if !ok {
		return ""
	}
	n, err := v.Uint()
	if err != nil {
		m.fail(key, err)
		return ""
	}
	if n >= uint64(len(ggufPoolings)) {
		return fmt.Sprintf("type %d", n)
	}
	return ggufPoolings[n]
}
