package vkexec

import (
	"context"
	"testing"

	"github.com/qwenvk/qwenvk/vk/vktest"
)

// The yardsticks are positive, and of a size that a device may have.
func TestMeasureLimits(t *testing.T) {
	l, err := MeasureLimits(context.Background(), vktest.Open(t, unmasked))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", l)
	if l.ReadBytes < 1e8 || l.ReadBytes > 1e14 || l.FMA < 1e8 || l.FMA > 1e16 {
		t.Errorf("limits %+v", l)
	}
}
