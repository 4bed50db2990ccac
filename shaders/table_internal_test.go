package shaders

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/spirv"
)

// The portable limits, as package vk states them; this package may not import it.
const (
	maxPushBytes   = 128
	maxBuffers     = 8
	maxInvocations = 256
	tier0Shared    = 16 << 10
	tier1Shared    = 32 << 10
)

// changed names the buffers, by spaces, that kernels read and write: those that cannot be readonly or writeonly.
var changed = map[string]string{
	"rms_norm": "H", "argmax_final": "StepBuffer", "count_tokens": "Counts", "penalties": "Logits", "weight_max": "Result",
	"attention": "Out ML Arrived",
}

// declares says which SPIR-V capabilities a need of the table stands for. float16 is needed for what devices with half
// arithmetic do well (conversion), so it declares nothing.
var declares = map[string][]spirv.Capability{
	"subgroup-arithmetic": {spirv.GroupNonUniform, spirv.GroupNonUniformArith},
	"float16":             nil,
	"coopmat":             {spirv.CooperativeMatrixKHR, spirv.Float16, spirv.GroupNonUniform},
	"memory-model":        {spirv.VulkanMemoryModel},
	"full-subgroups":      nil,
	"integer-dot":         {spirv.DotProductInput4x8Bit, spirv.DotProduct},
}

// extensions are those that modules may name, as Vulkan 1.1 has the first and the capabilities of a table row imply the others.
var extensions = map[string]string{
	"SPV_KHR_storage_buffer_storage_class": "", "SPV_KHR_cooperative_matrix": "coopmat", "SPV_KHR_vulkan_memory_model": "memory-model",
	"SPV_KHR_integer_dot_product": "integer-dot",
}

func reflectModule(t *testing.T, m Module) *spirv.Module {
	t.Helper()
	if len(m.Code) == 0 {
		t.Fatalf("%s is not compiled: run scripts/compile_shaders.sh", m.File)
	}
	s, err := spirv.Parse(m.Code)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPushConstantsMatchGo(t *testing.T) {
	for _, k := range kernels {
		structType := reflect.TypeOf(k.push)
		for _, m := range modules() {
			if m.Kernel != k.name {
				continue
			}
			s := reflectModule(t, m)
			if s.PushBytes != m.PushBytes || len(s.Push) != structType.NumField() {
				t.Errorf("%s: push constants have %d fields, %d bytes; %s has %d, %d", m.File, len(s.Push), s.PushBytes,
					structType, structType.NumField(), m.PushBytes)
				continue
			}
			for i, f := range s.Push {
				field := structType.Field(i)
				if f.Name != field.Name || f.Offset != int(field.Offset) || f.Float != (field.Type.Kind() == reflect.Float32) {
					t.Errorf("%s: push constant %d is %+v, %s.%s lies at %d (%s)", m.File, i, f, structType, field.Name,
						field.Offset, field.Type)
				}
			}
		}
	}
}

func TestTableMatchesModules(t *testing.T) {
	files := map[string]bool{}
	for _, m := range modules() {
		s := reflectModule(t, m)
		files[m.File] = true
		if m.Why == "" {
			t.Errorf("%s: no reason given", m.File)
		}
		if s.Version > "1.3" {
			t.Errorf("%s: SPIR-V %s is beyond Vulkan 1.1", m.File, s.Version)
		}
		for _, name := range s.Extensions {
			if need, known := extensions[name]; !known || need != "" && !slices.Contains(m.Needs, need) {
				t.Errorf("%s: needs extension %s", m.File, name)
			}
		}
		want := []spirv.Capability{spirv.Shader}
		for _, need := range m.Needs {
			capabilities, known := declares[need]
			if !known {
				t.Errorf("%s: needs the unknown %q", m.File, need)
			}
			want = append(want, capabilities...)
		}
		if m.Kernel == "measure_half" { // the one kernel that computes in float16 itself
			want = append(want, spirv.Float16)
		}
		slices.Sort(want)
		if got := slices.Sorted(slices.Values(s.Capabilities)); !slices.Equal(got, want) {
			t.Errorf("%s: declares %v, the table's needs mean %v", m.File, s.Capabilities, want)
		}

		if m.Buffers > maxBuffers || m.PushBytes > maxPushBytes {
			t.Errorf("%s: %d buffers, %d push bytes", m.File, m.Buffers, m.PushBytes)
		}
		for _, b := range s.Bindings {
			if b.Set != 0 || b.Binding >= m.Buffers {
				t.Errorf("%s: %s is at set %d, binding %d of %d", m.File, b.Name, b.Set, b.Binding, m.Buffers)
			}
			if b.ReadOnly == b.WriteOnly && !slices.Contains(strings.Split(changed[m.Kernel], " "), b.Name) {
				t.Errorf("%s: %s is neither readonly nor writeonly", m.File, b.Name)
			}
		}
		last := s.Bindings[len(s.Bindings)-1]
		if last.Binding != m.Buffers-1 {
			t.Errorf("%s: the last buffer is %s at %d, the table has %d", m.File, last.Name, last.Binding, m.Buffers)
		}

		for _, c := range s.Constants {
			switch {
			case c.ID >= len(m.Constants):
				t.Errorf("%s: specialization constant %d (%s) is not in the table", m.File, c.ID, c.Name)
			case c.ID > 0 && c.Name != m.Constants[c.ID]:
				t.Errorf("%s: specialization constant %d is %s, in the table %s", m.File, c.ID, c.Name, m.Constants[c.ID])
			}
		}
	}
	entries, err := spv.ReadDir("spv")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".spv" && !files[e.Name()] {
			t.Errorf("spv/%s belongs to no row of the table", e.Name())
		}
	}
}

// Every tuning that a device may be given stays within the limits of the weakest one.
func TestTuningKeepsLimits(t *testing.T) {
	for _, m := range modules() {
		if slices.Contains(m.Constants, "SUBGROUP") {
			continue // see TestTuningMatrixKeepsLimits
		}
		s := reflectModule(t, m)
		limit := tier0Shared
		if m.Tier > 0 {
			limit = tier1Shared
		}
		for _, software := range []bool{false, true} {
			for _, rows := range []int{1, 2, 3, 8, 37, 1024, 151936} {
				for _, k := range []int{32, 64, 80, 128, 256, 1024, 25600} {
					if slices.Contains(m.Constants, "HEAD_DIM") && k > 256 {
						continue
					}
					for _, n := range []int{1, 2, 8, 9, 17, 33, 512} {
						if strings.HasPrefix(m.Kernel, "mul_mat_vec") && n > MaxColumns {
							continue
						}
						for _, tuning := range Tunings(m.Kernel, m.Variant, software, rows, k, n) {
							checkTuning(t, m, s, tuning, map[string]uint32{"HEAD_DIM": uint32(k), "NORM": 1, "PARTIAL": 1}, limit)
						}
					}
				}
			}
		}
	}
}

// Columns that agree to the bit have the same choices: all but the number of columns is equal.
func TestTuningsOfColumns(t *testing.T) {
	same := func(a, b map[string]uint32) bool {
		for name := range a {
			if name != "COLS" && name != "STRIP" && name != "BR" && a[name] != b[name] {
				return false
			}
		}
		return len(a) == len(b)
	}
	for _, m := range modules() {
		if m.Kernel != "mul_mat_vec" && m.Kernel != "attention" {
			continue
		}
		for _, software := range []bool{false, true} {
			for _, k := range []int{64, 128, 256} {
				of := func(n int) []map[string]uint32 {
					if m.Kernel == "attention" {
						return Tunings(m.Kernel, m.Variant, software, 2*n, k, n)
					}
					return Tunings(m.Kernel, m.Variant, software, 1000, 16*k, n)
				}
				one := of(1)
				for n := 2; n <= MaxColumns; n++ {
					if many := of(n); !slices.EqualFunc(one, many, same) {
						t.Fatalf("%s: one column may be tuned as %v, %d as %v", m.File, one, n, many)
					}
				}
			}
		}
	}
}

func checkTuning(t *testing.T, m Module, s *spirv.Module, tuning, shape map[string]uint32, limit int) {
	t.Helper()
	spec := map[int]uint32{}
	for id, name := range m.Constants {
		if v, ok := tuning[name]; ok {
			spec[id] = v
		} else if v, ok := shape[name]; ok {
			spec[id] = v
		}
	}
	for name := range tuning {
		if !slices.Contains(m.Constants, name) {
			t.Fatalf("%s: tuned for %s, which it does not have", m.File, name)
		}
	}
	local, err := s.LocalSize(spec)
	if err != nil {
		t.Fatalf("%s: %v", m.File, err)
	}
	if local != [3]uint32{tuning["LOCAL_SIZE"], 1, 1} || local[0] == 0 || local[0] > maxInvocations {
		t.Fatalf("%s: %v is a workgroup of %v invocations", m.File, tuning, local)
	}
	shared, err := s.SharedBytes(spec)
	if err != nil {
		t.Fatalf("%s: %v", m.File, err)
	}
	if shared > limit {
		t.Fatalf("%s: %v takes %d bytes of shared memory, allowed are %d", m.File, tuning, shared, limit)
	}
	if strings.HasPrefix(m.Kernel, "mul_mat_vec") && tuning["ROWS"]*tuning["LANES"]%(2*tuning["LOCAL_SIZE"]) != 0 {
		t.Fatalf("%s: %v does not give each team an even number of rows", m.File, tuning)
	}
	tiled := m.Kernel == "mul_mat" || m.Kernel == "mul_mat_i8"
	if tiled && tuning["LOCAL_SIZE"]%tuning["BN"] != 0 {
		t.Fatalf("%s: with %v an invocation of an expert's tile would load several rows of x", m.File, tuning)
	}
	if tiled && tuning["LOCAL_SIZE"] != tuning["BM"]/tuning["TM"]*(tuning["BN"]/tuning["TN"]) {
		t.Fatalf("%s: %v does not cover its tile", m.File, tuning)
	}
}

func TestFind(t *testing.T) {
	all := func(*Module) bool { return true }
	none := func(m *Module) bool { return len(m.Needs) == 0 }
	for _, c := range []struct {
		kernel  string
		variant Variant
		allowed func(*Module) bool
		tier    int // -1: an error
	}{
		{"mul_mat_vec", Variant{Weights: "q4"}, all, 1},
		{"mul_mat_vec", Variant{Weights: "q4"}, none, 0},
		{"add", Variant{}, all, 0},
		{"attention", Variant{KV: "f32"}, all, 0},
		{"mul_mat_vec_i8", Variant{Weights: "q4"}, all, 2},
		{"mul_mat_vec_i8", Variant{Weights: "q4"}, none, -1},
		{"mul_mat_vec_i8", Variant{Weights: "f16"}, all, -1},
		{"mul_mat_vec", Variant{Weights: "q3"}, all, -1},
		{"conv2d", Variant{}, all, -1},
		{"add", Variant{}, func(*Module) bool { return false }, -1},
	} {
		m, err := Find(c.kernel, c.variant, c.allowed)
		if got := tierOf(m); got != c.tier || (err == nil) != (c.tier >= 0) {
			t.Errorf("Find(%s, %s): tier %d, %v; want tier %d", c.kernel, c.variant, got, err, c.tier)
		}
	}
}

func tierOf(m *Module) int {
	if m == nil {
		return -1
	}
	return m.Tier
}

func TestSpecialize(t *testing.T) {
	m, err := Find("rms_norm", Variant{}, func(*Module) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Specialize(map[string]uint32{"ADD": 1, "LOCAL_SIZE": 64}); err != nil || !slices.Equal(got, []uint32{64, 1}) {
		t.Errorf("Specialize = %v, %v", got, err)
	}
	for _, values := range []map[string]uint32{
		{"LOCAL_SIZE": 64},
		{"LOCAL_SIZE": 64, "ADD": 0, "ROWS": 2},
	} {
		if got, err := m.Specialize(values); err == nil {
			t.Errorf("Specialize(%v) = %v without an error", values, got)
		}
	}
}

// Numbers that GLSL and Go both know are marked in the sources: "const uint PAGE_TOKENS = 32; // Go: PageTokens".
func TestSharedNumbers(t *testing.T) {
	numbers := map[string]int{"PageTokens": PageTokens, "RoPELow": RoPELow, "TopK": TopK, "MaxExperts": MaxExperts, "ExpertTilesAt": ExpertTilesAt, "ExpertTileWords": ExpertTileWords}
	found := map[string]bool{}
	marked := regexp.MustCompile(`const uint \w+ = (\d+); *// Go: (\w+)`)
	sources, err := filepath.Glob("*.[cg]*[lp]") // *.comp and *.glsl
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range marked.FindAllStringSubmatch(string(text), -1) {
			if fmt.Sprint(numbers[m[2]]) != m[1] {
				t.Errorf("%s: %s is %s, in Go it is %d", source, m[2], m[1], numbers[m[2]])
			}
			found[m[2]] = true
		}
	}
	for name := range numbers {
		if !found[name] {
			t.Errorf("no source is marked with %s", name)
		}
	}
}

// The committed SPIR-V is what the sources and the pinned compiler give.
func TestUpToDate(t *testing.T) {
	tools := os.Getenv("QWENVK_TOOLS_DIR")
	if tools == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip("there is no cache folder to look for the shader compiler in")
		}
		tools = filepath.Join(cache, "qwenvk", "tools")
	}
	if _, err := os.Stat(filepath.Join(tools, "shader-tools", "complete")); err != nil || testing.Short() {
		t.Skip("the pinned shader compiler is not here, or -short is set: scripts/compile_shaders.sh --setup fetches it")
	}
	out, err := exec.Command("../scripts/compile_shaders.sh", "--check").CombinedOutput()
	if err != nil {
		t.Fatal(fmt.Errorf("%w\n%s", err, out))
	}
}
