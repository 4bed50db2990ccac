package grammar

// A place is a node that consumes a byte, on a stack of frames. Places of a frame below have its number.
type place struct{ node, frame int32 }

// bottom is the frame below all.
const bottom int32 = 0

// frame is where to return to. For a repetition, ret is its node and count the iterations that will be done then.
type frame struct{ ret, count, below int32 }

// arena holds frames, each once, so that equal stacks have equal numbers.
type arena struct {
	frames []frame
	index  map[frame]int32
}

func newArena() *arena {
	return &arena{frames: make([]frame, 1), index: map[frame]int32{}}
}

func (a *arena) push(f frame) int32 {
	if i, ok := a.index[f]; ok {
		return i
	}
	a.frames = append(a.frames, f)
	i := int32(len(a.frames) - 1)
	a.index[f] = i
	return i
}

// walker finds the places that can be reached without consuming a byte.
type walker struct {
	p      *program
	a      *arena
	seen   map[visit]struct{}
	fresh  []int32 // frames of repetitions pushed since the last byte
	places []place
	left   bool // the bottom frame was left
	over   bool // there were more than maxPlaces
}

// maxPlaces bounds a state. A grammar that has more ways at the same time says the same thing in too many ways.
const maxPlaces = 1 << 12

type visit struct{ node, count, frame int32 }

func (w *walker) reset() {
	w.places, w.left = w.places[:0], false
}

// from adds what can be reached from a node, count iterations of which are done if it is a repetition.
func (w *walker) from(n, count, f int32) {
	w.fresh = w.fresh[:0]
	clear(w.seen) // what was seen with another origin may have been left out there as an empty iteration
	w.visit(n, count, f)
}

func (w *walker) visit(n, count, f int32) {
	if w.p.length[n] >= endless || w.over {
		return // no way on from here ever ends
	}
	v := visit{n, count, f}
	if _, ok := w.seen[v]; ok {
		return
	}
	w.seen[v] = struct{}{}
	switch x := &w.p.nodes[n]; x.op {
	case opBytes:
		if len(w.places) >= maxPlaces {
			w.over = true
			return
		}
		w.places = append(w.places, place{n, f})
	case opSplit:
		for _, to := range x.alts {
			w.visit(to, 0, f)
		}
	case opCall:
		if w.p.nodes[x.next].op != opEnd { // else the frame below serves: lists that call themselves last don't pile up
			f = w.a.push(frame{x.next, 0, f})
		}
		w.visit(x.body, 0, f)
	case opRepeat:
		w.repeat(n, count, f)
	case opEnd:
		w.leave(f)
	}
}

func (w *walker) repeat(n, count, f int32) {
	x := &w.p.nodes[n]
	if count >= x.least {
		w.visit(x.next, 0, f)
	}
	if x.most >= 0 && count >= x.most {
		return
	}
	count++
	if x.most < 0 {
		count = min(count, x.least) // beyond it, one number is as good as another
	}
	above := w.a.push(frame{n, count, f})
	w.fresh = append(w.fresh, above)
	w.visit(x.body, 0, above)
	w.fresh = w.fresh[:len(w.fresh)-1]
}

// leave returns from a frame. An iteration that consumed nothing is none.
func (w *walker) leave(f int32) {
	if f == bottom {
		w.left = true
		return
	}
	top := w.a.frames[f]
	if w.p.nodes[top.ret].op == opRepeat {
		for _, x := range w.fresh {
			if x == f {
				return
			}
		}
	}
	w.visit(top.ret, top.count, top.below)
}
