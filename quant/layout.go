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
)

// Layout says how a tensor lies in device memory. It is comparable and can be a map key.
type Layout struct {
	Kind  LayoutKind
	Group int  // elements per scale: 32 or 128 for Q8 and Q4, 16 for Q6K, else 0
	Zero  bool // Q8 and Q4: each group has a zero point
}

// LayoutOf returns the layout that holds values of type t exactly, in the fewest bytes.
// It is the zero Layout for no type.
func LayoutOf(t Type) Layout {
	switch t {
	case F32:
		return Layout{Kind: LayoutF32}
	case F16:
		return Layout{Kind: LayoutF16}
	case BF16:
		return Layout{Kind: LayoutBF16}
	case Q8_0:
		return Layout{Kind: LayoutQ8, Group: 32}
	case Q4_0:
		return Layout{Kind: LayoutQ4, Group: 32}
	case Q6_K:
		return Layout{Kind: LayoutQ6K, Group: 16}
	}
	return Layout{}
}

// Name returns a short name for kernels and reports: "bf16", "q8g32", "q4g128z", "q6k".
func (l Layout) Name() string {
	var name string
	switch l.Kind {
	case LayoutF32:
		return "f32"
	case LayoutF16:
		return "f16"
	case LayoutBF16:
		return "bf16"
	case LayoutQ6K:
		return "q6k"
	case LayoutQ8:
		name = "q8"
	case LayoutQ4:
		name = "q4"
	default:
		return fmt.Sprintf("layout(%d)", uint8(l.Kind))
	}
	name = fmt.Sprintf("%sg%d", name, l.Group)
	if l.Zero {
		name += "z"
	}
	return name
}

// String is Name, for %v.
func (l Layout) String() string { return l.Name() }

// Planes returns how many planes the layout has, 0 for no layout.
func (l Layout) Planes() int {
	switch l.Kind {
	case LayoutF32, LayoutF16, LayoutBF16:
		return 1
	case LayoutQ8, LayoutQ4:
		if l.Zero {
			return 3
		}
		return 2
	case LayoutQ6K:
		return 4
	}
	return 0
}

// PlaneRowBytes returns how many bytes one row of cols elements takes in plane p. A plane of
// a tensor has rows times as many, without padding. It is 0 for a plane that is not there;
// cols must satisfy CheckCols.
func (l Layout) PlaneRowBytes(p, cols int) int {
	if p < 0 || p >= l.Planes() || cols <= 0 {
		return 0
	}
	switch l.Kind {
	case LayoutF32:
		return 4 * cols
	case LayoutF16, LayoutBF16:
		return 2 * cols
	case LayoutQ8:
		return [...]int{cols, 2 * (cols / l.Group), cols / l.Group}[p]
	case LayoutQ4:
		return [...]int{cols / 2, 2 * (cols / l.Group), cols / l.Group}[p]
	default: // LayoutQ6K
		return [...]int{cols / 2, cols / 4, cols / 16, 2 * (cols / 256)}[p]
	}
}

// RowBytes returns the bytes of one row in all planes together.
func (l Layout) RowBytes(cols int) int {
	n := 0
	for p := range l.Planes() {
		n += l.PlaneRowBytes(p, cols)
	}
	return n
}

// Step returns what cols must be a multiple of: 32 (a kernel's smallest stride), Group for
// Q8 and Q4, 256 for Q6K. It is 0 for no layout.
func (l Layout) Step() int {
	switch l.Kind {
	case LayoutF32, LayoutF16, LayoutBF16:
		return 32
	case LayoutQ8, LayoutQ4:
		return l.Group
	case LayoutQ6K:
		return 256
	}
	return 0
}

// Check reports a Layout that is none of the package's table.
func (l Layout) Check() error {
	ok := false
	switch l.Kind {
	case LayoutF32, LayoutF16, LayoutBF16:
		ok = l.Group == 0 && !l.Zero
	case LayoutQ8, LayoutQ4:
		ok = l.Group == 32 || l.Group == 128
	case LayoutQ6K:
		ok = l.Group == 16 && !l.Zero
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
