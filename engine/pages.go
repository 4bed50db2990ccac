package engine

import "github.com/qwenvk/qwenvk/graph/vkexec"

// pagePool gives KV pages out. Sequences with a common beginning may hold the same pages; a page is free again when its
// last holder lets go.
type pagePool struct {
	free    []uint32
	holders []int // by page
}

func newPagePool(pages int) pagePool {
	p := pagePool{holders: make([]int, pages)}
	for page := pages - 1; page >= 0; page-- {
		p.free = append(p.free, uint32(page))
	}
	return p
}

// take gives out a page to one holder. There must be a free one.
func (p *pagePool) take() uint32 {
	last := len(p.free) - 1
	page := p.free[last]
	p.free = p.free[:last]
	p.holders[page] = 1
	return page
}

// share adds a holder to each page.
func (p *pagePool) share(pages []uint32) {
	for _, page := range pages {
		p.holders[page]++
	}
}

// release takes a holder away from each page.
func (p *pagePool) release(pages []uint32) {
	for _, page := range pages {
		if p.holders[page]--; p.holders[page] == 0 {
			p.free = append(p.free, page)
		}
	}
}

// shared reports whether the page has holders beside the asking one, who must not write to it then.
func (p *pagePool) shared(page uint32) bool { return p.holders[page] > 1 }

// pagesFor is the number of pages that hold so many tokens.
func pagesFor(tokens int) int { return (tokens + vkexec.PageTokens - 1) / vkexec.PageTokens }
