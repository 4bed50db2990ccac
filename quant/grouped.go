package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Packing says how 32-bit words hold the small integers of a [Grouped] matrix.
type Packing uint8

const (
	// PackGPTQ words hold neighbouring inputs of one output, the first in the lowest bits:
	// qweight [cols·bits/32, rows]. Zero points are packed along the outputs. (Frantar et al.
	// 2022, as AutoGPTQ and its successors write it.)
	PackGPTQ Packing = 1 + iota
	// PackAWQ words hold eight neighbouring outputs of one input, those of even number in the
	// lower half: qweight [cols, rows/8]. Zero points are packed in the same way. 4 bits only.
	// (Lin et al. 2023, AutoAWQ's "gemm" version.)
	PackAWQ
)

// GroupedParts are the tensors of a linear layer that GPTQ or AWQ quantised. cols are the layer's
// inputs, rows its outputs, and G is the number of groups of inputs, cols/Group rounded up.
type GroupedParts struct {
	Packing    Packing
	Bits       int // 4 or 8
	Rows, Cols int
	Group      int // inputs of a group; at least Cols: one group for all

	QWeight   []byte // little-endian words of quants, rows × cols in the order of Packing
	QZeros    []byte // words of zero points [G, rows·bits/32]
	Scales    []byte // [G, rows]
	ScaleType Type   // F16, BF16 or F32; rounded to F16 in planes
	GroupIdx  []byte // int32 [cols], the group of each input; nil: input/Group

	ActOrder   bool // groups hold scattered inputs; else a GroupIdx that was left at zeros counts as nil
	ZeroOffset int  // what was taken off the zero points before they were packed: 1 for GPTQ's first version
	Symmetric  bool // all zero points are half the range; planes then need none
}

// Grouped is the Source of a linear layer as GPTQ or AWQ stores it. Output o and input i have
//
//	w[o,i] = (q[i,o] - z[g,o]) · s[g,o]    g: the group of input i
//
// It goes to layout Q4 or Q8, value for value. Where groups hold scattered inputs (GPTQ's
// "act-order"), planes hold the columns sorted by group, see Order.
//
// # Zero points that wrap
//
// GPTQ's first version stores z-1 in bits bits. A quantiser's z lies in 0 to 2^bits-1, being
// -min/s rounded with min ≤ 0 ≤ max and s = (max-min)/(2^bits-1), so that all ones can only be a
// z of 0, and z is (stored+1) mod 2^bits. Readers that leave the modulus out read 2^bits.
type Grouped struct {
	p      GroupedParts
	groups int // in the file
	once   sync.Once
	plan   groupPlan
}

// groupPlan says which inputs and which of the file's groups planes hold.
type groupPlan struct {
	order  []int32 // see Order
	groups []int32 // the file's group of each group of a plane; nil: in order, Group inputs each
	err    error
}

// NewGrouped makes a Source of a layer's parts, whose sizes it checks.
func NewGrouped(p GroupedParts) (*Grouped, error) {
	g := &Grouped{p: p}
	if p.Rows <= 0 || p.Cols <= 0 || p.Group <= 0 {
		return nil, fmt.Errorf("quant: a matrix of %d × %d in groups of %d holds nothing", p.Rows, p.Cols, p.Group)
	}
	if p.Packing != PackGPTQ && p.Packing != PackAWQ || p.Bits != 4 && (p.Bits != 8 || p.Packing == PackAWQ) {
		return nil, fmt.Errorf("weights of %d bits are not computed with; 4 are, and 8 with GPTQ", p.Bits)
	}
	if !p.ScaleType.Dense() {
		return nil, fmt.Errorf("quant: scales of type %v", p.ScaleType)
	}
	lanes := 32 / p.Bits
	if p.Packing == PackGPTQ && p.Cols%lanes != 0 || p.Rows%lanes != 0 {
		return nil, fmt.Errorf("%d × %d weights of %d bits do not fill words of 32", p.Rows, p.Cols, p.Bits)
	}
	if g.Layout() == (Layout{}) {
		return nil, fmt.Errorf("groups of %d of %d inputs are not computed with; multiples of 32 are", min(p.Group, p.Cols), p.Cols)
	}
	g.groups = (p.Cols-1)/p.Group + 1
	for _, part := range []struct {
		name       string
		have, want int
	}{
		{"qweight", len(p.QWeight), p.Rows / lanes * p.Cols * 4},
		{"qzeros", len(p.QZeros), p.Rows / lanes * g.groups * 4},
		{"scales", len(p.Scales), p.Rows * g.groups * p.ScaleType.BlockBytes()},
	} {
		if part.have != part.want {
			return nil, fmt.Errorf("quant: %s of %d × %d weights of %d bits in %d groups takes %d bytes, not %d", part.name, p.Rows, p.Cols, p.Bits, g.groups, part.want, part.have)
		}
	}
	if p.GroupIdx != nil && len(p.GroupIdx) != 4*p.Cols {
		return nil, fmt.Errorf("g_idx names the groups of %d inputs, there are %d", len(p.GroupIdx)/4, p.Cols)
	}
	return g, nil
}

// Shape returns rows (outputs) and columns (inputs).
func (g *Grouped) Shape() (rows, cols int) { return g.p.Rows, g.p.Cols }

// Layout returns Q4 or Q8 in the larger of the groups that divide the file's: 128 or 32.
func (g *Grouped) Layout() Layout {
	l := Layout{Kind: LayoutQ4, Zero: !g.p.Symmetric}
	if g.p.Bits == 8 {
		l.Kind = LayoutQ8
	}
	for _, l.Group = range []int{128, 32} {
		if g.p.Cols%l.Group == 0 && (g.p.Group >= g.p.Cols || g.p.Group%l.Group == 0) {
			return l
		}
	}
	return Layout{}
}

// Order returns the inputs sorted by group where the file scatters them, see Source. The error
// is about a g_idx that makes no sense.
func (g *Grouped) Order() ([]int32, error) {
	p := g.planned()
	return p.order, p.err
}

// planned reads GroupIdx, once: a model may have tens of thousands of layers, of which a program
// that lists them needs none.
func (g *Grouped) planned() *groupPlan {
	g.once.Do(func() {
		if g.p.GroupIdx != nil {
			g.plan = g.readGroupIdx()
			g.p.GroupIdx = nil
		}
	})
	return &g.plan
}

func (g *Grouped) readGroupIdx() (plan groupPlan) {
	counts := make([]int, g.groups)
	index := make([]int32, g.p.Cols)
	plain, unset := true, !g.p.ActOrder
	for i := range index {
		n := binary.LittleEndian.Uint32(g.p.GroupIdx[4*i:])
		if n >= uint32(g.groups) {
			plan.err = fmt.Errorf("g_idx puts input %d into group %d, there are %d", i, int32(n), g.groups)
			return plan
		}
		index[i] = int32(n)
		counts[n]++
		plain, unset = plain && int(n) == i/g.p.Group, unset && n == 0
	}
	if plain || unset {
		return plan
	}
	size := g.Layout().Group
	for n, count := range counts {
		if count == 0 || count%size != 0 {
			plan.err = fmt.Errorf("g_idx puts %d inputs into group %d, which should have a multiple of %d", count, n, size)
			return plan
		}
	}
	if !slices.IsSorted(index) {
		plan.order = make([]int32, g.p.Cols)
		at := make([]int, g.groups) // where the next input of each group goes
		for n := 1; n < g.groups; n++ {
			at[n] = at[n-1] + counts[n-1]
		}
		for i, n := range index {
			plan.order[at[n]] = int32(i)
			at[n]++
		}
	}
	for n, count := range counts {
		for range count / size {
			plan.groups = append(plan.groups, int32(n))
		}
	}
	return plan
}

// Planes writes rows of quants, scales and zero points to the layout that Layout names, and
// values, rounded, to any other.
func (g *Grouped) Planes(planes [][]byte, l Layout, first, n int) error {
	if err := checkRows(first, n, g.p.Rows); err != nil {
		return err
	}
	plan := g.planned()
	switch {
	case plan.err != nil:
		return plan.err
	case l != g.Layout():
		return planesOfValues(planes, l, g, plan.order, first, n)
	}
	if err := l.checkPlanes(planes, n, g.p.Cols); err != nil {
		return err
	}
	for at := 0; at < n; at += rowBlock {
		if err := g.packBlock(planes, l, plan, first, at, min(rowBlock, n-at)); err != nil {
			return err
		}
	}
	return nil
}

// The quants of so many outputs and inputs are taken out of their words at a time: a line of the
// cache holds neighbouring outputs, while planes hold neighbouring inputs.
const (
	rowBlock = 16
	colBlock = 256 // a multiple of all groups
)

// packBlock writes rows [first+at, first+at+n), n at most rowBlock, to the rows from at of planes.
func (g *Grouped) packBlock(planes [][]byte, l Layout, plan *groupPlan, first, at, n int) error {
	cols, perRow := g.p.Cols, g.p.Cols/l.Group
	scales, zeros := g.parameters(first+at, n)
	for r := range n {
		row := at + r
		for j := range perRow {
			group := plan.group(j, l.Group, g.p.Group)
			scale, zero := half.F32ToF16(scales[group*n+r]), zeros[group*n+r]
			if !finiteF16(scale) {
				return scaleError(first+row, j*l.Group, scales[group*n+r])
			}
			binary.LittleEndian.PutUint16(planes[1][2*(row*perRow+j):], scale)
			switch {
			case l.Zero && l.Kind == LayoutQ8:
				planes[2][row*perRow+j] = zero - 128
			case l.Zero:
				planes[2][row*perRow+j] = zero
			case int(zero) != 1<<(g.p.Bits-1):
				return fmt.Errorf("the zero point of row %d in group %d is %d, but the model is said to be quantised symmetrically, which makes it %d", first+row, group, zero, 1<<(g.p.Bits-1))
			}
		}
	}
	var tile [rowBlock * colBlock]uint8
	for col := 0; col < cols; col += colBlock {
		width := min(colBlock, cols-col)
		g.quants(tile[:n*width], plan.order, first+at, n, col, width)
		for r := range n {
			packQuants(planes[0], (at+r)*cols+col, tile[r*width:(r+1)*width], l.Kind)
		}
	}
	return nil
}

// group is the file's group that group j of a plane comes from.
func (p *groupPlan) group(j, size, fileSize int) int {
	if p.groups != nil {
		return int(p.groups[j])
	}
	return j * size / fileSize
}

func scaleError(row, col int, scale float32) error {
	problem := badScale
	if finite(scale) {
		problem = bigGroup
	}
	return &ValueError{Row: row, Col: col, Value: scale, Problem: problem}
}

// parameters returns the scales and zero points of n rows from first, [groups, n].
func (g *Grouped) parameters(first, n int) (scales []float32, zeros []uint8) {
	scales, zeros = make([]float32, g.groups*n), make([]uint8, g.groups*n)
	size := g.p.ScaleType.BlockBytes()
	mask := 1<<g.p.Bits - 1
	for group := range g.groups {
		at := group*g.p.Rows + first
		decodeDense(scales[group*n:(group+1)*n], g.p.ScaleType, g.p.Scales[at*size:])
		for r := range n {
			zeros[group*n+r] = uint8((g.acrossOutputs(g.p.QZeros, group, first+r) + g.p.ZeroOffset) & mask)
		}
	}
	return scales, zeros
}

// awqPlace is where an AWQ word keeps each of eight neighbouring outputs, in units of 4 bits.
var awqPlace = [8]uint{0, 4, 1, 5, 2, 6, 3, 7}

// lanes is the binary logarithm of how many integers a word holds: a shift takes the place of a
// division for each weight.
func (g *Grouped) lanes() int {
	if g.p.Bits == 4 {
		return 3
	}
	return 2
}

// acrossOutputs reads output o of row r of words that hold neighbouring outputs.
func (g *Grouped) acrossOutputs(words []byte, r, o int) int {
	lanes := g.lanes()
	word := binary.LittleEndian.Uint32(words[4*(r*(g.p.Rows>>lanes)+o>>lanes):])
	place := uint(o & (1<<lanes - 1))
	if g.p.Packing == PackAWQ {
		place = awqPlace[place]
	}
	return int(word >> (place * uint(g.p.Bits)) & (1<<g.p.Bits - 1))
}

// packQuants writes quants, a multiple of eight, to plane 0 from element e on.
func packQuants(plane []byte, e int, q []uint8, k LayoutKind) {
	if k == LayoutQ4 {
		plane = plane[e/2 : (e+len(q))/2]
		for ; len(q) >= 8; q, plane = q[8:], plane[4:] { // as the package comment draws it
			eight := binary.LittleEndian.Uint64(q)
			binary.LittleEndian.PutUint32(plane, uint32(eight)|uint32(eight>>32)<<4)
		}
		return
	}
	plane = plane[e : e+len(q)]
	for ; len(q) >= 8; q, plane = q[8:], plane[8:] { // less 128: the highest bit of each turned round
		binary.LittleEndian.PutUint64(plane, binary.LittleEndian.Uint64(q)^0x8080808080808080)
	}
}

// quants takes the quants of n outputs from first, at width places from col of the order, out of
// their words: dst [n, width].
func (g *Grouped) quants(dst []uint8, order []int32, first, n, col, width int) {
	switch {
	case g.p.Packing == PackAWQ:
		g.quantsAWQ(dst, order, first, n, col, width)
	case order == nil:
		g.quantsInOrder(dst, first, n, col, width)
	default:
		g.quantsOrdered(dst, order[col:col+width], first, n)
	}
}

// quantsOrdered is quants for PackGPTQ with an order.
func (g *Grouped) quantsOrdered(dst []uint8, order []int32, first, n int) {
	bits, lanes, mask := uint32(g.p.Bits), g.lanes(), uint32(1)<<g.p.Bits-1
	if n == 1 { // rows in an order too come one by one
		words := g.p.QWeight[4*first:]
		for j, i := range order {
			shift := bits * (uint32(i) & (1<<lanes - 1))
			dst[j] = uint8(binary.LittleEndian.Uint32(words[4*(int(i)>>lanes*g.p.Rows):]) >> shift & mask)
		}
		return
	}
	for j, i := range order {
		shift := bits * (uint32(i) & (1<<lanes - 1))
		words := g.p.QWeight[4*(int(i)>>lanes*g.p.Rows+first):][:4*n]
		for at := j; len(words) >= 4; at, words = at+len(order), words[4:] {
			dst[at] = uint8(binary.LittleEndian.Uint32(words) >> shift & mask)
		}
	}
}

// quantsInOrder is quants for PackGPTQ without an order: whole words of neighbouring inputs.
func (g *Grouped) quantsInOrder(dst []uint8, first, n, col, width int) {
	lanes := 32 / g.p.Bits
	for j := 0; j < width; j += lanes {
		words := g.p.QWeight[4*((col+j)/lanes*g.p.Rows+first):][:4*n]
		for at := j; len(words) >= 4; at, words = at+width, words[4:] {
			word := binary.LittleEndian.Uint32(words)
			if lanes == 4 {
				binary.LittleEndian.PutUint32(dst[at:], word)
				continue
			}
			binary.LittleEndian.PutUint64(dst[at:], spread(word))
		}
	}
}

// spread makes eight bytes of eight nibbles.
func spread(word uint32) uint64 {
	x := uint64(word)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	return (x | x<<4) & 0x0f0f0f0f0f0f0f0f
}

// quantsAWQ is quants for PackAWQ, whose words hold neighbouring outputs.
func (g *Grouped) quantsAWQ(dst []uint8, order []int32, first, n, col, width int) {
	for j := range width {
		i := col + j
		if order != nil {
			i = int(order[i])
		}
		row := g.p.QWeight[i*(g.p.Rows/8)*4:]
		for r := 0; r < n; {
			word := binary.LittleEndian.Uint32(row[4*((first+r)/8):])
			for o := (first + r) % 8; o < 8 && r < n; o, r = o+1, r+1 {
				dst[r*width+j] = uint8(word >> (4 * awqPlace[o]) & 15)
			}
		}
	}
}

// Values writes weights as float32, in which they are exact: q-z has at most 9 bits, a scale 11.
// (A scale that is stored as F32 is rounded once.)
func (g *Grouped) Values(dst []float32, first, n int) error {
	if err := checkRows(first, n, g.p.Rows); err != nil {
		return err
	}
	cols := g.p.Cols
	if len(dst) != n*cols {
		return fmt.Errorf("quant: %d values are not %d rows of %d", len(dst), n, cols)
	}
	plan := g.planned()
	if plan.err != nil {
		return plan.err
	}
	size := g.Layout().Group
	var tile [rowBlock * colBlock]uint8
	for at := 0; at < n; at += rowBlock {
		rows := min(rowBlock, n-at)
		scales, zeros := g.parameters(first+at, rows)
		for col := 0; col < cols; col += colBlock {
			width := min(colBlock, cols-col)
			g.quants(tile[:rows*width], plan.order, first+at, rows, col, width)
			for j := range width {
				group, i := plan.group((col+j)/size, size, g.p.Group), col+j
				if plan.order != nil {
					i = int(plan.order[i])
				}
				for r := range rows {
					k := group*rows + r
					dst[(at+r)*cols+i] = float32(int(tile[r*width+j])-int(zeros[k])) * scales[k]
				}
			}
		}
	}
	return nil
}

// planesOfValues writes rows of a source as planes of a layout that is not its own: as numbers
// first, a row at a time, which are then rounded.
func planesOfValues(planes [][]byte, l Layout, s Source, order []int32, first, n int) error {
	_, cols := s.Shape()
	if err := l.CheckCols(cols); err != nil {
		return err
	}
	if err := l.checkPlanes(planes, n, cols); err != nil {
		return err
	}
	values, src := make([]float32, cols), make([]byte, 4*cols)
	one := make([][]byte, len(planes))
	for r := range n {
		if err := s.Values(values, first+r, 1); err != nil {
			return err
		}
		if order == nil {
			encodeDense(src, LayoutF32, values)
		}
		for j, i := range order {
			encodeDense(src[4*j:4*j+4], LayoutF32, values[i:i+1])
		}
		for p := range one {
			row := l.PlaneRowBytes(p, cols)
			one[p] = planes[p][r*row : (r+1)*row]
		}
		err := Convert(one, l, F32, src, 1, cols)
		var v *ValueError
		if errors.As(err, &v) {
			v.Row = first + r
		}
		if err != nil {
			return err
		}
	}
	return nil
}
