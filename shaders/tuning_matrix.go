package shaders

import "maps"

// MatrixUnit is the product of cooperative matrices that "…_cm" kernels are made of: M by N sums over K steps, computed by a
// subgroup of Subgroup invocations. The numbers come from the device.
type MatrixUnit struct{ M, N, K, Subgroup uint32 }

// defaultCores stands for the number of compute units where the device does not tell it: that of a middling card.
const defaultCores = 48

// TuningMatrix is [Tuning] for the kernels of matrix units. cores is the number of compute units (AMD's compute units,
// NVIDIA's multiprocessors); 0: not known.
//
// It depends on n, rows and cores alone which columns stand in one tile; a column's sums do not depend on the tile.
func TuningMatrix(kernel string, u MatrixUnit, software bool, cores, rows, k, n int) map[string]uint32 {
	if kernel == "attention_cm" {
		return attentionTile(u, software, rows, k)
	}
	if software {
		return softwareTile.constants(u)
	}
	return chooseTile(cores, rows, n).constants(u)
}

// TuningsMatrix is [Tunings] for them.
func TuningsMatrix(kernel string, u MatrixUnit, software bool, cores, rows, k, n int) []map[string]uint32 {
	all := []map[string]uint32{TuningMatrix(kernel, u, software, cores, rows, k, n)}
	if kernel == "attention_cm" {
		return all
	}
	for _, t := range matrixTiles {
		c := t.constants(u)
		if !software && int(t.columns) < 2*n && !maps.Equal(c, all[0]) { // wider ones would be half empty
			all = append(all, c)
		}
	}
	return all
}

func (t matrixTile) constants(u MatrixUnit) map[string]uint32 {
	constants := map[string]uint32{"UM": u.M, "UN": u.N, "UK": u.K, "SUBGROUP": u.Subgroup}
	wm, wn := t.part(u)
	constants["BM"], constants["BN"] = t.rows, t.columns
	constants["WM"], constants["WN"] = wm, wn
	constants["LOCAL_SIZE"] = t.rows / wm * (t.columns / wn) * u.Subgroup
	return constants
}

// matrixTile is the part of a product that a workgroup computes, and how many sums each invocation holds.
type matrixTile struct{ rows, columns, sums uint32 }

// matrixTiles are those to choose from. Large ones read less: a workgroup of 256 invocations and 30 KiB of shared memory is
// as much as every card has. Small ones leave no part of a card idle where there is little to do.
var matrixTiles = []matrixTile{
	{128, 128, 64}, {128, 64, 32}, {64, 64, 32}, {64, 32, 16}, {32, 32, 16}, {64, 16, 16}, {32, 16, 8},
}

// softwareTile gives a software device little to compile: its compiler unrolls what a subgroup does.
var softwareTile = matrixTile{32, 32, 16}

// loadCost is the time that loading a row or column of a tile takes, in products of the same number of steps.
const loadCost = 24

// waveTime is how long a product of rows by n takes in tiles, in arbitrary units. A card computes as many tiles at once as it
// has cores, so the last wave may leave most of them idle: the time is waves × time of a tile.
func waveTime(cores, rows, n, tileRows, tileColumns int) int {
	tiles := ceilDiv(rows, tileRows) * ceilDiv(n, tileColumns)
	return ceilDiv(tiles, cores) * (tileRows*tileColumns + loadCost*(tileRows+tileColumns))
}

// chooseTile takes the tile with which a product of rows by n is done first.
func chooseTile(cores, rows, n int) matrixTile {
	if cores <= 0 {
		cores = defaultCores
	}
	best, least := matrixTile{}, 0
	for _, t := range matrixTiles {
		time := waveTime(cores, rows, n, int(t.rows), int(t.columns))
		if least == 0 || time < least {
			best, least = t, time
		}
	}
	return best
}

// part is what one subgroup computes of the tile: rows by columns, as square as powers of two allow.
func (t matrixTile) part(u MatrixUnit) (rows, columns uint32) {
	area := t.sums * u.Subgroup
	columns = u.N
	for columns < t.columns && 4*columns*columns <= area {
		columns *= 2
	}
	rows = min(max(area/columns, u.M), t.rows)
	return rows, columns
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// WeightMaxGroups is how many workgroups of "weight_max" cover a matrix.
func WeightMaxGroups(weights string, rows, k, local int) int {
	const turns = 16 // TURNS in its GLSL
	return ceilDiv(rows*(k/unit[weights]), local*turns)
}

// attentionTile keeps the shared memory of "attention_cm" below 32 KiB: 32 rows up to heads of 128, 16 above. A row is shared
// by four or eight invocations.
func attentionTile(u MatrixUnit, software bool, rows, headDim int) map[string]uint32 {
	br := uint32(32)
	if headDim > 128 || rows <= 16 {
		br = 16
	}
	local := uint32(128)
	if software {
		br = max(u.M, 8) // less to unroll
		local = min(4*u.Subgroup, 8*br)
	}
	return map[string]uint32{"UM": u.M, "UN": u.N, "UK": u.K, "SUBGROUP": u.Subgroup, "BR": br, "LOCAL_SIZE": local}
}

// AttentionFits tells heads that "attention_cm" can compute: whole products make a head.
func (u MatrixUnit) AttentionFits(headDim int) bool {
	return headDim <= 256 && headDim%int(max(u.N, u.K)) == 0
}
