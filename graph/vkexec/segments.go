package vkexec

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/qwenvk/qwenvk/vk"
)

// A program that renders wants its queue back for every frame. With Options.MaxSubmit a plan is several command buffers, each
// of which is submitted when the one before is done; they are cut at the borders of dispatches, and dispatches that take longer
// are cut too, by their first workgroup. How long they take is measured while they run.

// part is a dispatch or some of its workgroups.
type part struct {
	dispatch      int // in lowering.dispatches
	first, groups [3]uint32
}

// cuttable is what the pacer knows of a dispatch.
type cuttable struct {
	key    string // dispatches of one key take the same time for a workgroup
	groups [3]uint32
	whole  bool // cannot be cut
	lines  bool // must be cut between its lines along x, if it has several
}

// axis is the one along which w is cut: the longest that may be.
func (w cuttable) axis() int {
	longest := 0
	if w.lines && (w.groups[1] > 1 || w.groups[2] > 1) {
		longest = 1
	}
	for a, n := range w.groups {
		if a >= longest && n > w.groups[longest] {
			longest = a
		}
	}
	return longest
}

func count(groups [3]uint32) float64 {
	return float64(groups[0]) * float64(groups[1]) * float64(groups[2])
}

// pacer cuts plans so that no submission takes longer than the budget, by what it has measured.
type pacer struct {
	budget time.Duration
	cost   map[string]float64 // nanoseconds for a workgroup, by key
}

// unknownParts is into how many parts of the budget the workgroups of a kernel that was never timed are reckoned: so many of
// them make a submission. A card that is far faster wastes a few submissions, once; a slower one is late once.
const unknownParts = 64

func (p *pacer) of(key string) float64 {
	if ns, ok := p.cost[key]; ok {
		return ns
	}
	return float64(p.budget) / unknownParts
}

// cut splits a plan's dispatches into submissions, in order.
func (p *pacer) cut(plan []cuttable) [][]part {
	budget := float64(p.budget)
	var submissions [][]part
	var current []part
	used := 0.0
	flush := func() {
		if len(current) > 0 {
			submissions = append(submissions, current)
			current, used = nil, 0
		}
	}
	for i, w := range plan {
		each := p.of(w.key)
		all := each * count(w.groups)
		if used+all > budget {
			flush()
		}
		if all <= budget || w.whole {
			current = append(current, part{i, [3]uint32{}, w.groups})
			used += all
			continue
		}
		axis := w.axis()
		slice := each * count(w.groups) / float64(w.groups[axis]) // of one workgroup along the axis
		step := uint32(max(1, budget/slice))
		for from := uint32(0); from < w.groups[axis]; from += step {
			flush()
			piece := part{dispatch: i, groups: w.groups}
			piece.first[axis] = from
			piece.groups[axis] = min(step, w.groups[axis]-from)
			current, used = []part{piece}, slice*float64(piece.groups[axis])
		}
	}
	flush()
	return submissions
}

// note learns from the time that a submission took: those of its parts where they are known, else shares of the whole by what
// was expected. What got slower counts at once, what got faster by and by.
func (p *pacer) note(plan []cuttable, parts []part, each []float64, whole time.Duration) {
	expected := 0.0
	for _, s := range parts {
		expected += p.of(plan[s.dispatch].key) * count(s.groups)
	}
	for i, s := range parts {
		key := plan[s.dispatch].key
		ns := 0.0
		switch {
		case i < len(each):
			ns = each[i] / count(s.groups)
		case expected > 0:
			ns = p.of(key) * float64(whole) / expected
		}
		if old, ok := p.cost[key]; ok && ns < old {
			ns = 0.8*old + 0.2*ns
		}
		p.cost[key] = ns
	}
}

// stale says that a plan should be cut anew: a submission took half as long again as it may and could be shorter, or twice as
// many were made as are needed.
func (p *pacer) stale(plan []cuttable, submissions [][]part, longest time.Duration) bool {
	again := p.cut(plan)
	return 2*len(again) <= len(submissions) || 2*longest > 3*p.budget && len(again) > len(submissions)
}

// works describes a plan to the pacer.
func (l *lowering) works() []cuttable {
	list := make([]cuttable, len(l.dispatches))
	for i, d := range l.dispatches {
		list[i] = cuttable{
			key: fmt.Sprint(d.module.File, d.constants, trimLayer(d.label)), groups: d.groups,
			whole: d.indirect != nil,
			// Kernels look at the number of workgroups along x alone, and would see that of the part.
			lines: countsGroups(d.module.Code),
		}
	}
	return list
}

// countsGroups says that a module reads gl_NumWorkGroups.
func countsGroups(spirv []byte) bool {
	const opDecorate, builtIn, numWorkgroups = 71, 11, 24
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(spirv[4*i:]) }
	for i := 5; i < len(spirv)/4; {
		length := int(word(i) >> 16)
		if length == 0 {
			return true // no module: whoever compiles it will say so
		}
		if word(i)&0xffff == opDecorate && length == 4 && i+3 < len(spirv)/4 && word(i+2) == builtIn && word(i+3) == numWorkgroups {
			return true
		}
		i += length
	}
	return false
}

// cuts are the parts of each submission.
func (p *Plan) cuts() [][]part {
	cuts := make([][]part, len(p.segments))
	for i, s := range p.segments {
		cuts[i] = s.parts
	}
	return cuts
}

// segment is one submission of a plan.
type segment struct {
	commands *vk.Commands
	parts    []part
}
