package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	system "runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk"
)

var leakRounds = flag.Int("rounds", 25, "rounds of TestLeak; 100 and more hold the memory to 2 %")

// built is the library, made once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "clib")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("../scripts/build_clib.sh", dir).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return dir, err
})

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if dir, err := built(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

const demoFile = "../demo/qwenvk-demo-Q8_0.gguf"

func library(t *testing.T) string {
	t.Helper()
	if system.GOOS != "linux" {
		t.Skip("the C library is built and used on Linux only here")
	}
	if testing.Short() && os.Getenv("CI") == "" {
		t.Skip("short tests without CI do not build the C library")
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// needDevice skips where there is no Vulkan device and none was promised.
func needDevice(t *testing.T) {
	t.Helper()
	if _, err := qwenvk.ListDevices(qwenvk.Options{}); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("this test needs a Vulkan device: %v", err)
	}
}

// compile builds a program of C, or C++, against the library.
func compile(t *testing.T, dir, source string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	compiler, standard := "gcc", "-std=c99"
	if strings.HasSuffix(source, ".cc") {
		compiler, standard = "g++", "-std=c++11"
		if _, err := exec.LookPath(compiler); err != nil {
			t.Skip("there is no C++ compiler")
		}
	}
	args := []string{standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-I" + dir, source, "-o", program}
	args = append(args, flags...)
	args = append(args, "-L"+dir, "-lqwenvk", "-Wl,-rpath,"+dir)
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, out)
	}
	return program
}

// output runs a program. Its pipelines come from the user's cache, as those of the root package's examples do.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", program, args, err, out, stderr.String())
	}
	if stderr.Len() > 0 {
		t.Errorf("standard error: %s", stderr.String())
	}
	return string(out)
}

const conversation = `> What is 17 + 25?
17+25=42
(9 tokens, 0 of the prompt were cached)
> Please reverse: fox bird ball
ball bird fox
(4 tokens, 18 of the prompt were cached)
`

func TestExampleC(t *testing.T) {
	dir := library(t)
	needDevice(t)
	program := compile(t, dir, "examples/chat.c")
	want := "3.9 MiB of weights are on the device\nqwen3: 4 layers, context 512\n" + conversation
	if got := output(t, program, demoFile); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if page, err := os.ReadFile("../docs/embedding.md"); err != nil || !strings.Contains(string(page), want) {
		t.Errorf("docs/embedding.md shows another output (%v)", err)
	}
	// A failure ends with the exit status that the command line has for it.
	cmd := exec.Command(program, "/no/such/model")
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 || !strings.Contains(string(said), "MODEL: /no/such/model") {
		t.Errorf("a model that is not there: %v, %s", err, said)
	}
}

func TestExamplePython(t *testing.T) {
	dir := library(t)
	needDevice(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("there is no Python")
	}
	if got := output(t, python, "examples/chat.py", filepath.Join(dir, "libqwenvk.so"), demoFile); got != conversation {
		t.Errorf("got %q, want %q", got, conversation)
	}
}

// TestAbuse uses the library in every wrong way that the header names.
func TestAbuse(t *testing.T) {
	dir := library(t)
	needDevice(t)
	got := output(t, compile(t, dir, "testdata/abuse.c", "-D_POSIX_C_SOURCE=200809L", "-lpthread"), demoFile)
	if !strings.HasSuffix(got, " 0 failures\n") {
		t.Error(got)
	}
	t.Log(got)
}

func TestException(t *testing.T) {
	dir := library(t)
	needDevice(t)
	if got := output(t, compile(t, dir, "testdata/throw.cc"), demoFile); got != "caught\n" {
		t.Error(got)
	}
}

// TestExports: the library shows what the header declares and nothing else, and the header, the version script and the library
// agree on it.
func TestExports(t *testing.T) {
	dir := library(t)
	out, err := exec.Command("nm", "-D", "--defined-only", filepath.Join(dir, "libqwenvk.so")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var exported []string
	for line := range strings.Lines(string(out)) {
		exported = append(exported, strings.Fields(line)[2])
	}
	header, err := os.ReadFile("qwenvk.h")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^QWENVK_API .*?(qwenvk_\w+)\(`).FindAllSubmatch(header, -1) {
		declared = append(declared, string(m[1]))
	}
	slices.Sort(exported)
	slices.Sort(declared)
	if !slices.Equal(exported, declared) {
		t.Errorf("the library exports\n%q\nthe header declares\n%q", exported, declared)
	}
	needed, err := exec.Command("readelf", "-d", filepath.Join(dir, "libqwenvk.so")).Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(needed), "vulkan") {
		t.Errorf("the library is linked with Vulkan's loader, which machines may not have:\n%s", needed)
	}
}

// TestLeak opens, loads, asks and closes in rounds. Each round's end says that no Vulkan object is left. The growth of the
// resident memory is held to 2 % of that after a fifth of the rounds, less what bare devices grow by, in runs long enough for it; the
// short one finds what leaks half a MiB and more in each round.
// The C library keeps one arena: what it has in those of the threads of drivers comes and goes by more than that.
func TestLeak(t *testing.T) {
	dir := library(t)
	needDevice(t)
	program := compile(t, dir, "testdata/leak.c", "-D_DEFAULT_SOURCE", "-ldl")
	t.Setenv("MALLOC_ARENA_MAX", "1")
	measure := func(args ...string) (early, late int) {
		args = append(args, fmt.Sprint(*leakRounds))
		if _, err := fmt.Sscan(output(t, program, args...), &early, &late); err != nil {
			t.Fatal(err)
		}
		return early, late
	}
	early, late := measure("load", demoFile)
	growth, limit := late-early, 0.15 // the first rounds have not filled every cache yet
	if *leakRounds >= 100 {
		bareEarly, bareLate := measure("device")
		t.Logf("bare devices %d to %d KiB", bareEarly, bareLate)
		growth, limit = growth-max(0, bareLate-bareEarly), 0.02
	}
	share := float64(growth) / float64(early)
	t.Logf("%d rounds: %d to %d KiB, growth %.2f %%", *leakRounds, early, late, 100*share)
	if share > limit {
		t.Errorf("the memory grew by %.2f %%, accept %.0f %%", 100*share, 100*limit)
	}
}

// TestStatus: errors keep their meaning on the way to C, and a panic of ours is one of them.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "OK"},
		{io.ErrUnexpectedEOF, "FAILED"},
		{fmt.Errorf("x: %w", qwenvk.ErrNoDevice), "NO_DEVICE"},
		{qwenvk.ErrNoLoader, "NO_DEVICE"},
		{qwenvk.ErrUnsupportedModel, "MODEL"},
		{qwenvk.ErrOutOfMemory, "MEMORY"},
		{qwenvk.ErrDeviceLost, "DEVICE_LOST"},
		{qwenvk.ErrContextFull, "CONTEXT_FULL"},
		{qwenvk.ErrClosed, "CLOSED"},
		{qwenvk.ErrBusy, "BUSY"},
		{qwenvk.ErrNoSlot, "BUSY"},
		{guard(func() error { panic("a fault") }), "INTERNAL"},
		{guard(func() error { return errors.New([]string{}[len(os.Args[:0])]) }), "INTERNAL"},
		{guard(func() error { return errHandle }), "HANDLE"},
	} {
		if got := statusName(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

// TestJobPanic: a panic in a job's goroutine ends the job, not the process.
func TestJobPanic(t *testing.T) {
	j := begin(nil, nil, func(*job) error { panic("a fault") })
	<-j.ended
	if got := statusName(j.err); got != "INTERNAL" {
		t.Errorf("%v: %s", j.err, got)
	}
}

// TestHandles: generations end, and a place whose generations are used up is not given out again.
func TestHandles(t *testing.T) {
	var h handles
	a := h.add(kindModel, "a")
	if _, err := h.take(a, kindModel); err != nil {
		t.Fatal(err)
	}
	b := h.add(kindChat, "b")
	if uint32(a) != uint32(b) || a == b {
		t.Errorf("%#x and %#x", a, b)
	}
	h.slots[0].generation = lastGeneration
	last := uint64(kindChat)<<56 | lastGeneration<<32
	if _, err := h.take(last, kindChat); err != nil {
		t.Fatal(err)
	}
	if c := h.add(kindChat, "c"); uint32(c) == uint32(a) {
		t.Errorf("%#x is given out again", c)
	}
	if _, err := h.take(last, kindChat); !errors.Is(err, errHandle) {
		t.Errorf("closed twice: %v", err)
	}
}
