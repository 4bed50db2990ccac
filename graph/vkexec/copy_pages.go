package vkexec

import (
	"context"
	"fmt"

	"github.com/qwenvk/qwenvk/vk"
)

// PageCopy copies a KV page onto another one.
type PageCopy struct{ From, To uint32 }

// pageRanges are the places of a page in all layers, keys and values.
func (c *kvCache) pageRanges(page uint32, bytes uint64) (ranges []vk.Range) {
	for _, shards := range c.layers {
		s := shards[int(page)/c.pagesPerShard]
		at := uint64(int(page)-s.first) * bytes
		for _, half := range []vk.Range{s.k, s.v} {
			ranges = append(ranges, vk.Range{Buffer: s.buffer, Offset: half.Offset + at, Size: bytes})
		}
	}
	return ranges
}

// CopyPages copies keys and values of whole pages, in all layers, in one submission. No page is written twice, or written
// and read.
func (e *Executor) CopyPages(ctx context.Context, copies []PageCopy) error {
	if len(copies) == 0 {
		return nil
	}
	read, written := map[uint32]bool{}, map[uint32]bool{}
	bytes := kvPageBytes(e.model.KV, e.kv.kind)
	rec := e.dev.NewRecorder()
	for _, c := range copies {
		if int(c.From) >= e.kv.pages || int(c.To) >= e.kv.pages || written[c.To] || written[c.From] || read[c.To] || c.From == c.To {
			return fmt.Errorf("BUG: vkexec: copies %v of %d pages", copies, e.kv.pages)
		}
		read[c.From], written[c.To] = true, true
		from, to := e.kv.pageRanges(c.From, bytes), e.kv.pageRanges(c.To, bytes)
		for i := range from {
			rec.Copy(to[i], from[i])
		}
	}
	commands, err := rec.Finish(fmt.Sprintf("copy of %d pages", len(copies)))
	if err != nil {
		return err
	}
	defer commands.Close()
	if err := e.dev.Run(ctx, commands); err != nil {
		return err
	}
	e.stats.Submits++
	return nil
}
