package qwenvk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/vk"
)

var rounds = flag.Int("rounds", 10, "rounds of TestRounds; 100 and more hold the memory to 2 %")

// TestRounds loads, answers and closes in rounds: each leaves no Vulkan object and no goroutine, and the resident memory of
// the process grows by no more than 2 % between a fifth of the rounds and all of them, less what devices grow by that are only opened and
// closed. Few rounds are too short for that measure: the garbage collector has not found its pace then. glibc gives threads arenas
// of their own, in which the driver's compiler leaves free memory scattered; the test runs in a process of its own with one arena.
func TestRounds(t *testing.T) {
	if testing.Short() {
		t.Skip("the same on every driver; left to the full tests")
	}
	const arenas = "MALLOC_ARENA_MAX"
	if os.Getenv(arenas) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestRounds$", "-test.v", fmt.Sprint("-rounds=", *rounds), "-test.timeout=2h")
		c.Env = append(os.Environ(), arenas+"=1")
		out, err := c.CombinedOutput()
		if t.Logf("%s", out); err != nil {
			t.Fail()
		}
		return
	}
	cache := t.TempDir()
	rt, err := openOrSkip(t, Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	device := rt.Device().UUID
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	measure := func(round func()) (early, late int64) {
		// The least of the last rounds: what threads leave behind is freed a little later.
		for i := range *rounds {
			round()
			switch n := i + 1; {
			case n <= max(1, *rounds/5):
				early = least(early, settled(t), n > max(1, *rounds/5)-5)
			case n > *rounds-5:
				late = least(late, settled(t), true)
			}
		}
		return early, late
	}
	bareEarly, bareLate := measure(func() {
		in, err := vk.Open(vk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := in.Choose(device)
		if err != nil {
			t.Fatal(err)
		}
		d, err := in.NewDevice(p, vk.DeviceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Close(), in.Close()); err != nil {
			t.Fatal(err)
		}
	})
	early, late := measure(func() {
		rt, err := Open(Options{CacheDir: cache, Device: device})
		if err != nil {
			t.Fatal(err)
		}
		m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Context: 128})
		if err != nil {
			t.Fatal(err)
		}
		c := greedyChat(t, m)
		if text, err := ask(c, "What is 17 + 25?"); err != nil || !strings.Contains(text, "42") {
			t.Fatalf("%q, %v", text, err)
		}
		if err := errors.Join(c.Close(), m.Close()); err != nil {
			t.Fatal(err)
		}
		if left := rt.device().Memory(); left.Allocations != 0 || left.Buffers != 0 || rt.device().Live() != 0 {
			t.Fatalf("left: %+v, %d objects", left, rt.device().Live())
		}
		if err := rt.Close(); err != nil {
			t.Fatal(err)
		}
	})
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before:\n%s", n, goroutines, stacks[:runtime.Stack(stacks, true)])
	}
	growth := float64(late-early-max(0, bareLate-bareEarly)) / float64(early)
	t.Logf("%d rounds: %d to %d KiB, bare devices %d to %d KiB: growth %.2f %%", *rounds, early>>10, late>>10, bareEarly>>10, bareLate>>10, 100*growth)
	limit := 0.02
	if *rounds < 100 {
		limit = 0.25
	}
	if growth > limit {
		t.Errorf("the memory grew by %.2f %%, accept %.0f %%", 100*growth, 100*limit)
	}
}

// settled is the process's resident memory once the garbage collector is through.
func settled(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	return testkit.ResidentBytes(t)
}

// least is the lesser of old, unless it is 0, and now, where now counts.
func least(old, now int64, counts bool) int64 {
	if !counts || old > 0 && old < now {
		return old
	}
	return now
}
