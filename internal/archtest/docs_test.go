package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestVariablesAreListed holds docs/env.md against the sources: a switch that nobody can find is none.
func TestVariablesAreListed(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "env.md"))
	if err != nil {
		t.Fatal(err)
	}
	read := regexp.MustCompile(`(?:Getenv|LookupEnv)\("(\w+)"\)`)
	seen := 0
	walk(t, ".go", func(path, content string) {
		for _, match := range read.FindAllStringSubmatch(content, -1) {
			name := match[1]
			if !strings.HasPrefix(name, "QWENVK_") {
				continue
			}
			seen++
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s reads %s, which has no row in docs/env.md", path, name)
			}
		}
	})
	if seen == 0 {
		t.Error("found no variable in the sources: the search is broken")
	}
}

// TestLinks follows every relative link of the Markdown pages.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`) // no link has a scheme, anchors are cut off
	seen := 0
	walk(t, ".md", func(path, content string) {
		for _, match := range link.FindAllStringSubmatch(content, -1) {
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(match[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", path, match[1])
			}
		}
	})
	if seen == 0 {
		t.Error("found no link in the pages: the search is broken")
	}
}

// walk calls visit with the path and content of every file of the repository that ends in suffix.
func walk(t *testing.T, suffix string, visit func(path, content string)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "qwen-tokenizer") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil {
			visit(path, string(content))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNamedTests: a test that a page names is there. A name in a page may be the beginning of several.
func TestNamedTests(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)\(`)
	var names []string
	walk(t, "_test.go", func(_, content string) {
		for _, match := range declared.FindAllStringSubmatch(content, -1) {
			names = append(names, match[1])
		}
	})
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)")
	seen := 0
	walk(t, ".md", func(path, content string) {
		for _, match := range named.FindAllStringSubmatch(content, -1) {
			seen++
			if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, match[1]) }) {
				t.Errorf("%s names %s, which is no test", path, match[1])
			}
		}
	})
	if seen == 0 {
		t.Error("found no test's name in the pages: the search is broken")
	}
}
