// Command testcount reads what `go test -json` prints and makes it short: one line per package, the output of failing
// tests whole, skipped tests with their reason, and the counts as the last line.
//
//	{ echo "== lavapipe"; go test -json ./...; } | testcount
//	...
//	1234 passed, 0 failed, 5 skipped
//
// Lines that are not JSON go through as they are; one that begins with "== " starts another run. A test with subtests is not
// counted itself, unless it failed and none of them did. The exit status is 1 when something failed, did not build or
// nothing ran at all.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json` and `go help buildjson`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

// testName names a test within one run.
type testName struct{ pkg, test string }

// counter holds what is known of the run so far. Output is kept per test until the test's fate is known.
type counter struct {
	out                     io.Writer
	passed, failed, skipped int

	output  map[testName][]string
	parents map[testName]bool // has subtests
	failing map[testName]bool // failed, or has a subtest that did
	perPkg  map[string]int    // tests that ran
	reasons map[string]int    // why tests were skipped
}

func main() {
	save := flag.String("save", "", "write the last line to this `file` as well")
	flag.Parse()
	c := newCounter(os.Stdout)
	if err := c.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
		os.Exit(1)
	}
	line := c.close()
	fmt.Println(line)
	if *save != "" {
		if err := os.WriteFile(*save, []byte(line+"\n"), 0o666); err != nil {
			fmt.Fprintln(os.Stderr, "testcount:", err)
			os.Exit(1)
		}
	}
	if c.failed > 0 || c.passed == 0 {
		os.Exit(1)
	}
}

func newCounter(out io.Writer) *counter {
	c := &counter{out: out, reasons: map[string]int{}}
	c.reset()
	return c
}

// reset forgets the tests of one run; another run may have tests of the same names.
func (c *counter) reset() {
	c.output = map[testName][]string{}
	c.parents = map[testName]bool{}
	c.failing = map[testName]bool{}
	c.perPkg = map[string]int{}
}

func (c *counter) read(r io.Reader) error {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				c.add(e)
			} else {
				if strings.HasPrefix(line, "== ") {
					c.reset()
				}
				fmt.Fprintln(c.out, strings.TrimSuffix(line, "\n"))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *counter) add(e event) {
	name := testName{e.Package, e.Test}
	switch e.Action {
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			c.parents[testName{e.Package, e.Test[:i]}] = true
		}
	case "output":
		if !noise(e.Output) {
			c.output[name] = append(c.output[name], e.Output)
		}
	case "build-output":
		fmt.Fprint(c.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			c.test(name, e.Action)
		} else {
			c.pkg(e)
		}
	}
}

// noise reports the test runner's lines about a test's progress.
func noise(line string) bool {
	for _, word := range []string{"RUN", "PAUSE", "CONT", "NAME"} {
		if strings.HasPrefix(line, "=== "+word+" ") {
			return true
		}
	}
	return false
}

// test counts the end of one test.
func (c *counter) test(name testName, action string) {
	switch {
	case action == "fail":
		if i := strings.LastIndexByte(name.test, '/'); i >= 0 {
			c.failing[testName{name.pkg, name.test[:i]}] = true
		}
		if !c.failing[name] {
			c.failed++
			c.perPkg[name.pkg]++
		}
		c.failing[name] = true
		fmt.Fprint(c.out, strings.Join(c.output[name], ""))
	case c.parents[name]:
	case action == "skip":
		c.skipped++
		c.reasons[reason(c.output[name])]++
	default:
		c.passed++
		c.perPkg[name.pkg]++
	}
	delete(c.output, name)
}

// pkg reports the end of a package. A package may fail without a failing test: it did not build, or its process died.
func (c *counter) pkg(e event) {
	name := testName{pkg: e.Package}
	switch {
	case e.Action == "skip": // no test files
	case e.Action == "fail":
		if !c.hasFailing(e.Package) {
			c.failed++
			fmt.Fprint(c.out, strings.Join(c.unfinished(e.Package), ""), strings.Join(c.output[name], ""))
		}
		fmt.Fprintf(c.out, "FAIL %s (%.1f s)\n", e.Package, e.Elapsed)
	case c.perPkg[e.Package] > 0:
		fmt.Fprintf(c.out, "ok   %s (%d tests, %.1f s)\n", e.Package, c.perPkg[e.Package], e.Elapsed)
	}
	delete(c.output, name)
}

func (c *counter) hasFailing(pkg string) bool {
	for name := range c.failing {
		if name.pkg == pkg {
			return true
		}
	}
	return false
}

// unfinished returns the output of tests that never ended, as when the process died in one.
func (c *counter) unfinished(pkg string) []string {
	var lines []string
	for name, output := range c.output {
		if name.pkg == pkg && name.test != "" {
			lines = append(lines, output...)
		}
	}
	return lines
}

// close prints why tests were skipped and returns the last line.
func (c *counter) close() string {
	reasons := make([]string, 0, len(c.reasons))
	for text := range c.reasons {
		reasons = append(reasons, text)
	}
	sort.Strings(reasons)
	for _, text := range reasons {
		fmt.Fprintf(c.out, "skipped %d: %s\n", c.reasons[text], text)
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// reason finds the sentence that a skipped test gave: the last line that is not the test runner's own.
func reason(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		line := strings.TrimSpace(output[i])
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok { // "file_test.go:12: text"
			if _, text, ok := strings.Cut(text, ": "); ok {
				return text
			}
		}
		return line
	}
	return "no reason given"
}
