package bench

import (
	"fmt"
	"math"
	"slices"
)

// meanAndSpread returns the mean and the standard deviation of a sample.
func meanAndSpread(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	if len(values) < 2 {
		return mean, 0
	}
	var squares float64
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(squares / float64(len(values)-1))
}

// median is the middle of a sample, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// driftLimit is the change between the halves of a test's runs that is worth telling.
const driftLimit = 0.03

// drift is by how much the second half of a test's runs was faster than the first (-0.1: a tenth slower), by their medians;
// the run in the middle of an odd number belongs to neither. clear tells halves that do not overlap and differ by more than
// driftLimit: a clock or a temperature that has changed, and not chance. Fewer than 4 runs have none.
func drift(runs []float64) (change float64, clear, ok bool) {
	half := len(runs) / 2
	if half < 2 {
		return 0, false, false
	}
	first, second := runs[:half], runs[len(runs)-half:]
	before, after := median(first), median(second)
	if before <= 0 {
		return 0, false, false
	}
	change = after/before - 1
	apart := slices.Max(second) < slices.Min(first) || slices.Min(second) > slices.Max(first)
	return change, apart && math.Abs(change) > driftLimit, true
}

// DriftNote says in words that a test's speed drifted; "" where it did not.
func DriftNote(r Row) string {
	change, clear, ok := drift(r.TPS)
	if !ok || !clear {
		return ""
	}
	word := "faster"
	if change < 0 {
		word = "slower"
	}
	return fmt.Sprintf("%s: the second half of the runs was %.0f %% %s than the first: the device's clock or temperature changed, or something else used it", r.Test, 100*math.Abs(change), word)
}
