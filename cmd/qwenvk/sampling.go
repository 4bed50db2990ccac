package main

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/sampler"
)

// setting is a number that a flag or /set gives to the sampler.
type setting struct {
	name        string
	least, most float64
	above       bool // least itself is not allowed
	whole       bool
	put         func(p *sampler.Params, v float64)
}

// settings are all of them, in the order of the help.
var settings = []setting{
	{"temp", 0, 100, false, false, func(p *sampler.Params, v float64) { p.Temperature = v }},
	{"top-k", 0, math.MaxInt32, false, true, func(p *sampler.Params, v float64) { p.TopK = int(v) }},
	{"top-p", 0, 1, false, false, func(p *sampler.Params, v float64) { p.TopP = v }},
	{"min-p", 0, 1, false, false, func(p *sampler.Params, v float64) { p.MinP = v }},
	{"typical-p", 0, 1, true, false, func(p *sampler.Params, v float64) { p.TypicalP = v }},
	{"top-n-sigma", 0, 100, false, false, func(p *sampler.Params, v float64) { p.TopNSigma = v }},
	{"xtc-probability", 0, 1, false, false, func(p *sampler.Params, v float64) { p.XTC.Probability = v }},
	{"xtc-threshold", 0, 1, false, false, func(p *sampler.Params, v float64) { p.XTC.Threshold = v }},
	{"repeat-penalty", 0, 100, true, false, func(p *sampler.Params, v float64) { p.RepetitionPenalty = v }},
	{"presence-penalty", -100, 100, false, false, func(p *sampler.Params, v float64) { p.PresencePenalty = v }},
	{"frequency-penalty", -100, 100, false, false, func(p *sampler.Params, v float64) { p.FrequencyPenalty = v }},
	{"dry-multiplier", 0, 100, false, false, func(p *sampler.Params, v float64) { p.DRY.Multiplier = v }},
	{"dry-base", 1, 100, false, false, func(p *sampler.Params, v float64) { p.DRY.Base = v }},
	{"dry-allowed-length", 1, math.MaxInt32, false, true, func(p *sampler.Params, v float64) { p.DRY.AllowedLength = int(v) }},
	{"mirostat", 0, 2, false, true, func(*sampler.Params, float64) {}}, // on by its target, see apply
	{"mirostat-tau", 0, 100, true, false, func(p *sampler.Params, v float64) { p.Mirostat.Tau = v }},
	{"mirostat-eta", 0, 1, false, false, func(p *sampler.Params, v float64) { p.Mirostat.Eta = v }},
}

// shapes are settings that say how another one acts.
var shapes = map[string]string{
	"xtc-threshold": "xtc-probability", "dry-base": "dry-multiplier", "dry-allowed-length": "dry-multiplier",
	"mirostat-tau": "mirostat", "mirostat-eta": "mirostat",
}

func findSetting(name string) (setting, bool) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

// samplingChoice holds the sampling values that were given; the others come from the model.
type samplingChoice struct {
	set      map[string]float64
	bias     map[int32]float64
	breakers []string // nil: the usual ones
	seed     uint64
}

// read takes the sampling flags. A seed that is not given is drawn: JSON readers keep 53 bits of it.
func (s *samplingChoice) read(c *cli.Context) error {
	s.set = map[string]float64{}
	for _, x := range settings {
		switch {
		case !c.IsSet(x.name):
			continue
		case x.whole:
			s.set[x.name] = float64(c.Int(x.name))
		default:
			s.set[x.name] = c.Float64(x.name)
		}
		if err := checkSampling(x.name, s.set[x.name]); err != nil {
			return err
		}
	}
	for _, word := range c.StringSlice("logit-bias") {
		if err := s.addBias(word); err != nil {
			return err
		}
	}
	if c.IsSet("dry-breaker") {
		s.breakers = readBreakers(c.StringSlice("dry-breaker"))
	}
	s.seed = rand.Uint64() >> 11
	if c.IsSet("seed") {
		s.seed = c.Uint64("seed")
	}
	return s.checkShapes(c.IsSet("dry-breaker"))
}

// checkShapes refuses values that say how something acts which is off.
func (s *samplingChoice) checkShapes(breakers bool) error {
	for _, x := range settings {
		needs, shape := shapes[x.name]
		if _, given := s.set[x.name]; given && shape && s.set[needs] == 0 {
			return usageError("--%s does nothing without --%s, which is off", x.name, needs)
		}
	}
	if breakers && s.set["dry-multiplier"] == 0 {
		return usageError("--dry-breaker does nothing without --dry-multiplier, which is off")
	}
	return nil
}

// checkSampling refuses values that no sampler can mean.
func checkSampling(name string, v float64) error {
	x, _ := findSetting(name)
	inside := v >= x.least && v <= x.most && !(x.above && v == x.least)
	switch {
	case name == "mirostat" && v != 0 && v != 2:
		return usageError("--mirostat is 0 (off) or 2 (the second version), not %g", v)
	case inside:
		return nil
	case x.most == math.MaxInt32:
		return usageError("--%s must be at least %g, not %g", name, x.least, v)
	case x.above:
		return usageError("--%s must be above %g and at most %g, not %g", name, x.least, x.most, v)
	}
	return usageError("--%s must be from %g to %g, not %g", name, x.least, x.most, v)
}

// addBias reads ID=VALUE.
func (s *samplingChoice) addBias(word string) error {
	left, right, ok := strings.Cut(word, "=")
	id, err := strconv.ParseInt(strings.TrimSpace(left), 10, 32)
	v, err2 := strconv.ParseFloat(strings.TrimSpace(right), 64)
	if !ok || err != nil || err2 != nil || id < 0 || !(v >= -100 && v <= 100) && !math.IsInf(v, -1) {
		return usageError("--logit-bias is ID=VALUE, a token id and what is added to its logit, from -100 to 100 or -inf (never), not %q", word)
	}
	if s.bias == nil {
		s.bias = map[int32]float64{}
	}
	s.bias[int32(id)] = v
	return nil
}

// readBreakers reads the texts of --dry-breaker; the word none stands for none at all.
func readBreakers(words []string) []string {
	texts := []string{}
	for _, w := range words {
		if w != "none" && w != "" {
			texts = append(texts, w)
		}
	}
	return texts
}

// setText takes a value of /set that is no number. known is false for other names.
func (s *samplingChoice) setText(name, value string) (known bool, err error) {
	switch {
	case name == "logit-bias" && value == "default":
		s.bias = nil
	case name == "logit-bias":
		s.bias = maps.Clone(s.bias)
		err = s.addBias(value)
	case name == "dry-breaker" && value == "default":
		s.breakers = nil
	case name == "dry-breaker":
		s.breakers = append(slices.Clone(s.breakers), readBreakers([]string{value})...)
		if s.breakers == nil {
			s.breakers = []string{}
		}
	default:
		return false, nil
	}
	return true, err
}

// setNumber takes a number of /set.
func (s *samplingChoice) setNumber(name, value string) error {
	x, ok := findSetting(name)
	switch {
	case !ok:
		return fmt.Errorf("there is no setting %q; /help lists them", name)
	case value == "default":
		delete(s.set, name)
		return nil
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || x.whole && v != math.Trunc(v) {
		return fmt.Errorf("%s takes a number, not %q", name, value)
	}
	if err := checkSampling(name, v); err != nil {
		return err
	}
	s.set[name] = v
	return nil
}

// apply puts the given values over those that the model and the rendered prompt advise.
func (s *samplingChoice) apply(m *loaded, rendered string, o *qwenvk.GenerateOptions) {
	p := m.DefaultSampling(rendered)
	p.Seed, p.LogitBias = s.seed, maps.Clone(s.bias)
	p.XTC.Threshold, p.DRY.Base, p.DRY.AllowedLength, p.Mirostat = 0.1, 1.75, 2, sampler.Mirostat{Tau: 5, Eta: 0.1}
	for _, x := range settings {
		if v, ok := s.set[x.name]; ok {
			x.put(&p, v)
		}
	}
	if s.set["mirostat"] != 2 {
		p.Mirostat = sampler.Mirostat{}
	}
	if p.DRY.Multiplier > 0 {
		texts := s.breakers
		if texts == nil {
			texts = qwenvk.DRYBreakers
		}
		p.DRY.Breakers = m.TokenSequences(texts...)
	}
	o.Sampling = p
}
