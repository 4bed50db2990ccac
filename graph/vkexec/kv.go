package vkexec

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// PageTokens is the number of tokens of one KV page.
const PageTokens = shaders.PageTokens

// KVType is the element type of the KV cache: "f16", "f32", "q8_0" or "q4_0" (see quant.CacheRounding).
type KVType string

// KVTypes are all of them.
func KVTypes() []KVType { return []KVType{"f16", "f32", "q8_0", "q4_0"} }

// kvCache is the paged cache of all layers. Page p of a layer lies in shard p/pagesPerShard; a shard is as many
// pages as one binding of the device may cover.
type kvCache struct {
	kind          KVType
	pages         int
	pagesPerShard int
	layers        [][]kvShard
}

// kvShard holds pages [first, first+pages) of one layer, keys and values apart.
type kvShard struct {
	first, pages int
	buffer       *vk.Buffer
	k, v         vk.Range
}

// kvPageBytes is the size of one page of keys (or of values) of one layer.
func kvPageBytes(s graph.KVShape, t KVType) uint64 {
	return uint64(s.Heads) * shaders.PageTokens * uint64(quant.CacheRowBytes(string(t), s.HeadDim))
}

// KVTokenBytes is what one token takes in the caches of all layers.
func KVTokenBytes(s graph.KVShape, t KVType) uint64 {
	return 2 * uint64(s.Layers) * kvPageBytes(s, t) / shaders.PageTokens
}

// KVBytes is the device memory that the cache of the given number of tokens takes.
func KVBytes(s graph.KVShape, t KVType, tokens int) uint64 {
	pages := uint64(tokens+shaders.PageTokens-1) / shaders.PageTokens
	return 2 * uint64(s.Layers) * pages * kvPageBytes(s, t)
}

func newKVCache(dev *vk.Device, s graph.KVShape, t KVType, pages int) (*kvCache, error) {
	pageBytes := kvPageBytes(s, t)
	limit := min(dev.Caps().MaxStorageBufferRange, dev.Caps().MaxBufferSize/2, dev.Caps().MaxAllocationSize/2)
	perShard := int(min(limit/pageBytes, uint64(pages)))
	if perShard == 0 {
		return nil, fmt.Errorf("vkexec: a KV page of %d bytes is larger than the %d bytes that this device lets a shader see", pageBytes, limit)
	}
	c := &kvCache{kind: t, pages: pages, pagesPerShard: perShard}
	var sizes []uint64
	for range s.Layers {
		for first := 0; first < pages; first += perShard {
			sizes = append(sizes, 2*alignUp(uint64(min(perShard, pages-first))*pageBytes, graph.ArenaAlign))
		}
	}
	defer dev.Expect(vk.DeviceLocal, sizes)()
	for l := range s.Layers {
		var shards []kvShard
		for first := 0; first < pages; first += perShard {
			n := min(perShard, pages-first)
			half := alignUp(uint64(n)*pageBytes, graph.ArenaAlign)
			buf, err := dev.NewBuffer(fmt.Sprintf("kv %d.%d", l, len(shards)), 2*half, vk.DeviceLocal)
			if err != nil {
				c.close()
				return nil, err
			}
			size := uint64(n) * pageBytes
			shards = append(shards, kvShard{
				first: first, pages: n, buffer: buf,
				k: vk.Range{Buffer: buf, Offset: 0, Size: size},
				v: vk.Range{Buffer: buf, Offset: half, Size: size},
			})
			if len(c.layers) <= l {
				c.layers = append(c.layers, nil)
			}
			c.layers[l] = shards
		}
	}
	return c, nil
}

func (c *kvCache) shards() int { return (c.pages + c.pagesPerShard - 1) / c.pagesPerShard }

func (c *kvCache) close() {
	for _, shards := range c.layers {
		for _, s := range shards {
			s.buffer.Close()
		}
	}
	c.layers = nil
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) / to * to }
