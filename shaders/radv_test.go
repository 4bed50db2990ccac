package shaders_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// amdFamilies are the cards that Mesa's AMD driver opens without hardware when RADV_FORCE_FAMILY names one: its compiler
// then says what a kernel costs on that generation.
var amdFamilies = []string{"polaris10", "vega10", "navi10", "navi21", "navi31", "gfx1201"}

// TestRADV compiles for six generations of AMD cards, with the constants that a card of each would get, every module whose
// cost docs/results/amd.csv does not hold yet, and some of the others, and fails where registers spill. What -amd asks for
// is told in amd_test.go.
func TestRADV(t *testing.T) {
	drivers, _ := filepath.Glob("/usr/share/vulkan/icd.d/radeon_icd*.json")
	if len(drivers) == 0 {
		if os.Getenv("CI") != "" || *amdMode != "" {
			t.Fatal("Mesa's AMD driver is not installed: make setup")
		}
		t.Skip("Mesa's AMD driver is not installed")
	}
	table := readAMDTable(t)
	for _, family := range amdFamilies {
		t.Run(family, func(t *testing.T) {
			t.Setenv("VK_DRIVER_FILES", drivers[0])
			t.Setenv("VK_ICD_FILENAMES", drivers[0]) // for loaders before 1.3.207
			t.Setenv("RADV_FORCE_FAMILY", family)
			in, err := vk.Open(vk.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			device, err := in.NewDevice(in.Devices()[0], vk.DeviceOptions{Statistics: true})
			if err != nil {
				t.Fatal(err)
			}
			defer device.Close()
			for _, m := range shaders.Modules() {
				if lacks(device.Caps(), m) {
					continue
				}
				for _, constants := range hardwareConstants(m) {
					table.take(t, device, family, m, constants)
				}
			}
		})
	}
	table.finish(t)
}

// hardwareConstants are those that a card gets for the shapes of published models, in all that changes the code.
func hardwareConstants(m shaders.Module) []map[string]uint32 {
	var all []map[string]uint32
	add := func(rows, k, n int, fixed map[string]uint32) {
		set := map[string]uint32{
			"GROUP": 32, "ZERO": 0, "EPILOGUE": epilogueStore, "NORM": 0, "EXPERTS": 0, "ADD": 1, "HEAD_DIM": 128, "QK_NORM": 1, "GQA": 4, "PARTIAL": 0,
		}
		for _, changes := range []map[string]uint32{shaders.Tuning(m.Kernel, m.Variant, false, rows, k, n), fixed} {
			set = with(set, changes)
		}
		if m.Kernel == "mul_mat_vec_i8" {
			set["NORM"] = 0
		}
		for name := range set {
			if !slices.Contains(m.Constants, name) {
				delete(set, name)
			}
		}
		all = append(all, set)
	}
	switch m.Kernel {
	case "attention_cm":
		unit := shaders.MatrixUnit{M: 16, N: 16, K: 16, Subgroup: 32}
		for _, dim := range []int{64, 128, 256} {
			for _, rows := range []int{16, 2048} {
				tuning := shaders.TuningMatrix(m.Kernel, unit, false, 60, rows, dim, rows)
				add(rows, dim, 0, with(tuning, map[string]uint32{"HEAD_DIM": uint32(dim)}))
			}
		}
	case "measure_matrix":
		add(1, 1, 1, map[string]uint32{"LOCAL_SIZE": 128, "SUBGROUP": 32, "UM": 16, "UN": 16, "UK": 16})
	case "mul_mat_cm":
		// What Radeons of RDNA 3 and 4 report.
		unit := shaders.MatrixUnit{M: 16, N: 16, K: 16, Subgroup: 32}
		for _, n := range []int{16, 64, 512} {
			tuning := shaders.TuningMatrix(m.Kernel, unit, false, 60, 4096, 4096, n)
			add(4096, 4096, n, with(tuning, map[string]uint32{"SCALED": 1}))
			add(1536, 2048, n, with(tuning, map[string]uint32{"SCALED": 0, "EPILOGUE": epilogueSwiGLU, "EXPERTS": 1}))
		}
	case "mul_mat_vec", "mul_mat_vec_i8":
		for _, n := range []int{1, 2, 4, shaders.MaxColumns} {
			add(4096, 4096, n, nil)
		}
		add(4096, 1024, 1, map[string]uint32{"NORM": 1})
		add(24576, 4096, 1, map[string]uint32{"NORM": 1, "EPILOGUE": epilogueSwiGLU})
		if w := m.Variant.Weights; w == "f32" || w == "f16" || w == "bf16" { // what adapters are stored in
			add(32, 4096, shaders.MaxColumns, map[string]uint32{"NORM": 1, "EPILOGUE": epilogueScale})
			add(24576, 64, shaders.MaxColumns, map[string]uint32{"EPILOGUE": epilogueAddSwiGLU})
		}
		add(1536, 2048, 1, map[string]uint32{"NORM": 1, "EPILOGUE": epilogueSwiGLU, "EXPERTS": 1})
		add(2048, 768, 1, map[string]uint32{"EPILOGUE": epilogueAdd, "EXPERTS": 2})
		add(4096, 12288, shaders.MaxColumns, map[string]uint32{"EPILOGUE": epilogueAdd, "ZERO": 1, "GROUP": 128})
	case "mul_mat", "mul_mat_i8":
		for _, n := range []int{9, 32, 512} {
			add(4096, 4096, n, nil)
			add(1536, 2048, n, map[string]uint32{"EPILOGUE": epilogueSwiGLU, "EXPERTS": 1})
			add(24576, 4096, n, map[string]uint32{"EPILOGUE": epilogueSwiGLU, "ZERO": 1, "GROUP": 128})
			if w := m.Variant.Weights; w == "f32" || w == "f16" || w == "bf16" {
				add(32, 4096, n, map[string]uint32{"EPILOGUE": epilogueScale})
				add(24576, 64, n, map[string]uint32{"EPILOGUE": epilogueAddSwiGLU})
			}
		}
	case "attention":
		for _, dim := range []int{64, 128, 256} {
			for _, rows := range []int{2, 4, 2048} {
				add(rows, dim, 0, map[string]uint32{"HEAD_DIM": uint32(dim)})
				if rows == 4 { // decode, whose context is split
					add(rows, dim, 0, map[string]uint32{"HEAD_DIM": uint32(dim), "PARTIAL": 2})
				}
			}
		}
	default:
		add(1, 4096, 1, nil)
	}
	return all
}

// lacks tells modules that a device cannot run. Groups 0 and 1 it must, but for the arithmetic in float16 that is only
// measured; matrix units not every card has.
func lacks(caps *vk.Caps, m shaders.Module) bool {
	return (m.Tier > 1 || m.Kernel == "measure_half") && slices.ContainsFunc(m.Needs, func(need string) bool { return !caps.Has(vk.Capability(need)) })
}

// compileForAMD returns the compiler's report, by the names that it gives.
func compileForAMD(t *testing.T, device *vk.Device, m shaders.Module, constants map[string]uint32) map[string]int {
	t.Helper()
	spec, err := m.Specialize(constants)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprint(m.File, constants)
	p, err := device.NewPipeline(vk.PipelineDesc{
		Name: name, Code: m.Code, Buffers: m.Buffers, PushBytes: m.PushBytes, Constants: spec,
		SubgroupSize: constants["SUBGROUP"], FullSubgroups: constants["SUBGROUP"] != 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stats, err := p.Statistics()
	if err != nil || len(stats) == 0 {
		t.Fatalf("%s: no statistics: %v", name, err)
	}
	report := map[string]int{}
	for _, s := range stats {
		if n, err := strconv.Atoi(s.Value); err == nil {
			report[s.Name] = n
		}
		switch s.Name {
		case "Spilled SGPRs", "Spilled VGPRs", "Scratch size":
			if n, err := strconv.Atoi(s.Value); err != nil || n != 0 {
				t.Errorf("%s: %s is %s", name, s.Name, s.Value)
			}
		}
	}
	return report
}
