package vkexec

import (
	"context"
	"encoding/binary"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// codebookBytes is what the codebooks of the layouts of g take on the device.
func codebookBytes(g *graph.Graph) uint64 {
	seen := map[quant.LayoutKind]bool{}
	var n uint64
	for _, p := range g.Packs() {
		if l := p.Layout(); !seen[l.Kind] {
			seen[l.Kind] = true
			n += uint64(4 * len(l.Codebook()))
		}
	}
	return n
}

// codebook gives all shards of a matrix the codebook of its layout, if that has one: the first matrix of a layout brings
// it to the device, all others share it.
func (u *uploader) codebook(ctx context.Context, w *weights, m *matrix) error {
	words := m.layout.Codebook()
	if words == nil {
		return nil
	}
	book := w.books[m.layout.Kind]
	if book == nil {
		data := make([]byte, 0, 4*len(words))
		for _, word := range words {
			data = binary.LittleEndian.AppendUint32(data, word)
		}
		var err error
		if book, err = u.dev.NewBuffer("codebook "+m.layout.Name(), uint64(len(data)), vk.DeviceLocal); err != nil {
			return err
		}
		w.books[m.layout.Kind] = book
		w.bytes += uint64(len(data))
		if err := u.dev.UploadBytes(ctx, book.Whole(), data); err != nil {
			return err
		}
	}
	for i := range m.shards {
		m.shards[i].book = book.Whole()
	}
	return nil
}
