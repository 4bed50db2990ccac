package vk_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// transferDevices are the ways a transfer can take.
func transferDevices(t *testing.T, run func(t *testing.T, d *vk.Device)) {
	for name, o := range map[string]vk.DeviceOptions{
		"mapped":        {},
		"staged":        {Mask: &vk.Mask{MaxTier: vk.AllTiers, ForceStaging: true}, StagingBytes: 64 << 10},
		"small staging": {Mask: &vk.Mask{MaxTier: vk.AllTiers, ForceStaging: true, MaxAllocationSize: 64 << 10}, StagingBytes: 1},
	} {
		t.Run(name, func(t *testing.T) { run(t, vktest.OpenWith(t, o)) })
	}
}

func TestTransfers(t *testing.T) {
	transferDevices(t, func(t *testing.T, d *vk.Device) {
		r := rand.New(rand.NewPCG(1, 2))
		b := buffer(t, d, "b", 60000, vk.DeviceLocal)
		want := make([]byte, b.Size())
		if err := d.UploadBytes(background, b.Whole(), want); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			off := uint64(r.IntN(30000))
			data := make([]byte, 1+r.IntN(30000))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			copy(want[off:], data)
			if err := d.UploadBytes(background, b.Range(off, uint64(len(data))), data); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 1+r.IntN(30000))
			off = uint64(r.IntN(30000))
			if err := d.Download(background, got, b.Range(off, uint64(len(got)))); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want[off:off+uint64(len(got))]) {
				t.Fatal("what came back is not what was sent")
			}
		}
		d.FreeStaging()
		if use := d.Memory(); use.Buffers != 1 {
			t.Errorf("after FreeStaging: %+v", use)
		}
		got := make([]byte, len(want)) // the ring comes back
		if err := d.Download(background, got, b.Whole()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("after FreeStaging: %v", err)
		}
	})
}

// TestUploadPieces checks what src is promised.
func TestUploadPieces(t *testing.T) {
	transferDevices(t, func(t *testing.T, d *vk.Device) {
		b := buffer(t, d, "b", 60001, vk.DeviceLocal)
		next := uint64(0)
		err := d.Upload(background, b.Range(1, 60000), func(p []byte, off uint64) error {
			if off != next || len(p) == 0 || off+uint64(len(p)) < 60000 && len(p)%256 != 0 {
				t.Errorf("piece of %d bytes at %d, expected one at %d", len(p), off, next)
			}
			next = off + uint64(len(p))
			return nil
		})
		if err != nil || next != 60000 {
			t.Errorf("%v after %d bytes", err, next)
		}
		boom := errors.New("boom")
		if err := d.Upload(background, b.Whole(), func([]byte, uint64) error { return boom }); !errors.Is(err, boom) {
			t.Errorf("an error of src: %v", err)
		}
		ended, cancel := context.WithCancel(background)
		cancel()
		if err := d.UploadBytes(ended, b.Whole(), make([]byte, 60001)); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		if err := d.UploadBytes(background, b.Range(1, 5), make([]byte, 4)); err == nil {
			t.Error("upload of the wrong size: no error")
		}
		if err := d.Download(background, make([]byte, 4), b.Range(60000, 4)); err == nil {
			t.Error("download behind the end: no error")
		}
	})
}

// TestConcurrentUploads shares one small ring among many goroutines.
func TestConcurrentUploads(t *testing.T) {
	transferDevices(t, func(t *testing.T, d *vk.Device) {
		var wg sync.WaitGroup
		for g := range 6 {
			b := buffer(t, d, "b", 50000, vk.DeviceLocal)
			wg.Go(func() {
				data := bytes.Repeat([]byte{byte(g + 1)}, 50000)
				got := make([]byte, len(data))
				for range 3 {
					if err := d.UploadBytes(background, b.Whole(), data); err != nil {
						t.Error(err)
					}
					if err := d.Download(background, got, b.Whole()); err != nil || !bytes.Equal(got, data) {
						t.Errorf("goroutine %d: %v", g, err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestStagingBound: uploads of any size take no more than the ring.
func TestStagingBound(t *testing.T) {
	d := vktest.OpenWith(t, vk.DeviceOptions{Mask: &vk.Mask{MaxTier: vk.AllTiers, ForceStaging: true}, StagingBytes: 1 << 20})
	b := buffer(t, d, "b", 40<<20, vk.DeviceLocal)
	if b.Bytes() != nil {
		t.Error("ForceStaging shows a mapping")
	}
	before := d.Memory()
	if err := d.Upload(background, b.Whole(), func(p []byte, _ uint64) error { clear(p); return nil }); err != nil {
		t.Fatal(err)
	}
	if took := d.Memory().Used - before.Used; took > 1<<20 {
		t.Errorf("the ring took %d bytes, want at most %d", took, 1<<20)
	}
	d.FreeStaging()
	if after := d.Memory(); after.Used != before.Used {
		t.Errorf("after FreeStaging %+v, before %+v", after, before)
	}
}
