package quant

import (
	"errors"
	"fmt"
)

// Source is a matrix as a model file stores it. It knows how to write any of its rows as planes
// of a layout, or as plain numbers, without ever holding the whole matrix in another form. Its
// methods may be called from several goroutines at once.
type Source interface {
	// Shape returns the rows (outputs of a linear layer) and columns (inputs).
	Shape() (rows, cols int)

	// Layout returns the layout that the matrix lies in on a device unless somebody asks for
	// another: the one that holds its values in the fewest bytes, rounded as the type of the
	// source says, if at all. It is the zero Layout for what is not computed with.
	Layout() Layout

	// Order returns the order of the columns in planes: column j of a plane is column Order[j]
	// of the matrix, so that a product needs its input in that order. It is nil where planes
	// keep the columns as they are. Callers don't write to it.
	Order() ([]int32, error)

	// Planes writes rows [first, first+n) as planes of layout l, each of which has exactly
	// n × PlaneRowBytes bytes. It rounds where l cannot hold the values. A weight that cannot
	// be used is a *ValueError with its place in the whole matrix, columns counted in Order.
	Planes(planes [][]byte, l Layout, first, n int) error

	// Values writes rows [first, first+n) as n × cols numbers, columns in the matrix's own
	// order. NaN and infinities pass through.
	Values(dst []float32, first, n int) error
}

// Blocks is the Source of a matrix that is one Type throughout, row after row.
type Blocks struct {
	Type       Type
	Rows, Cols int
	Data       []byte // Rows × Type.RowBytes(Cols)
}

// Shape returns Rows and Cols.
func (b Blocks) Shape() (rows, cols int) { return b.Rows, b.Cols }

// Layout is LayoutOf the type.
func (b Blocks) Layout() Layout { return LayoutOf(b.Type) }

// Order is nil: blocks keep their columns.
func (b Blocks) Order() ([]int32, error) { return nil, nil }

// Planes is Convert.
func (b Blocks) Planes(planes [][]byte, l Layout, first, n int) error {
	src, err := b.rows(first, n)
	if err != nil {
		return err
	}
	return shiftRow(Convert(planes, l, b.Type, src, n, b.Cols), first)
}

// Values is Dequantize.
func (b Blocks) Values(dst []float32, first, n int) error {
	src, err := b.rows(first, n)
	if err != nil {
		return err
	}
	return Dequantize(dst, b.Type, src)
}

// rows returns the bytes of rows [first, first+n).
func (b Blocks) rows(first, n int) ([]byte, error) {
	row, err := b.Type.RowBytes(b.Cols)
	if err != nil {
		return nil, err
	}
	if err := checkRows(first, n, b.Rows); err != nil {
		return nil, err
	}
	if len(b.Data)/row < first+n {
		return nil, fmt.Errorf("quant: %d bytes of %v hold fewer than %d rows of %d", len(b.Data), b.Type, first+n, b.Cols)
	}
	return b.Data[first*row : (first+n)*row], nil
}

// Dense reports whether the layout stores each number on its own: F32, F16, BF16.
func (l Layout) Dense() bool { return l.Kind >= LayoutF32 && l.Kind <= LayoutBF16 }

// checkRows holds a range of rows against the matrix.
func checkRows(first, n, rows int) error {
	if first < 0 || n < 0 || first > rows || n > rows-first {
		return fmt.Errorf("quant: rows %d to %d are not in a matrix of %d rows", first, first+n, rows)
	}
	return nil
}

// shiftRow makes the row of a ValueError count from the first row of the matrix.
func shiftRow(err error, first int) error {
	var v *ValueError
	if errors.As(err, &v) {
		v.Row += first
	}
	return err
}
