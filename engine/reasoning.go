package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Reasoning describes the block in which a model thinks at the beginning of an answer. The engine counts its tokens, ends
// it when they are used up, and leaves a constraint out of it.
type Reasoning struct {
	Open, Close string // the tags round the block; both must be given
	Inside      bool   // the prompt ends inside the block
	Likely      bool   // the model may open it: a constraint then leaves it the tag

	// Budget is the number of tokens that the block may have, those of the opening tag not counted; nil: no limit. When they
	// are used up the tokens of End follow as if the model had chosen them; with a Budget of 0 those of Empty. Both must
	// close the block.
	Budget     *int
	End, Empty []int32

	// Gap stands between the block and an answer under a constraint, which begins behind it.
	Gap []int32
}

// blockState says where in the block an answer is.
type blockState uint8

const (
	blockAhead blockState = iota // nothing but white space, or the beginning of the opening tag
	blockOpen
	blockBehind // it was closed
	blockNone   // the answer began without it
)

// block follows an answer through its reasoning.
type block struct {
	o      *Reasoning
	state  blockState
	begin  strings.Builder // of the answer, until it is known how it begins
	tail   string          // of the reasoning: what may be the beginning of the closing tag
	tokens int             // of the answer that belong to the block, its tags included
	used   int             // of those, between the tags
	ended  bool            // the engine put its end, or the gap behind it, there
}

func newBlock(o *Reasoning) *block {
	switch {
	case o == nil || o.Open == "" || o.Close == "":
		return &block{state: blockNone}
	case o.Inside:
		return &block{o: o, state: blockOpen}
	}
	return &block{o: o}
}

// push takes the text of the next token and reports whether the token belongs to the block. Tokens ahead of it count as
// its own until the answer begins without one.
func (b *block) push(piece string) (inside bool) {
	switch b.state {
	case blockAhead:
		b.tokens++
		b.begin.WriteString(piece)
		begin := strings.TrimLeft(b.begin.String(), " \t\r\n")
		switch {
		case strings.HasPrefix(begin, b.o.Open):
			b.state = blockOpen
			b.close(begin[len(b.o.Open):])
			return true
		case !strings.HasPrefix(b.o.Open, begin):
			b.state, b.tokens = blockNone, 0
		}
		return false
	case blockOpen:
		b.tokens++
		b.used++
		b.close(piece)
		return true
	}
	return false
}

// close looks for the closing tag, which may be cut anywhere.
func (b *block) close(piece string) {
	b.tail += piece
	if strings.Contains(b.tail, b.o.Close) {
		b.state = blockBehind
		return
	}
	b.tail = b.tail[max(0, len(b.tail)-len(b.o.Close)+1):]
}

// reasoning is the number of the answer's tokens that belong to the block.
func (b *block) reasoning() int {
	if b.state == blockAhead {
		return 0 // the answer ended before it had begun
	}
	return b.tokens
}

// end returns the tokens that end the block, if that is due.
func (b *block) end() []int32 {
	if b.state != blockOpen || b.ended || b.o.Budget == nil || b.used < *b.o.Budget {
		return nil
	}
	b.ended = true
	if b.used == 0 && len(b.o.Empty) > 0 {
		return b.o.Empty
	}
	return b.o.End
}

// forced returns the tokens that follow by rule and not by choice: the end of a block that has used its budget, or the gap
// before an answer under a constraint.
func (g *generation) forced() []int32 {
	b := g.block
	if end := b.end(); end != nil {
		return end
	}
	if b.state == blockOpen && !b.ended && g.o.Constraint != nil && g.limit-len(g.s.result.IDs) <= g.need() {
		b.ended = true
		return b.o.End
	}
	if b.state == blockBehind && !b.ended && g.o.Constraint != nil {
		b.ended = true
		return b.o.Gap
	}
	return nil
}

// follow passes forced tokens on as if they had been chosen, and returns those that the answer had room for.
func (g *generation) follow(ids []int32, yield func(Token, error) bool) (taken []int32, over bool) {
	for _, id := range ids {
		if len(g.s.result.IDs) >= g.limit {
			break
		}
		taken = append(taken, id)
		if g.emit(id, yield) {
			return taken, true
		}
	}
	return taken, false
}

// feedForced feeds ids, the last one chosen and those that were forced behind it, and chooses the next.
func (g *generation) feedForced(ctx context.Context, ids []int32) (int32, error) {
	s := g.s
	want := append(slices.Clone(s.cached), ids...)
	if err := s.e.lock(ctx); err != nil {
		return 0, err
	}
	defer s.e.mu.Unlock()
	h := g.history(vkexec.CountAndPenalise)
	switch {
	case h == vkexec.NoHistory:
	case len(s.result.IDs)-g.counted == len(ids):
		g.counted = len(s.result.IDs)
	default: // behind a guess more are to be counted than are fed
		h = vkexec.Penalise
		if err := g.setHistory(ctx); err != nil {
			return 0, err
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		rest := want[len(s.cached):]
		if n := s.rows(vkexec.TailNone); n < len(rest) {
			if _, err := s.feed(ctx, rest[:n], vkexec.TailNone, h); err != nil {
				return 0, err
			}
			continue
		}
		r, err := s.feed(ctx, rest, g.tail(), h)
		if err != nil {
			return 0, err
		}
		s.e.lastStep = s
		return g.choose(ctx, r, 0)
	}
}

// allowOpening lets the model begin its reasoning where a constraint governs the answer.
func (g *generation) allowOpening() {
	if g.block.state != blockAhead || !g.block.o.Likely || len(g.s.result.IDs) > 0 || g.s.e.tok == nil || g.limit <= g.need()+1 {
		return
	}
	if id, ok := g.s.e.tok.TokenID(g.block.o.Open); ok && int(id)/32 < len(g.allowed) {
		g.allowed[id/32] |= 1 << (id % 32)
	}
}
