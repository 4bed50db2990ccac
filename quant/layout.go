package quant

import (
	"fmt"
	"math"
)

// LayoutKind names the planes of a [Layout]; the package comment has their table.
type LayoutKind uint8

// The kinds. The zero value is no layout.
const (
	LayoutF32 LayoutKind = 1 + iota
	LayoutF16
	LayoutBF16
	LayoutQ8
	LayoutQ4
	LayoutQ6K
	LayoutQ4K
	LayoutQ4_1
	LayoutQ5_0
	LayoutQ5_1
	LayoutQ2K
	LayoutQ3K
	LayoutQ5K
	LayoutIQ4NL
	LayoutIQ4XS
	LayoutMXFP4
	LayoutIQ1S
	LayoutIQ1M
	LayoutIQ2XXS
	LayoutIQ2XS
	LayoutIQ2S
	LayoutIQ3XXS
	LayoutIQ3S
	LayoutTQ1
	LayoutTQ2
)

// layouts is the one table of what a LayoutKind is.
var layouts = [...]struct {
	name   string
	step   int     // what a row's elements are a multiple of; 0: Group, which is 32 or 128
	group  int     // Layout.Group of a kind that has but one
	planes []plane // with zero points, a grouped kind has one more: zeroPlane
}{
	LayoutF32:  {"f32", 32, 0, []plane{{1, 4}}},
	LayoutF16:  {"f16", 32, 0, []plane{{1, 2}}},
	LayoutBF16: {"bf16", 32, 0, []plane{{1, 2}}},
	LayoutQ8:   {"q8", 0, 0, []plane{{1, 1}, {perGroup, 2}}},
	LayoutQ4:   {"q4", 0, 0, []plane{{8, 4}, {perGroup, 2}}},
	LayoutQ4_1: {"q4_1", 32, 32, []plane{{8, 4}, {32, 4}}},
	LayoutQ5_0: {"q5_0", 32, 32, []plane{{8, 4}, {32, 2}, {32, 4}}},
	LayoutQ5_1: {"q5_1", 32, 32, []plane{{8, 4}, {32, 4}, {32, 4}}},

	LayoutQ2K: {"q2k", 256, 16, []plane{{16, 4}, {16, 1}, {256, 4}}},
	LayoutQ3K: {"q3k", 256, 16, []plane{{16, 4}, {32, 4}, {16, 1}, {256, 2}}},
	LayoutQ4K: {"q4k", 256, 32, []plane{{8, 4}, {32, 2}, {256, 4}}},
	LayoutQ5K: {"q5k", 256, 32, []plane{{8, 4}, {32, 4}, {32, 2}, {256, 4}}},
	LayoutQ6K: {"q6k", 256, 16, []plane{{8, 4}, {16, 4}, {16, 1}, {256, 2}}},

	LayoutIQ4NL: {"iq4nl", 32, 32, []plane{{8, 4}, {32, 2}}},
	LayoutIQ4XS: {"iq4xs", 256, 32, []plane{{8, 4}, {32, 1}, {256, 2}}},
	LayoutMXFP4: {"mxfp4", 32, 32, []plane{{8, 4}, {32, 1}}},

	LayoutIQ1S:   {"iq1s", 256, 32, []plane{{32, 4}, {32, 2}, {256, 2}}},
	LayoutIQ1M:   {"iq1m", 256, 16, []plane{{32, 4}, {32, 2}, {256, 8}}},
	LayoutIQ2XXS: {"iq2xxs", 256, 32, []plane{{32, 8}, {256, 2}}},
	LayoutIQ2XS:  {"iq2xs", 256, 16, []plane{{32, 8}, {32, 1}, {256, 2}}},
	LayoutIQ2S:   {"iq2s", 256, 16, []plane{{32, 8}, {32, 2}, {256, 2}}},
	LayoutIQ3XXS: {"iq3xxs", 256, 32, []plane{{32, 8}, {32, 4}, {256, 2}}},
	LayoutIQ3S:   {"iq3s", 256, 32, []plane{{32, 8}, {32, 4}, {256, 14}}},
	LayoutTQ1:    {"tq1", 256, 256, []plane{{256, 52}, {256, 2}}},
	LayoutTQ2:    {"tq2", 256, 256, []plane{{16, 4}, {256, 2}}},
}

// plane says how many bytes so many elements take.
type plane struct{ elements, bytes int }

// perGroup stands for the elements of a group.
const perGroup = 0

var zeroPlane = plane{perGroup, 1}

// String returns the kind's name, which is also that of the kernels that read it: "bf16", "q4".
func (k LayoutKind) String() string {
	if !k.valid() {
		return fmt.Sprintf("layout(%d)", uint8(k))
	}
	return layouts[k].name
}

func (k LayoutKind) valid() bool { return k > 0 && int(k) < len(layouts) }

// Grouped reports whether the kind comes in groups of 32 or 128 elements, with or without zero
// points, as quantising on load makes it.
func (k LayoutKind) Grouped() bool { return k.valid() && layouts[k].step == 0 }

// Layout says how a tensor lies in device memory. It is comparable and can be a map key.
type Layout struct {
	Kind  LayoutKind
	Group int  // elements per scale: 32 or 128 for Q8 and Q4, fixed for other quants, else 0
	Zero  bool // Q8 and Q4: each group has a zero point
}

// LayoutOf returns the layout that holds values of type t exactly, in the fewest bytes.
// It is the zero Layout for no type and for one that is not computed with.
func LayoutOf(t Type) Layout {
	if !t.Valid() || !types[t].layout.valid() {
		return Layout{}
	}
	l := Layout{Kind: types[t].layout, Group: layouts[types[t].layout].group}
	if l.Kind.Grouped() {
		l.Group = types[t].block
	}
	return l
}

// Name returns a short name for reports: "bf16", "q8g32", "q4g128z", "q6k".
func (l Layout) Name() string {
	name := l.Kind.String()
	if l.Kind.Grouped() {
		name = fmt.Sprintf("%sg%d", name, l.Group)
	}
	if l.Zero {
		name += "z"
	}
	return name
}

// String is Name, for %v.
func (l Layout) String() string { return l.Name() }

// Planes returns how many planes the layout has, 0 for no layout.
func (l Layout) Planes() int {
	if !l.Kind.valid() {
		return 0
	}
	n := len(layouts[l.Kind].planes)
	if l.Zero {
		n++
	}
	return n
}

// PlaneRowBytes returns how many bytes one row of cols elements takes in plane p. A plane of
// a tensor has rows times as many, without padding. It is 0 for a plane that is not there;
// cols must satisfy CheckCols.
func (l Layout) PlaneRowBytes(p, cols int) int {
	if p < 0 || p >= l.Planes() || cols <= 0 {
		return 0
	}
	one := zeroPlane
	if p < len(layouts[l.Kind].planes) {
		one = layouts[l.Kind].planes[p]
	}
	if one.elements == perGroup {
		one.elements = l.Group
	}
	return cols / one.elements * one.bytes
}

// RowBytes returns the bytes of one row in all planes together.
func (l Layout) RowBytes(cols int) int {
	n := 0
	for p := range l.Planes() {
		n += l.PlaneRowBytes(p, cols)
	}
	return n
}

// Step returns what cols must be a multiple of: 32 (a kernel's smallest stride) for plain
// numbers, Group for Q8 and Q4, the block for other quants. It is 0 for no layout.
func (l Layout) Step() int {
	if !l.Kind.valid() {
		return 0
	}
	if l.Kind.Grouped() {
		return l.Group
	}
	return layouts[l.Kind].step
}

// Check reports a Layout that is none of the package's table.
func (l Layout) Check() error {
	ok := l.Kind.valid()
	switch {
	case !ok:
	case l.Kind.Grouped():
		ok = l.Group == 32 || l.Group == 128
	default:
		ok = l.Group == layouts[l.Kind].group && !l.Zero
	}
	if !ok {
		return fmt.Errorf("quant: no layout has kind %d, group %d, zero points %t; groups are of 32 or 128", l.Kind, l.Group, l.Zero)
	}
	return nil
}

// CheckCols reports rows of cols elements that the layout cannot hold: cols must be a
// positive multiple of Step.
func (l Layout) CheckCols(cols int) error {
	if err := l.Check(); err != nil {
		return err
	}
	if cols <= 0 || cols%l.Step() != 0 {
		return fmt.Errorf("quant: rows of %d elements do not fit layout %s, which takes multiples of %d", cols, l.Name(), l.Step())
	}
	if cols > math.MaxInt/8 { // 8: more than the bytes of any element in all planes
		return fmt.Errorf("quant: rows of %d elements are too large", cols)
	}
	return nil
}

// checkPlanes holds the planes' sizes against rows × cols. cols satisfies CheckCols.
func (l Layout) checkPlanes(planes [][]byte, rows, cols int) error {
	if len(planes) != l.Planes() {
		return fmt.Errorf("quant: layout %s has %d planes, not %d", l.Name(), l.Planes(), len(planes))
	}
	for p, plane := range planes {
		row := l.PlaneRowBytes(p, cols)
		if rows < 0 || len(plane)%row != 0 || len(plane)/row != rows {
			return fmt.Errorf("quant: plane %d of layout %s has %d bytes, not %d rows of %d", p, l.Name(), len(plane), rows, row)
		}
	}
	return nil
}
