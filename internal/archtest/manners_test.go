package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The packages of the library are guests in another program: they do not print, end the process, take its signals or change its
// environment, and keep no state outside of what was opened.

// banned are calls and variables by import path.
var banned = map[string][]string{
	"os":      {"Exit", "Stdout", "Stderr", "Stdin", "Setenv", "Unsetenv", "Clearenv", "Chdir", "Args"},
	"fmt":     {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"syscall": {"Exit", "Kill"},
	"runtime": {"Goexit", "LockOSThread"},
}

// bannedImports have no use in a library.
var bannedImports = []string{"os/signal", "log", "flag", "expvar", "net/http/pprof"}

// globals are the variables of packages that are written to after their declaration, each with its reason.
var globals = map[string]string{
	"vk.bindingLoader": "the Vulkan binding has one set of entry points for the whole process",
}

// guests are the folders of the library: the root package and all that it is made of.
func guests(t *testing.T) []string {
	t.Helper()
	var folders []string
	for _, pkg := range list(t, "linux") {
		if name := short(pkg.ImportPath); name == "." {
			folders = append(folders, "../..")
			for _, dep := range pkg.Deps {
				if strings.HasPrefix(dep, module+"/") {
					folders = append(folders, filepath.Join("../..", short(dep)))
				}
			}
		}
	}
	if len(folders) < 10 {
		t.Fatalf("the library has %d packages: the search is broken", len(folders))
	}
	return append(folders, "../../clib", "../../convert", "../../bench")
}

func TestManners(t *testing.T) {
	for _, folder := range guests(t) {
		set := token.NewFileSet()
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
			for _, found := range rudeness(file) {
				t.Errorf("%s: %s", set.Position(found.at), found.what)
			}
		}
		for _, found := range written(files) {
			name := strings.TrimPrefix(filepath.ToSlash(folder), "../../") + "." + found.what
			if globals[name] == "" {
				t.Errorf("%s: the package's variable %s is written to: libraries keep their state in what was opened", set.Position(found.at), name)
			}
		}
	}
}

// finding is something at a place.
type finding struct {
	at   token.Pos
	what string
}

// rudeness lists what a file imports, calls or names that a guest does not.
func rudeness(file *ast.File) (found []finding) {
	names := map[string]string{} // import path by name in the file
	for _, imported := range file.Imports {
		path := strings.Trim(imported.Path.Value, `"`)
		name := path[strings.LastIndex(path, "/")+1:]
		if imported.Name != nil {
			name = imported.Name.Name
		}
		names[name] = path
		if slices.Contains(bannedImports, path) {
			found = append(found, finding{imported.Pos(), "imports " + path})
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(banned[names[x.Name]], n.Sel.Name) {
				found = append(found, finding{n.Pos(), "uses " + x.Name + "." + n.Sel.Name})
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				found = append(found, finding{n.Pos(), "calls " + f.Name})
			}
		}
		return true
	})
	return found
}

// written lists assignments to variables of a package in its functions: to the whole, an element or a field.
func written(files []*ast.File) (found []finding) {
	variables := map[string]*ast.ValueSpec{}
	for _, file := range files {
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, s := range g.Specs {
					for _, name := range s.(*ast.ValueSpec).Names {
						variables[name.Name] = s.(*ast.ValueSpec)
					}
				}
			}
		}
	}
	note := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.ParenExpr:
				e = x.X
			case *ast.Ident:
				spec := variables[x.Name]
				// The parser resolves names within a file; one that it leaves open may be of another file of the package.
				if spec != nil && (x.Obj == nil || x.Obj.Decl == spec) {
					found = append(found, finding{x.Pos(), x.Name})
				}
				return
			default:
				return
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "init" || n.Recv != nil // tables may be built before anything runs
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, left := range n.Lhs {
						note(left)
					}
				}
			case *ast.IncDecStmt:
				note(n.X)
			}
			return true
		})
	}
	return found
}

// TestMannersFindsFaults: a rule that can't fail guards nothing.
func TestMannersFindsFaults(t *testing.T) {
	const rude = `package p
import ("os"; "fmt"; "os/signal")
var count int
var table = map[string]int{}
func f() { os.Exit(1); fmt.Println(); println(); signal.Notify(nil); count++; table["a"] = 1; count := 2; count = 3; _ = count }`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", rude, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, found := range rudeness(file) {
		got = append(got, found.what)
	}
	for _, found := range written([]*ast.File{file}) {
		got = append(got, found.what)
	}
	want := []string{"imports os/signal", "uses os.Exit", "uses fmt.Println", "calls println", "count", "table"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
