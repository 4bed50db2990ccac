package gpu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
)

var (
	structure = regexp.MustCompile(`(?s)typedef (?:struct|union) \{(.*?)\n\} Vr(\w+);`)
	field     = regexp.MustCompile(`(\w+)(?:\[\d+\])?;`)
	constant  = regexp.MustCompile(`(?m)^(?:  |#define )VR_([A-Z]\w+)(?: = | \()`)
)

// TestLayout compares vulkan.h and the feature structures with the Khronos headers, by compiling static assertions.
// QWENVK_VULKAN_HEADERS names an include folder other than the system's; newer headers hold more structures.
func TestLayout(t *testing.T) {
	include := os.Getenv("QWENVK_VULKAN_HEADERS")
	if include == "" {
		include = "/usr/include"
	}
	core, err := os.ReadFile(filepath.Join(include, "vulkan/vulkan_core.h"))
	if err != nil {
		t.Skip("the Vulkan headers (package libvulkan-dev) are not installed")
	}
	header, err := os.ReadFile("vulkan.h")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("#include <vulkan/vulkan_core.h>\n#include \"vulkan.h\"\n")
	found := 0
	for _, m := range structure.FindAllStringSubmatch(string(header), -1) {
		name := m[2]
		fmt.Fprintf(&b, "_Static_assert(sizeof(Vr%[1]s) == sizeof(Vk%[1]s), \"size of %[1]s\");\n", name)
		for _, f := range field.FindAllStringSubmatch(m[1], -1) {
			found++
			fmt.Fprintf(&b, "_Static_assert(offsetof(Vr%[1]s, %[2]s) == offsetof(Vk%[1]s, %[2]s) && sizeof(((Vr%[1]s *)0)->%[2]s) == sizeof(((Vk%[1]s *)0)->%[2]s), \"%[1]s.%[2]s\");\n", name, f[1])
		}
	}
	for _, m := range constant.FindAllStringSubmatch(string(header), -1) {
		if m[1] == "CALL" {
			continue
		}
		found++
		fmt.Fprintf(&b, "_Static_assert((long long)VR_%[1]s == (long long)VK_%[1]s, \"%[1]s\");\n", m[1])
	}
	for _, s := range structures {
		if !strings.Contains(string(core), "} "+s.Name+";") && !strings.Contains(string(core), " "+s.Name+";") {
			continue // newer than the headers
		}
		inside := ""
		if s.First > 0 {
			inside = "features."
		}
		for i, name := range s.Features {
			found++
			fmt.Fprintf(&b, "_Static_assert(offsetof(%s, %s%s) == 16 + 4 * %d, \"%s\");\n", s.Name, inside, name, s.First+i, name)
		}
		fmt.Fprintf(&b, "static const %[1]s x%[2]d = {.sType = (VkStructureType)%[2]d};\nstatic const void *use%[2]d = &x%[2]d;\n", s.Name, s.Type)
		fmt.Fprintf(&b, "_Static_assert(%s == %d, \"sType of %s\");\n", typeName(s.Name), s.Type, s.Name)
	}
	if found < 300 {
		t.Fatalf("only %d fields and constants were found: the search is broken", found)
	}
	file := filepath.Join(t.TempDir(), "layout.c")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	compile(t, "-Wno-unused-variable", "-I"+include, file)
}

// typeName is the Khronos constant of a structure's sType.
func typeName(structure string) string {
	words := regexp.MustCompile(`[A-Z]+[a-z]*|\d+Bit|\d+`).FindAllString(strings.TrimPrefix(structure, "Vk"), -1)
	name := strings.ToUpper(strings.Join(words, "_"))
	for from, to := range map[string]string{"8BIT_": "8BIT_", "FLOAT_16_INT_8": "FLOAT16_INT8", "BFLOAT_16": "BFLOAT16", "FEATURES_KHR": "FEATURES_KHR", "MAINTENANCE_4": "MAINTENANCE_4", "FEATURESKHR": "FEATURES_KHR", "FEATURESNV": "FEATURES_NV"} {
		name = strings.ReplaceAll(name, from, to)
	}
	return "VK_STRUCTURE_TYPE_" + name
}

// TestWarnings compiles the C files as strictly as gcc can.
func TestWarnings(t *testing.T) {
	files, err := filepath.Glob("*.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_windows.c") {
			compile(t, "-Wall", "-Wextra", f)
		}
	}
}

func compile(t *testing.T, args ...string) {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	args = append([]string{"-std=c11", "-O1", "-Werror", "-I.", "-c", "-o", filepath.Join(t.TempDir(), "out.o")}, args...)
	if out, err := exec.Command(gcc, args...).CombinedOutput(); err != nil {
		t.Errorf("gcc: %v\n%s", err, out)
	}
}

// The renderer reads the display list as it lies in memory.
func TestQuadForm(t *testing.T) {
	var q canvas.Quad
	if size := unsafe.Sizeof(q); size != quadSize {
		t.Errorf("a quad has %d bytes in Go and %d in C", size, quadSize)
	}
	for _, f := range []struct {
		name     string
		got, was uintptr
	}{
		{"U0", unsafe.Offsetof(q.U0), 16},
		{"ClipX0", unsafe.Offsetof(q.ClipX0), 24},
		{"R", unsafe.Offsetof(q.R), 32},
		{"Radius", unsafe.Offsetof(q.Radius), 36},
	} {
		if f.got != f.was {
			t.Errorf("%s lies at %d, not at %d", f.name, f.got, f.was)
		}
	}
}
