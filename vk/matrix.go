package vk

import "slices"

// MatrixUnit is the product that cooperative matrix kernels are made of: A[M,K]·B[K,N] + C[M,N], f16 factors and f32
// sums, computed by one subgroup of Subgroup invocations.
type MatrixUnit struct{ M, N, K, Subgroup uint32 }

// preferredUnits are the shapes in the order of preference. The larger a shape, the fewer instructions and the more
// products per element that is loaded; the driver cuts it into what the hardware has.
var preferredUnits = [][3]uint32{
	{16, 16, 16}, // AMD, NVIDIA
	{16, 8, 16},  // NVIDIA
	{8, 16, 16},  // Intel Xe2
	{8, 8, 16},   // Intel Xe1
	{8, 8, 8},    // lavapipe
}

// MatrixUnit chooses the shape and the subgroup size of the cooperative matrix kernels from what the device reports;
// false where it reports nothing that they can use: factors in f16, sums in f32, scope subgroup, not saturating, and one
// of the shapes that kernels are tested with.
func (c *Caps) MatrixUnit() (MatrixUnit, bool) {
	for _, shape := range preferredUnits {
		usable := slices.ContainsFunc(c.CooperativeMatrix, func(s MatrixShape) bool {
			return s.Subgroup && !s.Saturating && [3]uint32{s.M, s.N, s.K} == shape &&
				s.A == Float16 && s.B == Float16 && s.C == Float32 && s.R == Float32
		})
		if !usable {
			continue
		}
		if size, ok := c.matrixSubgroup(shape); ok {
			return MatrixUnit{shape[0], shape[1], shape[2], size}, true
		}
	}
	return MatrixUnit{}, false
}

// matrixSubgroup is the subgroup size for a shape. Units of eight rows and sixteen steps are systolic arrays of as many
// lanes as there are columns, and compute for subgroups of that size alone. Others compute for every size, and take the
// smallest of 32 or more: a workgroup has more subgroups of it, each with its own part of the tile.
func (c *Caps) matrixSubgroup(shape [3]uint32) (uint32, bool) {
	m, n, k := shape[0], shape[1], shape[2]
	fits := func(size uint32) bool {
		return size == c.SubgroupSize || c.SubgroupSizeControl && size >= c.MinSubgroupSize && size <= c.MaxSubgroupSize
	}
	switch {
	case m == 8 && k == 16:
		return n, fits(n)
	case m == 8:
		return c.SubgroupSize, c.SubgroupSize > 1
	}
	for size := uint32(32); size <= 128; size *= 2 {
		if fits(size) {
			return size, true
		}
	}
	return 0, false
}
