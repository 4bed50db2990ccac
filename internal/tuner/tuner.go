package tuner

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Choice is one thing to decide.
type Choice struct {
	Key        string   // names it among all choices
	Candidates []string // in the order of their static preference; the first is the default
	Weight     float64  // what deciding it well is worth: choices are measured from the greatest to the least
}

// Verdict is what became of a choice.
type Verdict struct {
	Choice
	Best     int             // index into Candidates
	Measured bool            // false: the budget ended first, and Best is the default
	Times    []time.Duration // median by candidate; 0: not measured enough to count
	Excluded []error         // by candidate: why it failed; nil otherwise
}

// ErrFatal marks errors of a measurement behind which nothing can be measured any more, as when a device is lost.
var ErrFatal = errors.New("nothing can be measured any more")

// Tuner decides choices.
type Tuner struct {
	Now    func() time.Time // the clock that the budget is kept by
	Budget time.Duration    // of Decide
	// Prepare makes the candidates of a choice ready, so that compiling counts for none of their times; nil: nothing is
	// to be done. It returns an error for each candidate that cannot be used.
	Prepare func(c Choice) []error
	// Measure times one run of a candidate. An error excludes it; ErrFatal ends everything.
	Measure func(c Choice, candidate int) (time.Duration, error)
}

const (
	rounds   = 7    // times of a candidate, at most
	enough   = 3    // times of a candidate at which its median counts
	hopeless = 1.25 // of the best median: a candidate behind it is not measured on
	// noise is the least share by which another candidate must be faster than the default. Where the default's own times
	// differ by more, that counts.
	noise = 0.02
)

// Decide measures the choices, the weightiest first. The verdicts are in the order of the choices. The error is the fatal
// one of a measurement: the verdicts up to then stand.
func (t *Tuner) Decide(choices []Choice) ([]Verdict, error) {
	end := t.Now().Add(t.Budget)
	verdicts := make([]Verdict, len(choices))
	order := make([]int, len(choices))
	for i, c := range choices {
		verdicts[i] = Verdict{Choice: c, Times: make([]time.Duration, len(c.Candidates)), Excluded: make([]error, len(c.Candidates))}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case choices[a].Weight > choices[b].Weight:
			return -1
		case choices[a].Weight < choices[b].Weight:
			return 1
		}
		return 0
	})
	for _, i := range order {
		if !t.Now().Before(end) {
			break
		}
		if err := t.decide(&verdicts[i], end); err != nil {
			return verdicts, err
		}
	}
	return verdicts, nil
}

// decide measures one choice in rounds.
func (t *Tuner) decide(v *Verdict, end time.Time) error {
	if len(v.Candidates) < 2 {
		return nil
	}
	if t.Prepare != nil {
		copy(v.Excluded, t.Prepare(v.Choice))
	}
	if err := fatal(v.Excluded); err != nil {
		return err
	}
	times := make([][]time.Duration, len(v.Candidates))
	behind := make([]bool, len(v.Candidates))
	whole := 0 // rounds in which every candidate had its turn
	for ; whole < rounds; whole++ {
		for i := range v.Candidates {
			if v.Excluded[i] != nil || behind[i] {
				continue
			}
			if !t.Now().Before(end) {
				v.judge(times, behind, whole)
				return nil
			}
			took, err := t.Measure(v.Choice, i)
			if err == nil && took <= 0 {
				err = fmt.Errorf("a time of %v", took)
			}
			if err != nil {
				v.Excluded[i] = err
				if errors.Is(err, ErrFatal) {
					v.judge(times, behind, whole)
					return err
				}
				continue
			}
			times[i] = append(times[i], took)
		}
		if whole+1 >= enough {
			v.mark(behind, times)
		}
	}
	v.judge(times, behind, whole)
	return nil
}

func fatal(errs []error) error {
	for _, err := range errs {
		if errors.Is(err, ErrFatal) {
			return err
		}
	}
	return nil
}

// mark notes the candidates that are too far behind to be measured on.
func (v *Verdict) mark(behind []bool, times [][]time.Duration) {
	best := time.Duration(0)
	for i := range times {
		if m := median(times[i]); len(times[i]) > 0 && v.Excluded[i] == nil && !behind[i] && (best == 0 || m < best) {
			best = m
		}
	}
	for i := range times {
		behind[i] = behind[i] || len(times[i]) > 0 && float64(median(times[i])) > hopeless*float64(best)
	}
}

// judge takes the candidate with the least median, or keeps the default where that is no slower than the noise. Only those
// that were measured to the end are compared: the others' times are of earlier rounds.
func (v *Verdict) judge(times [][]time.Duration, behind []bool, whole int) {
	best := -1
	for i := range times {
		if v.Excluded[i] != nil || len(times[i]) < enough {
			continue
		}
		v.Times[i] = median(times[i])
		if !behind[i] && (best < 0 || v.Times[i] < v.Times[best]) {
			best = i
		}
	}
	first := slices.Index(v.Excluded, nil) // that works
	switch {
	case first < 0: // all failed: there is nothing better to say than the default
		v.Best = 0
	case whole < enough || best < 0: // the budget ended before all had their turns
		v.Best = first
		v.Measured = first != 0 && whole > 0
	default:
		v.Measured, v.Best = true, best
		// An earlier candidate stays unless the best is faster by more than the noise.
		for i := first; i < best; i++ {
			if v.Times[i] > 0 && !behind[i] && float64(v.Times[i]) <= float64(v.Times[best])*(1+max(noise, spread(times[i]))) {
				v.Best = i
				break
			}
		}
	}
}

// median of an odd or even number of times; 0 of none.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread is half the distance of the quartiles, as a share of the median: what two medians differ by without a reason. A
// time far out does not move it. It is bounded, so that a machine in tumult does not keep a default that is hopeless.
func spread(times []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(times))
	n := len(sorted)
	if n < 4 {
		return 0
	}
	quartiles := sorted[n-1-n/4] - sorted[n/4]
	return min(0.1, float64(quartiles)/2/float64(median(times)))
}
