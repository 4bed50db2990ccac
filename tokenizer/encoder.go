package tokenizer

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"sync"
)

// encoder is what one Encode works with: scratch for merging and a cache of words. Only
// one goroutine has it at a time.
type encoder struct {
	t     *Tokenizer
	out   []int32
	merge merger
	cache wordCache
}

// text encodes normalised text without added tokens.
func (e *encoder) text(s string) error {
	return e.t.split.words(s, e.word)
}

// word appends the ids of one word.
func (e *encoder) word(w string) error {
	t := e.t
	if len(w) == 1 && t.bytes[w[0]] >= 0 {
		e.out = append(e.out, t.bytes[w[0]])
		return nil
	}
	place := e.cache.place(w)
	if place != nil && place.word == w {
		e.out = append(e.out, place.ids...)
		return nil
	}
	start := len(e.out)
	if err := e.newWord(w); err != nil {
		return err
	}
	if place != nil {
		place.word = strings.Clone(w) // w would keep the whole text alive
		place.ids = append([]int32(nil), e.out[start:]...)
	}
	return nil
}

func (e *encoder) newWord(w string) error {
	t := e.t
	if t.wholeWords {
		if id, ok := t.ids[w]; ok {
			e.out = append(e.out, id)
			return nil
		}
	}
	ids := e.merge.ids[:0]
	for i := range len(w) {
		id := t.bytes[w[i]]
		if id < 0 {
			return fmt.Errorf("tokenizer: the vocabulary has no token for byte 0x%02x, so %q cannot be encoded", w[i], w)
		}
		ids = append(ids, id)
	}
	e.merge.ids = ids
	e.merge.merge(&t.merges)
	e.out = append(e.out, e.merge.ids...)
	return nil
}

const (
	cacheWords   = 1 << 14 // words in one cache: about 2 MB when full
	cacheLongest = 64      // longer words come back too seldom
)

// wordCache remembers the ids of words. Each word has one place; a newcomer takes it over,
// so the cache never grows and needs no sweeping.
type wordCache struct {
	seed  maphash.Seed
	words []cachedWord
}

type cachedWord struct {
	word string
	ids  []int32
}

func newWordCache() wordCache {
	return wordCache{seed: maphash.MakeSeed(), words: make([]cachedWord, cacheWords)}
}

// place returns where w is or will be, nil when it is not worth remembering.
func (c *wordCache) place(w string) *cachedWord {
	if len(w) > cacheLongest {
		return nil
	}
	return &c.words[maphash.String(c.seed, w)%cacheWords]
}

// encoderPool keeps idle encoders with their warm caches, at most one for each processor.
// A sync.Pool would lose them at every garbage collection.
type encoderPool struct {
	mu   sync.Mutex
	idle []*encoder
}

func (p *encoderPool) take(t *Tokenizer) *encoder {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		e := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return e
	}
	return &encoder{t: t, cache: newWordCache()}
}

// scratchLimit is the word length beyond which an encoder's scratch is not worth keeping.
const scratchLimit = 1 << 16

func (p *encoderPool) put(e *encoder) {
	if cap(e.merge.ids) > scratchLimit {
		e.merge = merger{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < runtime.GOMAXPROCS(0) {
		p.idle = append(p.idle, e)
	}
}
