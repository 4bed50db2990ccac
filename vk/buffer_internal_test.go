package vk

import (
	"context"
	"os"
	"testing"
)

// TestNonCoherent runs the flushes and invalidates that only devices without
// coherent memory need, by forgetting that this memory is coherent.
func TestNonCoherent(t *testing.T) {
	in, err := Open(Options{Validation: true})
	if err != nil {
		if in, err = Open(Options{}); err != nil {
			t.Skipf("no Vulkan device to test on: %v", err)
		}
	}
	defer func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		for _, m := range in.Messages() {
			t.Error(m)
		}
	}()
	p, err := in.Choose(os.Getenv("QWENVK_TEST_DEVICE"))
	if err != nil {
		t.Skipf("no Vulkan device to test on: %v", err)
	}
	d, err := in.NewDevice(p, DeviceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range d.caps.Types {
		d.caps.Types[i].HostCoherent = false
	}
	d.caps.NonCoherentAtom = 256
	from, err := d.NewBuffer("from", 1000, HostToDevice)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := d.NewBuffer("to", 1000, DeviceToHost)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	for i := range from.Bytes() {
		from.Bytes()[i] = byte(i)
	}
	for _, r := range []struct{ off, n uint64 }{{0, 1000}, {1, 1}, {255, 2}, {999, 1}} {
		if err := from.Flush(r.off, r.n); err != nil {
			t.Errorf("flush of %d bytes at %d: %v", r.n, r.off, err)
		}
	}
	if err := from.Flush(999, 2); err == nil {
		t.Error("flush behind the end: no error")
	}
	r := d.NewRecorder()
	r.Copy(to.Whole(), from.Whole())
	r.Barriers([]Barrier{{TransferWrite, HostRead, to.Whole()}})
	c, err := r.Finish("copy")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(c.hostReads) != 1 {
		t.Errorf("%d ranges to invalidate, want 1", len(c.hostReads))
	}
	if err := d.Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	for i, got := range to.Bytes() {
		if got != byte(i) {
			t.Fatalf("byte %d is %d", i, got)
		}
	}
}
