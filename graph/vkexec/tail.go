package vkexec

import (
	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// tail lowers what follows the logits.
func (l *lowering) tail() {
	if l.g.Output == graph.None {
		return
	}
	logits := l.value(l.g.Output)
	if l.key.history != NoHistory {
		l.penalties(logits)
	}
	switch l.key.tail {
	case TailGreedy, TailGreedyRows:
		l.argMax(logits)
	case TailTopK, TailTopKRows:
		l.topK(logits)
	}
}

// choices is the number of rows of logits that something is chosen from.
func (k planKey) choices() int {
	if k.tail.perRow() {
		return k.rows
	}
	return k.seqs
}

// countTokens notes the ids that this step feeds, or those that it lists, in the history of their slots.
func (l *lowering) countTokens() {
	l.node = -1
	push := shaders.CountPush{
		Rows: uint32(l.key.rows), Vocab: uint32(l.g.Vocab),
		IDsAt: uint32(l.e.step.IDsAt()), RowsAt: uint32(l.e.step.RowsAt()),
	}
	if l.key.history == CountListed {
		push.Rows, push.IDsAt, push.RowsAt = shaders.MaxColumns, uint32(l.e.step.ListedAt()), uint32(l.e.step.OwnersAt())
	}
	l.add(nil, kernel{name: "count_tokens", rows: l.key.rows, k: 1, n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Rows, c.get("LOCAL_SIZE")), 1, 1}
	}, reads(l.e.stepRange()), updates(whole(l.e.counts)))
}

func (l *lowering) penalties(logits vk.Range) {
	push := shaders.PenaltyPush{
		Seqs: uint32(l.key.choices()), Vocab: uint32(l.g.Vocab), SeqsAt: uint32(l.e.step.SeqsAt()),
		IDsAt: uint32(l.e.step.IDsAt()), RowsAt: uint32(l.e.step.RowsAt()),
	}
	if l.key.tail.perRow() {
		push.PerRow = 1
	}
	l.add(nil, kernel{name: "penalties", rows: l.key.choices(), k: l.g.Vocab, n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Vocab, c.get("LOCAL_SIZE")), push.Seqs, 1}
	}, updates(logits), reads(whole(l.e.counts)), reads(whole(l.e.penaltyParams)), reads(l.e.stepRange()))
}

// reduceGroups is how many workgroups reduce one row of logits.
func reduceGroups(vocab int) uint32 { return min(64, ceilDiv(uint32(vocab), 1024)) }

func (l *lowering) argMax(logits vk.Range) {
	rows, groups := l.key.choices(), reduceGroups(l.g.Vocab)
	push := shaders.ArgMaxPush{
		Vocab: uint32(l.g.Vocab), Groups: groups, IDsAt: uint32(l.e.step.IDsAt()),
		RowsAt: uint32(l.e.step.RowsAt()), SeqsAt: uint32(l.e.step.SeqsAt()),
	}
	if l.key.tail.perRow() {
		push.Keep = 1
	}
	partial := vk.Range{Buffer: l.e.reduce, Size: uint64(rows) * uint64(groups) * 8}
	l.result = vk.Range{Buffer: l.e.results, Size: uint64(rows) * 4}
	l.add(nil, kernel{name: "argmax", rows: rows, k: l.g.Vocab, n: 1}, push, func(constants) [3]uint32 {
		return [3]uint32{groups, uint32(rows), 1}
	}, reads(logits), writes(partial))
	l.add(nil, kernel{name: "argmax_final", rows: rows, k: int(groups), n: 1}, push, func(constants) [3]uint32 {
		return [3]uint32{1, uint32(rows), 1}
	}, reads(partial), updates(l.e.stepRange()), writes(l.result))
}

// topKWords is the size in words of one sequence's result of "top_k_final"; a group's partial result is as long
// without the two reserved words.
const topKWords = 4 + 2*shaders.TopK

func (l *lowering) topK(logits vk.Range) {
	rows, groups := l.key.choices(), reduceGroups(l.g.Vocab)
	push := shaders.TopKPush{Vocab: uint32(l.g.Vocab), Groups: groups}
	partial := vk.Range{Buffer: l.e.reduce, Size: uint64(rows) * uint64(groups) * (2 + 2*shaders.TopK) * 4}
	l.result = vk.Range{Buffer: l.e.results, Size: uint64(rows) * topKWords * 4}
	l.add(nil, kernel{name: "top_k", rows: rows, k: l.g.Vocab, n: 1}, push, func(constants) [3]uint32 {
		return [3]uint32{groups, uint32(rows), 1}
	}, reads(logits), writes(partial))
	l.add(nil, kernel{name: "top_k_final", rows: rows, k: int(groups), n: 1}, push, func(constants) [3]uint32 {
		return [3]uint32{1, uint32(rows), 1}
	}, reads(partial), writes(l.result))
}

// hostResult is the range that the host reads when the plan is done.
func (l *lowering) hostResult() (vk.Range, bool) { return l.result, l.result.Buffer != nil }

func whole(b *vk.Buffer) vk.Range { return vk.Range{Buffer: b, Size: b.Size()} }
