package quant

import "fmt"

// Scheme asks for weights to be quantised while they are loaded. The zero value asks for
// nothing.
type Scheme struct {
	Bits  int  // 8 (INT8) or 4 (INT4); 0: as stored
	Group int  // elements of a row that share a scale: 32 or 128
	Zero  bool // asymmetric, with a zero point per group
}

// None reports whether the scheme leaves weights as they are stored.
func (s Scheme) None() bool { return s == Scheme{} }

// Layout returns the layout that QuantizeRows is to make. It is the zero Layout for None and
// for a scheme that Check refuses.
func (s Scheme) Layout() Layout {
	switch s.Bits {
	case 8:
		return Layout{Kind: LayoutQ8, Group: s.Group, Zero: s.Zero}
	case 4:
		return Layout{Kind: LayoutQ4, Group: s.Group, Zero: s.Zero}
	}
	return Layout{}
}

// Check reports a scheme that does not exist.
func (s Scheme) Check() error {
	if s.None() || s.Layout().Check() == nil {
		return nil
	}
	return fmt.Errorf("quant: there is no quantisation to %d bits in groups of %d; use 8 or 4 bits and groups of 32 or 128", s.Bits, s.Group)
}

// String returns "none", or a name such as "int4 in groups of 128 with zero points".
func (s Scheme) String() string {
	if s.None() {
		return "none"
	}
	name := fmt.Sprintf("int%d in groups of %d", s.Bits, s.Group)
	if s.Zero {
		name += " with zero points"
	}
	return name
}
