package grammar

import (
	"math/big"
)

// Digits of numbers whose bounds allow more: 18 fit an int64, 15 a float64.
const (
	integerDigits = 18
	numberDigits  = 15
)

// maxDecimals bounds the decimals of numbers with bounds.
const maxDecimals = 12

// numbers compiles integers, or all numbers: with bounds or a divisor, those of each number of decimals are whole numbers
// of a power of ten, with whole bounds.
func (s *schemas) numbers(m *merged) (expr, error) {
	b := &m.number
	fractions := m.only&typeFraction != 0
	if b.least == nil && b.most == nil && b.multiple == nil {
		if fractions {
			return s.free(numberRule), nil
		}
		return s.free(integerRule), nil
	}
	if b.least != nil && b.most != nil {
		if c := b.least.Cmp(b.most); c > 0 || c == 0 && (b.leastExclusive || b.mostExclude) {
			return s.nothing(m.where, "no answer fits: no number lies between the minimum and the maximum"), nil
		}
	}
	decimals := 0
	switch {
	case !fractions:
	case b.multiple != nil: // a multiple has no more decimals than the divisor
		decimals = decimalsOf(b.multiple)
	default:
		decimals = max(4, decimalsOf(b.least), decimalsOf(b.most))
	}
	alts := choice{}
	for k := 0; k <= decimals || fractions && b.multiple == nil && len(alts) == 0 && k <= maxDecimals; k++ {
		one, err := b.withDecimals(k, fractions)
		if err != nil {
			return nil, because(m.where, err)
		}
		alts = append(alts, one...)
	}
	if len(alts) == 0 {
		return s.nothing(m.where, "no answer fits: no number within the bounds is a multiple of multipleOf, or has %d decimals", decimals), nil
	}
	return alts, nil
}

func because(pointer string, err error) error {
	if own, ok := err.(*Error); ok {
		return own
	}
	return fault(pointer, "%v", err)
}

// decimalsOf is how many decimals a number has, at most maxDecimals; 0 of none.
func decimalsOf(r *big.Rat) int {
	if r == nil {
		return 0
	}
	n, _ := r.FloatPrec()
	return min(n, maxDecimals)
}

// withDecimals returns the numbers of exactly k decimals.
func (b *numberRange) withDecimals(k int, fractions bool) (choice, error) {
	digits := integerDigits
	if fractions {
		digits = numberDigits
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(k)), nil)
	scaled := func(r *big.Rat) *big.Rat { return new(big.Rat).Mul(r, new(big.Rat).SetInt(scale)) }
	high := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	for _, r := range []*big.Rat{b.least, b.most} {
		if r != nil { // a bound beyond the usual digits takes the other one along
			if x := new(big.Int).Abs(ceil(r)); x.Cmp(high) >= 0 {
				high = x.Mul(x, big.NewInt(10))
			}
		}
	}
	high.Mul(high, scale).Sub(high, big.NewInt(1))
	low := new(big.Int).Neg(high)
	one := big.NewInt(1)
	if b.least != nil {
		r := scaled(b.least)
		if low = ceil(r); b.leastExclusive && r.IsInt() {
			low.Add(low, one)
		}
	}
	if b.most != nil {
		r := scaled(b.most)
		if high = floor(r); b.mostExclude && r.IsInt() {
			high.Sub(high, one)
		}
	}
	multiple := int64(1)
	if b.multiple != nil {
		// N/10^k is a multiple of a/b just if N is one of the numerator of 10^k*a/b in lowest terms.
		n := scaled(b.multiple).Num()
		if n.BitLen() > 31 {
			return nil, errDivisor
		}
		multiple = n.Int64()
	}
	var alts choice
	if high.Sign() >= 0 {
		if m, err := digitMachine(bigMax(low, new(big.Int)), high, multiple, k); err != nil || m != nil {
			if alts = append(alts, m); err != nil {
				return nil, err
			}
		}
	}
	if low.Sign() < 0 {
		least := bigMax(new(big.Int).Neg(high), one)
		if m, err := digitMachine(least, new(big.Int).Neg(low), multiple, k); err != nil || m != nil {
			if alts = append(alts, sequence{literal("-"), m}); err != nil {
				return nil, err
			}
		}
	}
	return alts, nil
}

func bigMax(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func floor(r *big.Rat) *big.Int {
	q, _ := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int)) // Euclid's: towards minus infinity, as denominators are positive
	return q
}

func ceil(r *big.Rat) *big.Int { return new(big.Int).Neg(floor(new(big.Rat).Neg(r))) }

var errDivisor = &divisorError{}

type divisorError struct{}

func (*divisorError) Error() string {
	return "multipleOf is too large for an automaton; use a smaller one, or narrower bounds"
}

// maxDigitStates bounds the automaton of a range of numbers.
const maxDigitStates = 8000

// digitMachine accepts the decimal digits of the multiples between low and high, neither negative, with a point before
// the last k of them. It is nil if there are none.
func digitMachine(low, high *big.Int, multiple int64, k int) (*machine, error) {
	if low.Cmp(high) > 0 {
		return nil, nil
	}
	if len(high.String()) > 60 {
		return nil, fault("", "a bound has more than 60 digits")
	}
	d := &digits{k: k, multiple: multiple, m: &machine{states: make([]machineState, 1)}, index: map[digitKey]int{}}
	pad := func(n *big.Int) string {
		text := n.String()
		for len(text) < k+1 {
			text = "0" + text
		}
		return text
	}
	first, last := pad(low), pad(high)
	for n := len(first); n <= len(last); n++ {
		d.low, d.high = "1", ""
		for len(d.low) < n {
			d.low += "0"
		}
		for len(d.high) < n {
			d.high += "9"
		}
		if n == len(first) {
			d.low = first
		}
		if n == len(last) {
			d.high = last
		}
		d.edges(0, digitKey{left: n, tightLow: true, tightHigh: true, length: n})
	}
	if len(d.m.states) > maxDigitStates {
		return nil, errDivisor
	}
	if len(d.m.states[0].edges) == 0 {
		return nil, nil
	}
	return d.m, nil
}

// digits builds the automaton digit by digit.
type digits struct {
	k         int
	multiple  int64
	low, high string // of the length that is being built
	m         *machine
	index     map[digitKey]int // -1: nothing is accepted from there
}

// digitKey is a state: digits that are left, whether those so far are those of a bound, and their remainder.
type digitKey struct {
	left                int
	tightLow, tightHigh bool
	length              int // 0 where no bound matters any more
	remainder           int64
}

func (d *digits) state(key digitKey) int {
	if !key.tightLow && !key.tightHigh {
		key.length = 0
	}
	if i, ok := d.index[key]; ok {
		return i
	}
	if len(d.m.states) > maxDigitStates {
		return -1
	}
	i := len(d.m.states)
	d.m.states = append(d.m.states, machineState{final: key.left == 0 && key.remainder == 0})
	d.index[key] = i
	d.edges(i, key)
	if !d.m.states[i].final && len(d.m.states[i].edges) == 0 {
		d.index[key] = -1
	}
	return d.index[key]
}

// edges adds the digits that may come next, those that lead to the same state together.
func (d *digits) edges(from int, key digitKey) {
	if key.left == 0 {
		return
	}
	at := key.length - key.left
	least, most := byte('0'), byte('9')
	if key.tightLow {
		least = d.low[at]
	}
	if key.tightHigh {
		most = d.high[at]
	}
	sets := map[int]runeSet{}
	var order []int
	for c := least; c <= most; c++ {
		to := d.state(digitKey{
			left: key.left - 1, length: key.length, remainder: (key.remainder*10 + int64(c-'0')) % d.multiple,
			tightLow: key.tightLow && c == least, tightHigh: key.tightHigh && c == most,
		})
		if to < 0 {
			continue
		}
		if _, ok := sets[to]; !ok {
			order = append(order, to)
		}
		sets[to] = append(sets[to], runeRange{rune(c), rune(c)})
	}
	for _, to := range order {
		var text expr = sets[to].normal()
		if key.left == d.k {
			text = sequence{literal("."), text}
		}
		d.m.states[from].edges = append(d.m.states[from].edges, machineEdge{text, to})
	}
}
