package vkexec

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
)

// TestCopyPages: after copies every page of every layer holds what it should, in each type of cache and where pages lie in
// several buffers.
func TestCopyPages(t *testing.T) {
	ctx := context.Background()
	masks := map[string]vk.Mask{"whole": unmasked, "shards": {MaxTier: vk.AllTiers, MaxStorageBufferRange: 64 << 10}}
	for _, kind := range KVTypes() {
		for name, mask := range masks {
			e := tiny(t, "qwen3-dense-tied", mask, Options{Context: 1344, KV: kind})
			if name == "shards" && e.kv.shards() < 2 {
				t.Fatalf("%s: %d shards", kind, e.kv.shards())
			}
			size := kvPageBytes(e.model.KV, e.kv.kind)
			rng := rand.New(rand.NewPCG(51, 52))
			want := make([][][]byte, e.Pages()) // by page, then layer and half
			for page := range want {
				for _, r := range e.kv.pageRanges(uint32(page), size) {
					b := make([]byte, size)
					for i := 0; i < len(b); i += 4 {
						binary.LittleEndian.PutUint32(b[i:], rng.Uint32())
					}
					if err := e.dev.UploadBytes(ctx, r, b); err != nil {
						t.Fatal(err)
					}
					want[page] = append(want[page], b)
				}
			}
			last := uint32(e.Pages() - 1)
			if err := e.CopyPages(ctx, []PageCopy{{From: 0, To: last}, {From: 0, To: 3}, {From: last - 1, To: 1}}); err != nil {
				t.Fatal(err)
			}
			want[last], want[3], want[1] = want[0], want[0], want[last-1]
			for page := range want {
				for i, r := range e.kv.pageRanges(uint32(page), size) {
					got := make([]byte, size)
					if err := e.dev.Download(ctx, got, r); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got, want[page][i]) {
						t.Fatalf("%s, %s: page %d, layer %d, half %d differs", kind, name, page, i/2, i%2)
					}
				}
			}
			for _, bad := range [][]PageCopy{{{0, last + 1}}, {{last + 1, 0}}, {{2, 2}}, {{0, 1}, {1, 2}}, {{0, 2}, {1, 2}}, {{1, 2}, {0, 1}}} {
				if e.CopyPages(ctx, bad) == nil {
					t.Errorf("the copies %v were taken", bad)
				}
			}
		}
	}
}
