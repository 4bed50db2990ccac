package sampler

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
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

	// LogitBias is added to the logits of single ids; -Inf bans one.
	LogitBias map[int32]float64

	// DRY discourages going on with what the text so far has said before.
	DRY DRY

	// TopNSigma keeps the logits that are at most TopNSigma standard deviations of all
	// logits below the highest. 0 is off.
	TopNSigma float64

	// TypicalP keeps the tokens whose surprise is nearest to the expected one, until their
	// mass reaches TypicalP, and those as near as the last. 0 and 1 are off.
	TypicalP float64

	// XTC now and then excludes the most probable tokens.
	XTC XTC

	// Mirostat steers the surprise of the text. When it is on, top-n-sigma, top-k, top-p,
	// min-p, typical and XTC do nothing.
	Mirostat Mirostat

	// Seed chooses the random numbers.
	Seed uint64
}

// DRY ("don't repeat yourself") looks for places where the text so far had what it now ends
// in. The token that came next there loses Multiplier * Base^(n - AllowedLength) of its
// logit, n being the number of ids that agree, if n is at least AllowedLength.
type DRY struct {
	Multiplier    float64 // 0 is off; usual: 0.8
	Base          float64 // usual: 1.75
	AllowedLength int     // usual: 2

	// Breakers are sequences of ids that no agreement goes across. One of a single id is
	// never discouraged itself.
	Breakers [][]int32
}

// XTC ("exclude top choices") excludes, with a Probability for each token, all but the
// least probable of those that reach Threshold. It does nothing where fewer than two do.
type XTC struct {
	Probability float64 // 0 is off
	Threshold   float64 // usual: 0.1; above 0.5 no two tokens reach it
}

// Mirostat is version 2 of the method (Basu et al., "Mirostat: A Neural Text Decoding
// Algorithm that Directly Controls Perplexity", 2020): tokens with a surprise above a bound
// are dropped, and the bound moves by Eta times what the drawn token's surprise is off Tau.
// It begins at 2*Tau. Surprise is in bits.
type Mirostat struct {
	Tau float64 // the surprise aimed at; 0 is off; usual: 5
	Eta float64 // usual: 0.1
}

// Greedy reports whether the highest logit is taken and no random number is used.
func (p Params) Greedy() bool { return p.Temperature == 0 }

// Penalized reports whether any penalty changes the logits.
func (p Params) Penalized() bool {
	return p.repetition() != 1 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
}

// Adjusts reports whether Adjustments may return any.
func (p Params) Adjusts() bool { return len(p.LogitBias) > 0 || p.DRY.Multiplier > 0 }

// effective is p without what mirostat replaces, and without what is off.
func (p Params) effective() Params {
	if p.Mirostat.Tau > 0 {
		p.TopNSigma, p.TopK, p.TopP, p.MinP, p.TypicalP, p.XTC = 0, 0, 1, 0, 0, XTC{}
	}
	if p.TypicalP == 1 {
		p.TypicalP = 0
	}
	return p
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
		{"top-n-sigma", p.TopNSigma, 0, maxSigma, "0 switches it off"},
		{"typical-p", p.TypicalP, 0, 1, "1 switches it off"},
		{"XTC probability", p.XTC.Probability, 0, 1, "0 switches it off"},
		{"XTC threshold", p.XTC.Threshold, 0, 1, "above 0.5 it does nothing"},
		{"DRY multiplier", p.DRY.Multiplier, 0, maxPenalty, "0 switches it off"},
		{"mirostat's tau", p.Mirostat.Tau, 0, maxSurprise, "0 switches it off"},
		{"mirostat's eta", p.Mirostat.Eta, 0, 1, "0 leaves the bound where it is"},
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
	if err := p.DRY.validate(); err != nil {
		return err
	}
	return validBias(p.LogitBias)
}

func (d DRY) validate() error {
	switch {
	case d.Multiplier == 0:
		return nil
	case !(d.Base >= 1 && d.Base <= maxPenalty):
		return fmt.Errorf("sampler: the DRY base is %g; it must be between 1 and %g", d.Base, float64(maxPenalty))
	case d.AllowedLength < 1:
		return fmt.Errorf("sampler: the allowed length of DRY is %d; it must be at least 1", d.AllowedLength)
	}
	for _, b := range d.Breakers {
		if len(b) == 0 {
			return errors.New("sampler: a sequence breaker of DRY is empty")
		}
	}
	return nil
}

// validBias names the lowest id whose bias makes no sense.
func validBias(bias map[int32]float64) error {
	for _, id := range slices.Sorted(maps.Keys(bias)) {
		v := bias[id]
		if id < 0 {
			return fmt.Errorf("sampler: a logit bias is for id %d; ids are 0 and above", id)
		}
		if !(v >= -maxPenalty && v <= maxPenalty) && !math.IsInf(v, -1) {
			return fmt.Errorf("sampler: the logit bias of id %d is %g; it must be between %g and %g, or -Inf", id, v, -float64(maxPenalty), float64(maxPenalty))
		}
	}
	return nil
}

// Beyond these, a logit divided or multiplied leaves float32's range or its meaning.
const (
	minTemperature = 1e-3
	maxTemperature = 1e3
	minRepetition  = 1e-3
	maxPenalty     = 1e3
	maxSigma       = 1e3
	maxSurprise    = 100 // bits; no vocabulary has so many
)
