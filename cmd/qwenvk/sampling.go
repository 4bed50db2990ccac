package main

import (
	"math/rand/v2"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

// samplingChoice holds the sampling values that were given; the others come from the model.
type samplingChoice struct {
	set  map[string]float64
	seed uint64
}

// read takes the sampling flags. A seed that is not given is drawn: JSON readers keep 53 bits of it.
func (s *samplingChoice) read(c *cli.Context) error {
	s.set = map[string]float64{}
	for _, flag := range []string{"temp", "top-p", "min-p", "repeat-penalty", "presence-penalty", "frequency-penalty"} {
		if c.IsSet(flag) {
			s.set[flag] = c.Float64(flag)
		}
	}
	if c.IsSet("top-k") {
		s.set["top-k"] = float64(c.Int("top-k"))
	}
	s.seed = rand.Uint64() >> 11
	if c.IsSet("seed") {
		s.seed = c.Uint64("seed")
	}
	for flag, value := range s.set {
		if err := checkSampling(flag, value); err != nil {
			return err
		}
	}
	return nil
}

// checkSampling refuses values that no sampler can mean.
func checkSampling(flag string, v float64) error {
	switch {
	case flag == "temp" && !(v >= 0 && v <= 100):
		return usageError("--temp must be from 0 to 100, not %g", v)
	case flag == "top-k" && v < 0:
		return usageError("--top-k must be at least 0, not %g", v)
	case (flag == "top-p" || flag == "min-p") && !(v >= 0 && v <= 1):
		return usageError("--%s must be from 0 to 1, not %g", flag, v)
	case flag == "repeat-penalty" && !(v > 0 && v <= 100):
		return usageError("--repeat-penalty must be above 0 and at most 100, not %g", v)
	case (flag == "presence-penalty" || flag == "frequency-penalty") && !(v >= -100 && v <= 100):
		return usageError("--%s must be from -100 to 100, not %g", flag, v)
	}
	return nil
}

// apply puts the given values over those that the model and the rendered prompt advise.
func (s *samplingChoice) apply(m *loaded, rendered string, o *qwenvk.GenerateOptions) {
	o.Sampling = m.DefaultSampling(rendered)
	o.Sampling.Seed = s.seed
	for flag, to := range map[string]*float64{
		"temp": &o.Sampling.Temperature, "top-p": &o.Sampling.TopP, "min-p": &o.Sampling.MinP,
		"repeat-penalty": &o.Sampling.RepetitionPenalty, "presence-penalty": &o.Sampling.PresencePenalty,
		"frequency-penalty": &o.Sampling.FrequencyPenalty,
	} {
		if v, ok := s.set[flag]; ok {
			*to = v
		}
	}
	if v, ok := s.set["top-k"]; ok {
		o.Sampling.TopK = int(v)
	}
}
