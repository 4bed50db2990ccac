package vkexec

import (
	"context"
	"fmt"

	"github.com/qwenvk/qwenvk/vk"
)

// pagePiece bounds the bytes of the cache that are on the host at a time; it is at least one page.
const pagePiece = 4 << 20

// PageBytes is the size of one page of one layer's keys, or of its values.
func (e *Executor) PageBytes() int { return int(kvPageBytes(e.model.KV, e.kv.kind)) }

// KVLayers is the number of layers with a cache.
func (e *Executor) KVLayers() int { return e.model.KV.Layers }

// KVKind is the type of the cache.
func (e *Executor) KVKind() KVType { return e.kv.kind }

// ReadPages downloads the keys and values of pages: for each layer the keys of all pages in the order of the list, then
// their values, in pieces of whole pages that emit must not keep. Nothing may be computing that writes these pages.
func (e *Executor) ReadPages(ctx context.Context, pages []uint32, emit func(piece []byte) error) error {
	var buffer []byte
	return e.eachRun(pages, func(r vk.Range) error {
		if uint64(cap(buffer)) < r.Size {
			buffer = make([]byte, r.Size)
		}
		piece := buffer[:r.Size]
		if err := e.dev.Download(ctx, piece, r); err != nil {
			return err
		}
		return emit(piece)
	})
}

// WritePages fills pages with keys and values in the order of ReadPages. fill must write all of a piece. After an error
// the pages hold something else. Nothing may be computing that reads these pages.
func (e *Executor) WritePages(ctx context.Context, pages []uint32, fill func(piece []byte) error) error {
	var buffer []byte
	return e.eachRun(pages, func(r vk.Range) error {
		if uint64(cap(buffer)) < r.Size {
			buffer = make([]byte, r.Size)
		}
		piece := buffer[:r.Size]
		if err := fill(piece); err != nil {
			return err
		}
		return e.dev.UploadBytes(ctx, r, piece)
	})
}

// FreeStaging gives the memory of transfers back.
func (e *Executor) FreeStaging() { e.dev.FreeStaging() }

// eachRun passes on the ranges that hold pages, neighbouring pages of a shard as one, none above pagePiece unless a page
// is larger.
func (e *Executor) eachRun(pages []uint32, do func(r vk.Range) error) error {
	size := kvPageBytes(e.model.KV, e.kv.kind)
	most := max(1, pagePiece/size)
	for _, p := range pages {
		if int(p) >= e.kv.pages {
			return fmt.Errorf("BUG: vkexec: page %d of a cache of %d", p, e.kv.pages)
		}
	}
	for _, shards := range e.kv.layers {
		for _, values := range []bool{false, true} {
			for i := 0; i < len(pages); {
				s := shards[int(pages[i])/e.kv.pagesPerShard]
				n := 1
				for i+n < len(pages) && uint64(n) < most && pages[i+n] == pages[i]+uint32(n) && int(pages[i+n]) < s.first+s.pages {
					n++
				}
				r := s.k
				if values {
					r = s.v
				}
				r.Offset += uint64(int(pages[i])-s.first) * size
				r.Size = uint64(n) * size
				if err := do(r); err != nil {
					return err
				}
				i += n
			}
		}
	}
	return nil
}
