package ui

import (
	"math"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
)

// Series is the last values of a figure.
type Series struct {
	values [48]float64
	n      int
}

// Add appends a value.
func (s *Series) Add(v float64) {
	s.values[s.n%len(s.values)] = v
	s.n++
}

// Last is the value added last; 0: none was.
func (s *Series) Last() float64 {
	if s.n == 0 {
		return 0
	}
	return s.values[(s.n-1)%len(s.values)]
}

// Mean is the mean of the last few values.
func (s *Series) Mean(last int) (mean float64) {
	n := min(s.n, last, len(s.values))
	for i := s.n - n; i < s.n; i++ {
		mean += s.values[i%len(s.values)] / float64(n)
	}
	return mean
}

// draw plots the values as columns over the rectangle, the newest at the right. full is the value that fills the height, at
// least; values above limit are drawn in the color of a warning, 0: none.
func (s *Series) draw(l *canvas.List, r canvas.Rect, full, limit float64, normal, warning canvas.Color) {
	for i := max(0, s.n-len(s.values)); i < s.n; i++ {
		full = max(full, s.values[i%len(s.values)])
	}
	step := math.Floor(r.W / float64(len(s.values))) // whole pixels stay sharp
	for i := range min(s.n, len(s.values)) {
		v := s.values[(s.n-1-i)%len(s.values)]
		h := max(1, math.Round(v/full*r.H))
		color := normal
		if limit > 0 && v > limit {
			color = warning
		}
		l.Fill(canvas.Rect{X: r.X + r.W - float64(i+1)*step, Y: r.Y + r.H - h, W: max(1, step-1), H: h}, color, 0)
	}
}
