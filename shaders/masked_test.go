package shaders_test

import (
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// Tier 0 asks nothing of a device but Vulkan 1.1: every module becomes a pipeline where all else is hidden, and the
// validation layer has nothing to say.
func TestTier0OnVulkan11(t *testing.T) {
	device := vktest.Open(t, vk.Mask{MaxTier: 0, Vulkan11Only: true, NoSubgroups: true})
	for _, m := range shaders.Modules() {
		if m.Tier > 0 {
			continue
		}
		if !slices.Equal(m.Needs, nil) {
			t.Errorf("%s needs %v", m.File, m.Needs)
		}
		for _, constants := range hardwareConstants(m)[:1] {
			spec, err := m.Specialize(constants)
			if err != nil {
				t.Fatal(err)
			}
			p, err := device.NewPipeline(vk.PipelineDesc{
				Name: m.File, Code: m.Code, Buffers: m.Buffers, PushBytes: m.PushBytes, Constants: spec,
			})
			if err != nil {
				t.Fatal(err)
			}
			p.Close()
		}
	}
}
