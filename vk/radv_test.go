package vk_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
)

// TestCompileWithoutHardware opens Mesa's AMD driver as a card that is not
// there: it compiles, reports on what it compiled, and cannot run.
func TestCompileWithoutHardware(t *testing.T) {
	drivers, _ := filepath.Glob("/usr/share/vulkan/icd.d/radeon_icd*.json")
	if len(drivers) == 0 {
		t.Skip("Mesa's AMD driver is not installed")
	}
	t.Setenv("RADV_FORCE_FAMILY", "navi31")
	t.Setenv("VK_DRIVER_FILES", drivers[0])
	t.Setenv("VK_ICD_FILENAMES", drivers[0])
	in, err := vk.Open(vk.Options{})
	if err != nil {
		t.Skipf("the AMD driver does not open without hardware: %v", err)
	}
	defer func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}()
	p, err := in.Choose("navi31")
	if err != nil {
		t.Skipf("the AMD driver shows no card without hardware: %v", err)
	}
	c := p.Caps
	if !c.Has(vk.CapIntegerDot) || !c.Has(vk.CapStorage16) || c.MinSubgroupSize != 32 || c.MaxSubgroupSize != 64 || !c.ExecutableStatistics {
		t.Errorf("caps of a Radeon RX 7900: %+v", c)
	}
	if len(c.CooperativeMatrix) == 0 || c.CooperativeMatrix[0].M != 16 || !c.CooperativeMatrix[0].Subgroup {
		t.Errorf("matrix shapes: %+v", c.CooperativeMatrix)
	}
	d := must(in.NewDevice(p, vk.DeviceOptions{Statistics: true}))(t)
	for _, size := range []uint32{0, 32, 64} {
		pipeline := must(d.NewPipeline(vk.PipelineDesc{
			Name: "scale", Code: code(t, "scale"), Buffers: 2, PushBytes: 8, Constants: []uint32{64, 3}, SubgroupSize: size, FullSubgroups: size != 0,
		}))(t)
		list, err := pipeline.Statistics()
		if err != nil {
			t.Error(err)
		}
		found := false
		for _, s := range list {
			found = found || strings.Contains(s.Name, "VGPR") && s.Value != ""
		}
		if !found {
			t.Errorf("subgroups of %d: no registers in the report %v", size, list)
		}
		pipeline.Close()
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
