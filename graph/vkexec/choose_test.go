package vkexec

import (
	"errors"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// fakeTable is a table of modules in which "fast" exists for devices with integer dot products alone.
func fakeTable(kernel string, _ shaders.Variant, allowed func(*shaders.Module) bool) (*shaders.Module, error) {
	var best *shaders.Module
	for _, m := range []shaders.Module{
		{Kernel: "fast", Tier: 2, Needs: []string{"integer-dot"}},
		{Kernel: "plain", Tier: 0},
		{Kernel: "plain", Tier: 1, Needs: []string{"float16", "storage16"}},
		{Kernel: "slow", Tier: 0},
	} {
		if m.Kernel == kernel && (best == nil || m.Tier > best.Tier) && allowed(&m) {
			best = &m
		}
	}
	if best == nil {
		return nil, errors.New("none")
	}
	return best, nil
}

func TestChoose(t *testing.T) {
	strong := vk.Caps{DotProductAccelerated: true, Float16: true, Storage16: true}
	for _, c := range []struct {
		what     string
		caps     vk.Caps
		disabled string
		vetoed   string // kernel
		vetoTier int    // from this one on
		measured string
		want     string
		tier     int
	}{
		{what: "the first where everything is there", caps: strong, want: "fast", tier: 2},
		{what: "a capability is absent", caps: vk.Caps{Float16: true, Storage16: true}, want: "plain", tier: 1},
		{what: "one of two capabilities is absent", caps: vk.Caps{Float16: true}, want: "plain", tier: 0},
		{what: "nothing but Vulkan 1.1", want: "plain", tier: 0},
		{what: "the first is disabled", caps: strong, disabled: "fast", want: "plain", tier: 1},
		{what: "disabling leaves group 0", caps: vk.Caps{Float16: true, Storage16: true}, disabled: "plain", want: "plain", tier: 0},
		{what: "the first is wrong on this driver", caps: strong, vetoed: "fast", want: "plain", tier: 1},
		{what: "a higher module alone is wrong", caps: vk.Caps{Float16: true, Storage16: true}, vetoed: "plain", vetoTier: 1, want: "plain", tier: 0},
		{what: "a kernel is wrong in all groups", caps: vk.Caps{Float16: true}, vetoed: "plain", want: "slow", tier: 0},
		{what: "another was measured to be faster", caps: strong, measured: "slow", want: "slow", tier: 0},
		{what: "what was measured may not be used", caps: strong, disabled: "fast", measured: "fast", want: "plain", tier: 1},
		{what: "what was measured is no candidate", caps: strong, measured: "gone", want: "fast", tier: 2},
	} {
		t.Run(c.what, func(t *testing.T) {
			chooser := chooser{
				caps: &c.caps, find: fakeTable,
				disabled:  func(kernel string) bool { return kernel == c.disabled },
				vetoed:    func(m *shaders.Module) bool { return m.Kernel == c.vetoed && m.Tier >= c.vetoTier },
				preferred: func([]kernel) string { return c.measured },
			}
			k, err := chooser.choose([]kernel{{name: "fast"}, {name: "plain"}, {name: "slow"}})
			if err != nil {
				t.Fatal(err)
			}
			m, err := chooser.module(k)
			if err != nil || k.name != c.want || m.Tier != c.tier {
				t.Errorf("%s in group %d (%v), want %s in group %d", k.name, m.Tier, err, c.want, c.tier)
			}
		})
	}
}

func TestChoosePreferred(t *testing.T) {
	c := chooser{caps: &vk.Caps{DotProductAccelerated: true}, find: fakeTable, preferred: func([]kernel) string { return "plain" }}
	for _, step := range []struct{ asked, want string }{{"slow", "slow"}, {"gone", "plain"}} {
		next := c
		next.prefer(func(kernel string) bool { return kernel == step.asked })
		if k, err := next.choose([]kernel{{name: "fast"}, {name: "plain"}, {name: "slow"}}); err != nil || k.name != step.want {
			t.Errorf("%s was asked for, %s is used (%v), want %s", step.asked, k.name, err, step.want)
		}
	}
	next := chooser{caps: &vk.Caps{}, find: fakeTable}
	next.prefer(func(kernel string) bool { return kernel == "fast" })
	if k, err := next.choose([]kernel{{name: "fast"}, {name: "plain"}}); err != nil || k.name != "plain" {
		t.Errorf("a kernel that the device lacks was asked for: %s is used (%v), want plain", k.name, err)
	}
}

func TestChooseNothing(t *testing.T) {
	c := chooser{caps: &vk.Caps{}, find: fakeTable}
	if k, err := c.choose([]kernel{{name: "fast"}, {name: "gone"}}); err == nil {
		t.Errorf("%s was chosen on a device that may use none", k.name)
	}
}

// Columns that must agree to the bit have the same candidates.
func TestProductsOfColumns(t *testing.T) {
	m := &matrix{cols: 1024}
	names := func(columns int) (all []string) {
		for _, k := range products(m, 512, columns, nil) {
			all = append(all, k.name)
		}
		return all
	}
	for n := 2; n <= shaders.MaxColumns; n++ {
		if got := names(n); !slices.Equal(got, names(1)) {
			t.Errorf("%d columns have the candidates %v, one has %v", n, got, names(1))
		}
	}
	if got := names(shaders.MaxColumns + 1); slices.Contains(got, "mul_mat_vec") {
		t.Errorf("the candidates of %d columns are %v", shaders.MaxColumns+1, got)
	}
}
