package sampler

import (
	"fmt"
	"math"
)

// Params says how a token is chosen. The zero value is greedy without penalties.
type Params struct {
	// Temperature divides the logits: below 1 the likely become likelier, above 1 the
	// choice becomes wider. 0 is greedy: top-k, top-p, min-p and the seed then do nothing.
	Temperature float64

	// TopK keeps the TopK highest logits and all that equal the last of them. 0 is off.
	TopK int

	// TopP keeps the smallest set of most probable tokens whose mass reaches TopP, the one
	// that crosses it included, at least one. 1 is off.
	TopP float64

	// MinP drops tokens less than MinP times as probable as the most probable. 0 is off.
	MinP float64

	// RepetitionPenalty divides the positive and multiplies the other logits of every id
	// that the prompt or the answer holds, once each. Above 1 discourages; 1 and 0 are off.
	RepetitionPenalty float64

	// PresencePenalty is subtracted from the logit of every id that the answer holds,
	// FrequencyPenalty as often as it holds it. 0 is off, negative encourages.
	PresencePenalty  float64
	FrequencyPenalty float64

	// Seed chooses the random numbers.
	Seed uint64
}

// Greedy reports whether the highest logit is taken and no random number is used.
func (p Params) Greedy() bool { return p.Temperature == 0 }

// Penalized reports whether any penalty changes the logits.
func (p Params) Penalized() bool {
	return p.repetition() != 1 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
}

// repetition is the penalty as a factor.
func (p Params) repetition() float64 {
	if p.RepetitionPenalty == 0 {
		return 1
	}
	return p.RepetitionPenalty
}

// Validate returns a sentence about the first value that makes no sense.
func (p Params) Validate() error {
	for _, v := range []struct {
		name      string
		value     float64
		low, high float64
		off       string
	}{
		{"temperature", p.Temperature, 0, maxTemperature, "0 is greedy"},
		{"top-p", p.TopP, 0, 1, "1 switches it off"},
		{"min-p", p.MinP, 0, 1, "0 switches it off"},
		{"repetition penalty", p.RepetitionPenalty, 0, maxPenalty, "1 switches it off"},
		{"presence penalty", p.PresencePenalty, -maxPenalty, maxPenalty, "0 switches it off"},
		{"frequency penalty", p.FrequencyPenalty, -maxPenalty, maxPenalty, "0 switches it off"},
	} {
		if math.IsNaN(v.value) || v.value < v.low || v.value > v.high {
			return fmt.Errorf("sampler: %s is %g; it must be between %g and %g (%s)", v.name, v.value, v.low, v.high, v.off)
		}
	}
	switch {
	case p.TopK < 0:
		return fmt.Errorf("sampler: top-k is %d; it must be 0 (off) or more", p.TopK)
	case !p.Greedy() && p.Temperature < minTemperature:
		return fmt.Errorf("sampler: temperature is %g; below %g it must be 0 (greedy)", p.Temperature, minTemperature)
	case !p.Greedy() && p.TopP == 0:
		return fmt.Errorf("sampler: top-p is 0; it must be above 0 and at most 1 (1 switches it off)")
	case p.RepetitionPenalty != 0 && p.RepetitionPenalty < minRepetition:
		return fmt.Errorf("sampler: repetition penalty is %g; it must be at least %g (1 switches it off)", p.RepetitionPenalty, minRepetition)
	}
	return nil
}

// Beyond these, a logit divided or multiplied leaves float32's range or its meaning.
const (
	minTemperature = 1e-3
	maxTemperature = 1e3
	minRepetition  = 1e-3
	maxPenalty     = 1e3
)
