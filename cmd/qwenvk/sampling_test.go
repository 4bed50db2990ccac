package main

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// TestSetNumbers: /set takes every number that a flag of run gives to the sampler, within the same bounds, takes it back, and
// tells of it.
func TestSetNumbers(t *testing.T) {
	var flags []string
	for _, f := range samplingFlags() {
		flags = append(flags, f.Names()...)
	}
	s := &samplingChoice{set: map[string]float64{}}
	for _, x := range settings {
		value := "1"
		if x.name == "mirostat" {
			value = "2"
		}
		if err := s.setNumber(x.name, value); err != nil {
			t.Errorf("/set %s %s: %v", x.name, value, err)
		}
		if _, ok := s.set[x.name]; !ok {
			t.Errorf("/set %s had no effect", x.name)
		}
		for _, bad := range []string{"", "x", "NaN", "-1000", "1e99"} {
			if s.setNumber(x.name, bad) == nil {
				t.Errorf("/set %s took %q", x.name, bad)
			}
		}
		if x.whole && s.setNumber(x.name, "1.5") == nil {
			t.Errorf("/set %s took 1.5", x.name)
		}
		if err := s.setNumber(x.name, "default"); err != nil || len(s.set) > 0 {
			t.Errorf("/set %s default leaves %v, %v", x.name, s.set, err)
		}
		if !slices.Contains(flags, x.name) {
			t.Errorf("there is no flag --%s", x.name)
		}
		if !strings.Contains(slashHelp(0), x.name) {
			t.Errorf("/help does not tell of %s", x.name)
		}
	}
	if err := s.setNumber("nonsense", "1"); err == nil {
		t.Error("a setting that does not exist was taken")
	}
}

func TestSetTexts(t *testing.T) {
	s := &samplingChoice{}
	set := func(name, value string) error {
		known, err := s.setText(name, value)
		if !known {
			t.Errorf("%s is not known", name)
		}
		return err
	}
	for _, value := range []string{"5=1.5", "6=-inf", "5=-2"} {
		if err := set("logit-bias", value); err != nil {
			t.Errorf("logit-bias %s: %v", value, err)
		}
	}
	if len(s.bias) != 2 || s.bias[5] != -2 || !math.IsInf(s.bias[6], -1) {
		t.Errorf("the biases are %v", s.bias)
	}
	for _, value := range []string{"5", "x=1", "-1=1", "5=inf", "5=NaN", "5=200", "99999999999=1"} {
		if set("logit-bias", value) == nil {
			t.Errorf("logit-bias took %q", value)
		}
	}
	if err := set("logit-bias", "default"); err != nil || s.bias != nil {
		t.Errorf("biases %v, %v", s.bias, err)
	}
	if err := set("dry-breaker", ";"); err != nil || !slices.Equal(s.breakers, []string{";"}) {
		t.Errorf("breakers %q, %v", s.breakers, err)
	}
	if err := set("dry-breaker", "default"); err != nil || s.breakers != nil {
		t.Errorf("breakers %q, %v", s.breakers, err)
	}
	if err := set("dry-breaker", "none"); err != nil || s.breakers == nil || len(s.breakers) != 0 {
		t.Errorf("breakers %q, %v: none is no text, not the usual ones", s.breakers, err)
	}
	if known, _ := s.setText("temp", "1"); known {
		t.Error("temp is a number")
	}
}
