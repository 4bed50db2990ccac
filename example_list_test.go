package qwenvk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const rootPath = "github.com/qwenvk/qwenvk"

// TestExamplesAreComplete: everything that the package exports is used in an example that is run: types, functions, methods, constants
// and errors. What counts is what the compiler resolves, not how it is spelled.
func TestExamplesAreComplete(t *testing.T) {
	if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("the short tests leave the list of examples out")
	}
	root, used := exampleUses(t)
	for _, name := range exported(root) {
		if !used[name] {
			t.Errorf("%s is in no example that is run; add one to example_*_test.go", name)
		}
	}
	if !used["Open"] || !used["Chat.Send"] || used["no such thing"] {
		t.Error("the search is broken")
	}
}

// exported names what a package exports, methods as Type.Method.
func exported(p *types.Package) (names []string) {
	for _, name := range p.Scope().Names() {
		object := p.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		names = append(names, name)
		named, ok := object.Type().(*types.Named)
		if _, isType := object.(*types.TypeName); !isType || !ok || object.(*types.TypeName).IsAlias() {
			continue
		}
		for m := range named.Methods() {
			if m.Exported() {
				names = append(names, name+"."+m.Name())
			}
		}
	}
	return names
}

// exampleUses type-checks the package's examples and names what of it the bodies of those that are run use.
func exampleUses(t *testing.T) (root *types.Package, used map[string]bool) {
	t.Helper()
	files, err := filepath.Glob("example_*test.go")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files of examples: %v", len(files), err)
	}
	set := token.NewFileSet()
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	exports := exportData(t)
	lookup := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	info := types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: lookup}
	if _, err := config.Check(rootPath+"_test", set, parsed, &info); err != nil {
		t.Fatal(err)
	}
	if root, err = lookup.Import(rootPath); err != nil {
		t.Fatal(err)
	}
	used = map[string]bool{}
	for _, f := range parsed {
		for _, d := range f.Decls {
			if run, ok := d.(*ast.FuncDecl); ok && (runs(f, run) || !strings.HasPrefix(run.Name.Name, "Example") && !strings.HasPrefix(run.Name.Name, "Test")) {
				noteUses(&info, run.Body, used)
			}
		}
	}
	return root, used
}

// runs reports an example with an output.
func runs(f *ast.File, d *ast.FuncDecl) bool {
	return strings.HasPrefix(d.Name.Name, "Example") && slices.ContainsFunc(f.Comments, func(c *ast.CommentGroup) bool {
		return c.Pos() > d.Body.Pos() && c.End() <= d.Body.End() && strings.HasPrefix(c.Text(), "Output:")
	})
}

func noteUses(info *types.Info, body ast.Node, used map[string]bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if object := info.Uses[id]; object != nil && object.Pkg() != nil && object.Pkg().Path() == rootPath {
				used[nameOf(object)] = true
			}
		}
		if e, ok := n.(ast.Expr); ok { // a value of a type uses the type
			if named, ok := under(info.Types[e].Type).(*types.Named); ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == rootPath {
				used[named.Obj().Name()] = true
			}
		}
		return true
	})
}

func under(t types.Type) types.Type {
	for {
		switch u := t.(type) {
		case *types.Pointer:
			t = u.Elem()
		case *types.Slice:
			t = u.Elem()
		default:
			return t
		}
	}
}

func nameOf(object types.Object) string {
	if f, ok := object.(*types.Func); ok {
		if receiver := f.Signature().Recv(); receiver != nil {
			if named, ok := under(receiver.Type()).(*types.Named); ok {
				return named.Obj().Name() + "." + f.Name()
			}
		}
	}
	return object.Name()
}

// exportData asks the go command where the compiled form of each package lies that the examples may import.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-test", "-json=ImportPath,Export,ForTest", ".")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export, ForTest string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return exports
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ForTest == "" && p.Export != "" {
			exports[p.ImportPath] = p.Export
		}
	}
}
