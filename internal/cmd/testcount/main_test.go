package main

import (
	"strings"
	"testing"
)

func count(t *testing.T, lines ...string) (c *counter, printed string) {
	t.Helper()
	var out strings.Builder
	c = newCounter(&out)
	if err := c.read(strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	last := c.close()
	return c, out.String() + last
}

func TestCountsLeaves(t *testing.T) {
	c, printed := count(t,
		`{"Action":"run","Package":"p","Test":"A"}`,
		`{"Action":"run","Package":"p","Test":"A/x"}`,
		`{"Action":"run","Package":"p","Test":"A/y"}`,
		`{"Action":"pass","Package":"p","Test":"A/x"}`,
		`{"Action":"output","Package":"p","Test":"A/y","Output":"    f_test.go:3: no device: install one\n"}`,
		`{"Action":"skip","Package":"p","Test":"A/y"}`,
		`{"Action":"pass","Package":"p","Test":"A"}`,
		`{"Action":"pass","Package":"p","Elapsed":1.5}`)
	if c.passed != 1 || c.failed != 0 || c.skipped != 1 {
		t.Errorf("got %d, %d, %d, want 1 passed, 0 failed, 1 skipped", c.passed, c.failed, c.skipped)
	}
	for _, want := range []string{"ok   p (1 tests, 1.5 s)", "skipped 1: no device: install one", "1 passed, 0 failed, 1 skipped"} {
		if !strings.Contains(printed, want) {
			t.Errorf("printed\n%s\nwithout %q", printed, want)
		}
	}
}

func TestCountsFailures(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  string // printed
	}{
		{"a subtest, its parent not again", []string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"run","Package":"p","Test":"A/x"}`,
			`{"Action":"output","Package":"p","Test":"A/x","Output":"got 1, want 2\n"}`,
			`{"Action":"fail","Package":"p","Test":"A/x"}`,
			`{"Action":"fail","Package":"p","Test":"A"}`,
			`{"Action":"fail","Package":"p"}`,
		}, "got 1, want 2"},
		{"a build", []string{
			`{"ImportPath":"p","Action":"build-output","Output":"f.go:1: undefined: x\n"}`,
			`{"ImportPath":"p","Action":"build-fail"}`,
			`{"Action":"fail","Package":"p","FailedBuild":"p"}`,
		}, "undefined: x"},
		{"a process that died", []string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"output","Package":"p","Test":"A","Output":"SIGSEGV\n"}`,
			`{"Action":"fail","Package":"p"}`,
		}, "SIGSEGV"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, printed := count(t, test.lines...)
			if c.failed != 1 {
				t.Errorf("%d failed, want 1", c.failed)
			}
			if !strings.Contains(printed, test.want) {
				t.Errorf("printed\n%s\nwithout %q", printed, test.want)
			}
		})
	}
}

// Two runs of the same tests are counted both.
func TestCountsRuns(t *testing.T) {
	run := []string{`{"Action":"run","Package":"p","Test":"A"}`, `{"Action":"pass","Package":"p","Test":"A"}`, `{"Action":"pass","Package":"p"}`}
	lines := append(append([]string{"== one"}, run...), append([]string{"== two"}, run...)...)
	c, printed := count(t, lines...)
	if c.passed != 2 {
		t.Errorf("%d passed, want 2", c.passed)
	}
	if strings.Count(printed, "ok   p (1 tests") != 2 {
		t.Errorf("printed\n%s\nwithout a line for each run", printed)
	}
}
