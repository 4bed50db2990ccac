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

// TestDocumented: everything that a public package exports says what it is: functions, methods and types in a comment of their own,
// constants and variables in theirs, behind them, or in their group's.
func TestDocumented(t *testing.T) {
	seen := 0
	for _, pkg := range list(t, "linux") {
		name := short(pkg.ImportPath)
		if strings.HasPrefix(name, "cmd/") || strings.Contains("/"+name+"/", "/internal/") {
			continue
		}
		paths, err := filepath.Glob(filepath.Join("../..", name, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		chapter := false
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			chapter = chapter || file.Doc != nil && len(file.Doc.Text()) > 80
			n, bare := undocumented(set, file)
			seen += n
			for _, found := range bare {
				t.Errorf("%s: %s has no comment", set.Position(found.at), found.what)
			}
		}
		if !chapter {
			t.Errorf("package %s has no comment that says what it is", name)
		}
	}
	if seen < 500 {
		t.Errorf("found %d exported things: the search is broken", seen)
	}
}

// undocumented counts what a file exports and lists what of it has no comment.
func undocumented(set *token.FileSet, file *ast.File) (seen int, bare []finding) {
	note := func(name *ast.Ident, documented bool) {
		if !name.IsExported() {
			return
		}
		if seen++; !documented {
			bare = append(bare, finding{name.Pos(), name.Name})
		}
	}
	shared := 0 // a line that a comment above still holds for: functions of one line each, one beneath the other
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			first, last := set.Position(d.Pos()).Line, set.Position(d.End()).Line
			below := first == shared
			if shared = 0; d.Doc != nil || below {
				shared = last + 1
			}
			if d.Recv == nil || exportedReceiver(d.Recv.List[0].Type) {
				note(d.Name, d.Doc != nil || below || d.Recv != nil && slices.Contains(understood, d.Name.Name))
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					note(s.Name, s.Doc != nil || d.Doc != nil)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						note(name, s.Doc != nil || s.Comment != nil || d.Doc != nil)
					}
				}
			}
		}
	}
	return seen, bare
}

// understood are methods that mean the same everywhere.
var understood = []string{"Error", "Unwrap", "String"}

func exportedReceiver(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.StarExpr:
		return exportedReceiver(x.X)
	case *ast.IndexExpr:
		return exportedReceiver(x.X)
	case *ast.Ident:
		return x.IsExported()
	}
	return false
}

// TestDocumentedFindsFaults: a rule that can't fail guards nothing.
func TestDocumentedFindsFaults(t *testing.T) {
	const source = "package p\n// A is one.\ntype A int\ntype B int\nfunc (A) C() {}\nfunc (b) D() {}\n\n// H and I go.\nfunc H() {}\nfunc I() {}\n\n\n// two\nconst (\nE = 1\n)\nvar F int\nvar G int // three\n"
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "p.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	n, bare := undocumented(set, file)
	for _, found := range bare {
		names += found.what
	}
	if n != 8 || names != "BCF" {
		t.Errorf("%d exported, without a comment %q", n, names)
	}
}
