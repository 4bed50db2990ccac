package vk

import "testing"

func TestMatrixUnit(t *testing.T) {
	half := func(m, n, k uint32) MatrixShape {
		return MatrixShape{M: m, N: n, K: k, C: Float32, R: Float32, Subgroup: true} // A and B: Float16 is 0
	}
	integers := MatrixShape{M: 16, N: 16, K: 32, A: Sint8, B: Sint8, C: Sint32, R: Sint32, Subgroup: true}
	narrow := MatrixShape{M: 16, N: 16, K: 16, C: Float16, R: Float16, Subgroup: true}
	with := func(s MatrixShape, change func(*MatrixShape)) MatrixShape {
		change(&s)
		return s
	}
	fixed := func(size uint32) Caps {
		return Caps{SubgroupSize: size, MinSubgroupSize: size, MaxSubgroupSize: size, SubgroupSizeControl: true}
	}
	ranged := func(size, least, most uint32) Caps {
		return Caps{SubgroupSize: size, MinSubgroupSize: least, MaxSubgroupSize: most, SubgroupSizeControl: true}
	}
	for _, test := range []struct {
		name   string
		caps   Caps
		shapes []MatrixShape
		want   MatrixUnit // zero: none
	}{
		{"NVIDIA", fixed(32), []MatrixShape{narrow, half(16, 8, 8), half(16, 8, 16), half(16, 16, 16), integers}, MatrixUnit{16, 16, 16, 32}},
		{"NVIDIA, the narrow form alone", fixed(32), []MatrixShape{half(16, 8, 8), half(16, 8, 16), integers}, MatrixUnit{16, 8, 16, 32}},
		{"AMD", ranged(64, 32, 64), []MatrixShape{half(16, 16, 16), narrow, integers}, MatrixUnit{16, 16, 16, 32}},
		{"AMD without a choice of sizes", Caps{SubgroupSize: 64, MinSubgroupSize: 64, MaxSubgroupSize: 64}, []MatrixShape{half(16, 16, 16)}, MatrixUnit{16, 16, 16, 64}},
		{"Intel Xe2", ranged(32, 16, 32), []MatrixShape{half(8, 16, 16), with(half(8, 16, 16), func(s *MatrixShape) { s.C, s.R = Float16, Float16 })}, MatrixUnit{8, 16, 16, 16}},
		{"Intel Xe1", ranged(32, 8, 32), []MatrixShape{half(8, 8, 16)}, MatrixUnit{8, 8, 16, 8}},
		{"Intel Xe1 whose driver lets nobody ask for 8", fixed(32), []MatrixShape{half(8, 8, 16)}, MatrixUnit{}},
		{"lavapipe", fixed(8), []MatrixShape{with(half(8, 8, 8), func(s *MatrixShape) { s.C, s.R = Float16, Float16 }), half(8, 8, 8)}, MatrixUnit{8, 8, 8, 8}},
		{"nothing reported", fixed(32), nil, MatrixUnit{}},
		{"sums in half precision alone", fixed(32), []MatrixShape{narrow}, MatrixUnit{}},
		{"f32 sums that end in f16", fixed(32), []MatrixShape{with(half(16, 16, 16), func(s *MatrixShape) { s.R = Float16 })}, MatrixUnit{}},
		{"integers alone", fixed(32), []MatrixShape{integers}, MatrixUnit{}},
		{"bfloat16 alone", fixed(32), []MatrixShape{with(half(16, 16, 16), func(s *MatrixShape) { s.A, s.B = BF16, BF16 })}, MatrixUnit{}},
		{"scope workgroup", fixed(32), []MatrixShape{with(half(16, 16, 16), func(s *MatrixShape) { s.Subgroup = false })}, MatrixUnit{}},
		{"saturating", fixed(32), []MatrixShape{with(half(16, 16, 16), func(s *MatrixShape) { s.Saturating = true })}, MatrixUnit{}},
		{"a shape that no kernel is tested with", fixed(32), []MatrixShape{half(64, 16, 16), half(4, 4, 4)}, MatrixUnit{}},
		{"no subgroups", Caps{SubgroupSize: 1, MinSubgroupSize: 1, MaxSubgroupSize: 1}, []MatrixShape{half(8, 8, 8)}, MatrixUnit{}},
	} {
		test.caps.CooperativeMatrix = test.shapes
		got, ok := test.caps.MatrixUnit()
		if got != test.want || ok != (test.want != MatrixUnit{}) {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, ok, test.want)
		}
		if test.caps.Has(CapCoopMatrix) != ok {
			t.Errorf("%s: the capability is not what MatrixUnit says", test.name)
		}
	}
}
