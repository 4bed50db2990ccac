package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what `go list -json` tells of a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	CgoFiles   []string
}

// The rules hold for every system that the module is built for: files chosen by name may import something else.
func TestArrows(t *testing.T) {
	readSources(t)
	for _, system := range []string{"linux", "windows", "darwin"} {
		t.Run(system, func(t *testing.T) {
			for _, pkg := range list(t, system) {
				for _, sentence := range violations(pkg) {
					t.Error(sentence)
				}
			}
		})
	}
}

// A rule that can't fail guards nothing.
func TestViolations(t *testing.T) {
	for _, test := range []struct {
		pkg  listed
		want string
	}{
		{listed{ImportPath: module + "/chat", Imports: []string{module + "/tokenizer"}}, "chat must not import tokenizer"},
		{listed{ImportPath: module + "/graph", Imports: []string{"github.com/vulkan-go/vulkan"}}, "graph must not import github.com/vulkan-go/vulkan"},
		{listed{ImportPath: module + "/chat", Imports: []string{"example.org/clever"}}, "example.org/clever is not in the list of modules"},
		{listed{ImportPath: module + "/quant", CgoFiles: []string{"fast.go"}}, "quant must not contain C (fast.go)"},
		{listed{ImportPath: module + "/newcomer"}, "newcomer has no row"},
		{listed{ImportPath: module + "/cmd/qwenvk", Deps: []string{module + "/internal/testkit"}}, "cmd/qwenvk must not depend on internal/testkit"},
		{listed{ImportPath: module, Deps: []string{module + "/graph/cpuexec"}}, ". must not depend on graph/cpuexec"},
		{listed{ImportPath: module + "/engine", Imports: []string{module + "/graph/cpuexec"}}, "engine must not import graph/cpuexec"},
		{listed{ImportPath: module + "/loader/gguf", Imports: []string{module + "/loader"}}, "loader/gguf must not import loader"},
		{listed{ImportPath: module + "/loader/gguf", Imports: []string{module + "/internal/half", "golang.org/x/sys/unix", "os"}}, ""},
	} {
		got := strings.Join(violations(test.pkg), "\n")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.pkg.ImportPath, got, test.want)
		}
	}
}

// violations returns one sentence for each rule that the package breaks.
func violations(pkg listed) []string {
	const see = ": see docs/architecture.md"
	name := short(pkg.ImportPath)
	allowed, ok := row(name)
	if !ok {
		return []string{name + " has no row in internal/archtest/arrows_test.go: say there what it may import" + see}
	}
	var found []string
	for _, path := range pkg.Imports {
		switch {
		case path == module || strings.HasPrefix(path, module+"/"):
			to := short(path)
			if alone, ok := only[to]; ok && !slices.Contains(alone, name) || !matches(allowed, to) && !matches(leaves, to) {
				found = append(found, name+" must not import "+to+see)
			}
		case !strings.Contains(strings.Split(path, "/")[0], "."), strings.HasPrefix(path, "golang.org/x/"):
		default:
			if sentence := foreign(name, path); sentence != "" {
				found = append(found, sentence+see)
			}
		}
	}
	for _, path := range pkg.Deps {
		if slices.Contains(absent[name], short(path)) {
			found = append(found, name+" must not depend on "+short(path)+see)
		}
	}
	if len(pkg.CgoFiles) > 0 && !matches(cgo, name) {
		found = append(found, name+" must not contain C ("+strings.Join(pkg.CgoFiles, ", ")+")"+see)
	}
	return found
}

// foreign checks the import of another module's package.
func foreign(name, path string) string {
	for prefix, users := range modules {
		if path != prefix && !strings.HasPrefix(path, prefix+"/") {
			continue
		}
		if !matches(users, name) {
			return name + " must not import " + path
		}
		return ""
	}
	return path + " is not in the list of modules that " + name + " may import"
}

// row returns what a package may import: its own row, else that of the nearest "folder/..." above it.
func row(name string) ([]string, bool) {
	if allowed, ok := arrows[name]; ok {
		return allowed, true
	}
	for at := name; strings.Contains(at, "/"); {
		at = at[:strings.LastIndex(at, "/")]
		if allowed, ok := arrows[at+"/..."]; ok {
			return allowed, true
		}
	}
	return nil, false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, tree := strings.CutSuffix(pattern, "/...")
		return pattern == name || tree && strings.HasPrefix(name, folder+"/")
	})
}

func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// readSources opens every Go file of the module: the test cache sees files that a test opens, not those that `go list`
// reads for it, and would repeat yesterday's verdict on today's imports.
func readSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			_, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// list asks the go command for every package of the module as it is built for one system.
func list(t *testing.T, system string) []listed {
	t.Helper()
	// -e: cgo packages for another system list well but may not be complete; the arrows are in the Go files.
	cmd := exec.Command("go", "list", "-e", "-tags", "desktop", "-deps", "-json=ImportPath,Standard,Imports,Deps,CgoFiles", module+"/...")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=1", "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v\n%s", system, err, stderr.String())
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg listed
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list for %s: %v", system, err)
		}
		if pkg.ImportPath == module || strings.HasPrefix(pkg.ImportPath, module+"/") {
			packages = append(packages, pkg)
		}
	}
	if len(packages) == 0 {
		t.Fatalf("go list for %s names no package of %s", system, module)
	}
	return packages
}
