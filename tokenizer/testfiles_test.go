package tokenizer_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// find returns the path of a test file: in testdata, where a fresh clone has it, or in the
// shared data beside the repository. The test is skipped when neither has it.
func find(t testing.TB, inTestdata, inShared string) string {
	t.Helper()
	for _, path := range []string{
		filepath.Join("..", "testdata", filepath.FromSlash(inTestdata)),
		filepath.Join("..", "..", "shared", filepath.FromSlash(inShared)),
	} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	t.Skipf("neither testdata/%s nor ../shared/%s is there", inTestdata, inShared)
	return ""
}

// read returns a test file, unpacked when it is compressed.
func read(t testing.TB, inTestdata, inShared string) []byte {
	t.Helper()
	path := find(t, inTestdata, inShared)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return data
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if data, err = io.ReadAll(r); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return data
}

// qwen3File is the real Qwen3 tokenizer.json.
func qwen3File(t testing.TB) []byte {
	return read(t, "qwen-tokenizer/qwen3/tokenizer.json.gz", "qwen-tokenizer/qwen3/tokenizer.json")
}

func qwen3Config(t testing.TB) []byte {
	return read(t, "qwen-tokenizer/qwen3/tokenizer_config.json", "qwen-tokenizer/qwen3/tokenizer_config.json")
}

var loaded struct {
	once sync.Once
	tok  *tokenizer.Tokenizer
	err  error
}

// qwen3 is the real Qwen3 tokenizer, loaded once for all tests: it is immutable.
func qwen3(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	file, config := qwen3File(t), qwen3Config(t)
	loaded.once.Do(func() { loaded.tok, loaded.err = tokenizer.FromTokenizerJSON(file, config) })
	if loaded.err != nil {
		t.Fatal(loaded.err)
	}
	return loaded.tok
}

// tinyFile is a tokenizer.json of 301 tokens: every byte and 45 merges.
func tinyFile(t testing.TB) []byte {
	return read(t, "golden/tokenizer/tokenizer.json", "golden/tokenizer/tokenizer.json")
}

// hfModel is the part of tokenizer.json from which the other file forms are written.
type hfModel struct {
	AddedTokens []struct {
		ID      int32
		Content string
		Special bool
	} `json:"added_tokens"`
	Model struct {
		Vocab  map[string]int32
		Merges [][2]string
	}
}

func parseModel(t testing.TB, file []byte) hfModel {
	t.Helper()
	var m hfModel
	if err := json.Unmarshal(file, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// byID returns the vocabulary in the order of its ids.
func (m hfModel) byID(t testing.TB) []string {
	t.Helper()
	tokens := make([]string, len(m.Model.Vocab))
	for token, id := range m.Model.Vocab {
		tokens[id] = token
	}
	return tokens
}

// mergeLines returns the merges as "a b".
func (m hfModel) mergeLines() []string {
	lines := make([]string, len(m.Model.Merges))
	for i, pair := range m.Model.Merges {
		lines[i] = pair[0] + " " + pair[1]
	}
	return lines
}
