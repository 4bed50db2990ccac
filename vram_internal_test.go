package qwenvk

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

// What a model takes of the device's memory is what is printed of it: weights, cache and scratch, and 3 % for the rounding of
// allocations.
func TestMemoryIsAsPrinted(t *testing.T) {
	r, err := Open(Options{Device: os.Getenv("QWENVK_TEST_DEVICE"), CacheDir: t.TempDir()})
	if errors.Is(err, ErrNoLoader) || errors.Is(err, ErrNoDevice) {
		if os.Getenv("CI") != "" || os.Getenv("QWENVK_TEST_DEVICE") != "" {
			t.Fatalf("no Vulkan device: %v", err)
		}
		t.Skipf("this test needs a Vulkan device: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, test := range []struct {
		shape   string
		kind    quant.Type
		context int
	}{{"bench-s", quant.Q4_0, 4096}, {"bench-s", quant.F16, 512}, {"bench-moe", quant.Q4_0, 1024}} {
		if testing.Short() && test.context < 4096 {
			continue
		}
		c, err := loader.Random(test.shape, func(string, loader.Config, string, int, int) quant.Type { return test.kind })
		if err != nil {
			t.Fatal(err)
		}
		before := r.device().Memory().Allocated
		m, err := r.LoadCheckpoint(context.Background(), c, LoadOptions{Context: test.context, WeightsOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		use := r.device().Memory()
		taken, printed := use.Allocated-before, m.Info().Memory
		sum := printed.Weights + printed.Adapters + printed.KV + printed.Scratch
		t.Logf("%s %v: %d bytes taken in %d allocations (%d used), printed %d: %.2f %%", test.shape, test.kind, taken, use.Allocations, use.Used, sum, 100*float64(taken)/float64(sum)-100)
		if float64(taken) > 1.03*float64(sum) {
			t.Errorf("%s %v: %d bytes are taken, %d are printed: %.1f %% more", test.shape, test.kind, taken, sum, 100*float64(taken)/float64(sum)-100)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
