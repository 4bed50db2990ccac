package vkexec

import (
	"context"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// The yardsticks are of a size that a device may have, and there for what the device has.
func TestMeasureLimits(t *testing.T) {
	dev := vktest.Open(t, vk.Mask{MaxTier: vk.AllTiers, EmulatedDot: true})
	l, err := MeasureLimits(context.Background(), dev)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", l)
	_, units := dev.Caps().MatrixUnit()
	for _, test := range []struct {
		name        string
		rate, least float64
		there       bool
	}{
		{"reading", l.ReadBytes, 1e8, true},
		{"float32", l.FMA, 1e8, true},
		{"float16", l.Half, 1e7, dev.Caps().Float16 && dev.Caps().Type != vk.Software},
		{"dot products", l.Dot, 1e7, dev.Caps().Has(vk.CapIntegerDot)},
		{"matrices", l.Matrix, 1e7, units},
	} {
		if test.there != (test.rate > 0) || test.there && (test.rate < test.least || test.rate > 1e17) {
			t.Errorf("%s: %g per second, there %v", test.name, test.rate, test.there)
		}
	}
}
