package spirv_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvk/qwenvk/internal/spirv"
)

// op assembles one instruction.
func op(code uint32, operands ...uint32) []uint32 {
	return append([]uint32{uint32(len(operands)+1)<<16 | code}, operands...)
}

// str packs a short string.
func str(s string) []uint32 {
	b := append([]byte(s), 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	words := make([]uint32, len(b)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return words
}

func assemble(instructions ...[]uint32) []byte {
	words := []uint32{0x07230203, 0x00010300, 0, 100, 0}
	for _, i := range instructions {
		words = append(words, i...)
	}
	var code []byte
	for _, w := range words {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// sample is a kernel with a readonly and a writable buffer, two push constants, a workgroup of SIZE invocations and
// 4·(SIZE·3+1) bytes of shared memory.
func sample() []byte {
	return assemble(
		op(17, 1), op(17, 63),
		op(16, 90, 17, 1, 1, 1),
		op(5, append([]uint32{10}, str("SIZE")...)...),
		op(5, append([]uint32{20}, str("Input")...)...),
		op(5, append([]uint32{21}, str("Output")...)...),
		op(6, append([]uint32{30, 0}, str("Rows")...)...),
		op(6, append([]uint32{30, 1}, str("Eps")...)...),
		op(71, 10, 1, 7), // SpecId 7
		op(71, 12, 11, 25),
		op(72, 20, 0, 24), op(72, 20, 0, 35, 0),
		op(71, 40, 34, 0), op(71, 40, 33, 1),
		op(71, 41, 34, 0), op(71, 41, 33, 0),
		op(72, 30, 0, 35, 0), op(72, 30, 1, 35, 4),
		op(21, 1, 32, 0), op(22, 2, 32), op(23, 3, 1, 3),
		op(50, 1, 10, 64), op(43, 1, 11, 1),
		op(51, 3, 12, 10, 11, 11),
		op(43, 1, 13, 3),
		op(52, 1, 14, 132, 10, 13), // SIZE*3
		op(52, 1, 15, 128, 14, 11), // +1
		op(29, 4, 2), op(30, 20, 4), op(30, 21, 4), op(30, 30, 1, 2),
		op(28, 5, 2, 15),
		op(32, 50, 12, 20), op(32, 51, 12, 21), op(32, 52, 9, 30), op(32, 53, 4, 5),
		op(59, 51, 41, 12), op(59, 50, 40, 12), op(59, 52, 42, 9), op(59, 53, 43, 4),
	)
}

func TestParse(t *testing.T) {
	m, err := spirv.Parse(sample())
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != "1.3" || m.PushBytes != 8 {
		t.Errorf("version %s, %d push bytes; want 1.3 and 8", m.Version, m.PushBytes)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"capabilities", m.Capabilities, []spirv.Capability{spirv.Shader, spirv.GroupNonUniformArith}},
		{"bindings", m.Bindings, []spirv.Binding{{Binding: 0, Name: "Output"}, {Binding: 1, Name: "Input", ReadOnly: true}}},
		{"push constants", m.Push, []spirv.Member{{Name: "Rows"}, {Name: "Eps", Offset: 4, Float: true}}},
		{"constants", m.Constants, []spirv.Constant{{ID: 7, Name: "SIZE", Default: 64}}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	for _, c := range []struct {
		spec   map[int]uint32
		local  [3]uint32
		shared int
	}{
		{nil, [3]uint32{64, 1, 1}, 4 * 193},
		{map[int]uint32{7: 8}, [3]uint32{8, 1, 1}, 100},
	} {
		local, err := m.LocalSize(c.spec)
		if err != nil || local != c.local {
			t.Errorf("LocalSize(%v) = %v, %v; want %v", c.spec, local, err, c.local)
		}
		shared, err := m.SharedBytes(c.spec)
		if err != nil || shared != c.shared {
			t.Errorf("SharedBytes(%v) = %d, %v; want %d", c.spec, shared, err, c.shared)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, code := range map[string][]byte{
		"nothing":              nil,
		"half a word":          sample()[:21],
		"big endian":           append([]byte{7, 0x23, 2, 3}, sample()[4:]...),
		"instruction too long": assemble(op(17, 1), []uint32{9<<16 | 17, 1}),
		"length zero":          assemble([]uint32{17}),
		"operands missing":     assemble(op(72, 1)),
	} {
		if _, err := spirv.Parse(code); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Damaged modules give errors or nonsense, never a panic or a hang.
func TestParseDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		code := sample()
		for range 1 + rng.IntN(4) {
			code[20+rng.IntN(len(code)-20)] = byte(rng.Uint32())
		}
		m, err := spirv.Parse(code)
		if err != nil {
			continue
		}
		_, _ = m.LocalSize(nil)
		_, _ = m.SharedBytes(map[int]uint32{7: 1 << 30})
	}
}
