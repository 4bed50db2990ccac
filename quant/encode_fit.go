package quant

import "math"

// The search for scales. A block of numbers x with weights w is written as levels q, integers
// from 0 to a most (or from -n to n-1), and constants that the block's format provides. For
// given levels the best constants are the solution of a least-squares problem in closed form;
// for given constants the best levels are the nearest ones. The search tries a few spacings of
// the levels around the one that spans the block, solves for the constants of each, and keeps
// what has the least weighted square error. Sums are float64, because the errors of two
// candidates differ in digits that a float32 loses to cancellation.

// maxGroup is the most numbers that share one scale.
const maxGroup = 32

// candidates are the spacings to try: the block's range is divided into levels + first,
// levels + first + step, ... parts, n of them.
type candidates struct {
	first, step float64
	n           int
}

// search tries every third candidate and then the two on either side of the best: the error has
// one valley with small dents, and what is missed in those is below what the rounding of the
// scales costs. try returns what is to be as large as possible.
func (c candidates) search(try func(spaced float64) (gain float64)) {
	const stride = 3
	best, at := math.Inf(-1), 0
	for i := 1; i < c.n; i += stride {
		if gain := try(c.first + c.step*float64(i)); gain > best {
			best, at = gain, i
		}
	}
	for _, i := range [2]int{at - 1, at + 1} {
		if i >= 0 && i < c.n {
			try(c.first + c.step*float64(i))
		}
	}
}

// weighing makes a number's weight: bias + linear·|x| + square·x². Large weights of a model
// matter more than their share of the numbers.
type weighing struct{ bias, linear, square float64 }

// evenly weighs all numbers the same.
var evenly = weighing{bias: 1}

// sample is the numbers that share a scale, with their weights and the sums that all candidates
// need.
type sample struct {
	n        int
	x, w, wx [maxGroup]float64
	sw, swx  float64 // Σ w, Σ w x
	least    float64 // the smallest of x and 0
	most     float64 // the largest of x and 0
	extreme  float64 // the x farthest from zero, with its sign
}

func (s *sample) load(x []float32, by weighing) {
	s.n = len(x)
	s.sw, s.swx, s.least, s.most = 0, 0, 0, 0
	for i, f := range x {
		v := float64(f)
		w := by.bias + by.linear*float64(abs32(f)) + by.square*(v*v)
		s.x[i], s.w[i], s.wx[i] = v, w, w*v
		s.sw += w
		s.swx += w * v
		s.least, s.most = min(s.least, v), max(s.most, v)
	}
	s.extreme = s.most
	if -s.least > s.most {
		s.extreme = s.least
	}
}

// fitAffine finds scale ≥ 0 and floor ≤ 0 with x ≈ scale·q + floor, q from 0 to levels. With s
// rounded to levels q, the weighted normal equations give
//
//	scale = (Σw·Σwqx − Σwx·Σwq) / D      D = Σw·Σwq² − (Σwq)²
//	floor = (Σwq²·Σwx − Σwq·Σwqx) / D    error = Σwx² − scale·Σwqx − floor·Σwx
//
// and where floor came out above 0, which no format stores, scale = Σwqx / Σwq². Σwx² is the same
// for all candidates and left out: the gain is what a candidate takes off it. A block without
// spread is its floor alone.
func (s *sample) fitAffine(levels int, c candidates) (scale, floor float64) {
	return s.fit(levels, c, 0)
}

// fit is fitAffine for floors up to ceiling, which is 0 or infinite.
func (s *sample) fit(levels int, c candidates, ceiling float64) (scale, floor float64) {
	span := s.most - s.least
	if span == 0 {
		return 0, s.least
	}
	scale, floor = span/float64(levels), s.least
	top := float64(levels)
	best := math.Inf(-1)
	var y [maxGroup]float64
	for i, v := range s.x[:s.n] {
		y[i] = v - s.least
	}
	c.search(func(spaced float64) (gain float64) {
		sq, sqq, sqx := s.sums(&y, (top+spaced)/span, 0, top)
		d := s.sw*sqq - sq*sq
		if !(d > 0) {
			return math.Inf(-1)
		}
		a, b := (s.sw*sqx-s.swx*sq)/d, (sqq*s.swx-sq*sqx)/d
		if b > ceiling {
			a, b = sqx/sqq, 0
		}
		if !(a > 0) {
			return math.Inf(-1)
		}
		// For any a and b, so that the bound at 0 is judged as well.
		gain = 2*a*sqx + 2*b*s.swx - a*a*sqq - b*b*s.sw - 2*a*b*sq
		if gain > best {
			best, scale, floor = gain, a, b
		}
		return gain
	})
	return scale, floor
}

// fitSymmetric finds the scale, of either sign, with x ≈ scale·q, q from -n to n-1. It is the
// level -n, the one without a mirror, that the number farthest from zero is given.
//
//	scale = Σwqx / Σwq²    error = Σwx² − (Σwqx)² / Σwq²
func (s *sample) fitSymmetric(n int, c candidates) float64 {
	if s.extreme == 0 {
		return 0
	}
	top := float64(n)
	best, scale := 0.0, -s.extreme/top
	c.search(func(spaced float64) (gain float64) {
		_, sqq, sqx := s.sums(&s.x, -(top+spaced)/s.extreme, -top, top-1)
		if sqq == 0 {
			return math.Inf(-1)
		}
		gain = sqx * sqx / sqq
		if gain > best {
			best, scale = gain, sqx/sqq
		}
		return gain
	})
	return scale
}

// sums rounds y·inv to levels q from least to most, and returns Σwq, Σwq² and Σwqx. It is where
// the time goes: numbers come in arrays of 16, whose bounds need no checks, the two chains of
// sums are added at once, and the limits are branches that are hardly ever taken.
func (s *sample) sums(y *[maxGroup]float64, inv, least, most float64) (sq, sqq, sqx float64) {
	const big = 3 << 51 // float64s of this size are 1 apart: adding it rounds to nearest, ties to even
	var sq2, sqq2, sqx2 float64
	for at := 0; at < s.n; at += 16 {
		y, w, wx := (*[16]float64)(y[at:]), (*[16]float64)(s.w[at:]), (*[16]float64)(s.wx[at:])
		for i := 0; i < 16; i += 2 {
			q, p := y[i]*inv+big-big, y[i+1]*inv+big-big
			if q > most {
				q = most
			} else if q < least {
				q = least
			}
			if p > most {
				p = most
			} else if p < least {
				p = least
			}
			wq, wp := w[i]*q, w[i+1]*p
			sq += wq
			sq2 += wp
			sqq += wq * q
			sqq2 += wp * p
			sqx += wx[i] * q
			sqx2 += wx[i+1] * p
		}
	}
	return sq + sq2, sqq + sqq2, sqx + sqx2
}

// fitFree is fitAffine for formats that store a floor of either sign.
func (s *sample) fitFree(levels int, c candidates) (scale, floor float64) {
	s.least, s.most = s.x[0], s.x[0]
	for _, v := range s.x[:s.n] {
		s.least, s.most = min(s.least, v), max(s.most, v)
	}
	return s.fit(levels, c, math.Inf(1))
}
