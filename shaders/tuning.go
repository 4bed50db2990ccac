package shaders

import (
	"maps"
	"slices"
	"strings"
)

// Tuning returns the specialization constants of a kernel that change its speed and not its result, by name; the caller
// adds those that change what is computed (GROUP, ZERO, EPILOGUE, HEAD_DIM, …) and passes all to [Module.Specialize].
//
// software says that the device runs on the CPU, where an "invocation" is a lane of a vector register: loads at one
// address for all lanes are cheap there, loads at different ones and barriers are dear.
//
// The shape is rows × k by n columns for the matrix kernels; for "attention", rows counts the packed query rows of a
// sequence (tokens·GQA) and k is the head dimension; other kernels do not look at it. Products that must agree to the bit
// for different n up to [MaxColumns] may be asked for each n: only COLS and STRIP, which change no sum, depend on it.
func Tuning(kernel string, v Variant, software bool, rows, k, n int) map[string]uint32 {
	switch kernel {
	case "mul_mat_vec", "mul_mat_vec_i8":
		return tuneMulMatVec(v, software, k, n)
	case "mul_mat":
		return tuneMulMat(software, rows, n)
	case "mul_mat_i8":
		tile := tuneMulMat(software, rows, n)
		tile["BLOCKS"] = pick(software, 1, 2)
		return tile
	case "attention":
		return tuneAttention(software, rows, k)
	case "argmax", "argmax_final", "top_k", "top_k_final":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 64, 256)}
	case "expert_tiles":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 64, 256)}
	case "measure_read":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 8, 256), "STRIP": 16}
	case "measure_fma", "measure_half", "measure_dot":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 8, 256)}
	case "rms_norm", "rms_norm_i8":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 8, 256)}
	case "rope_kv":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 8, 64)}
	case "attention_merge":
		return map[string]uint32{"LOCAL_SIZE": pick(software, 8, 64)}
	default:
		return map[string]uint32{"LOCAL_SIZE": 64}
	}
}

// Tunings are the choices of constants that are worth measuring for a kernel, [Tuning]'s first; that alone for kernels whose
// constants are not worth it. Any of them computes the same result up to the order of sums; products and attention that must
// agree to the bit for different n up to [MaxColumns] take the same number of the list for each n.
func Tunings(kernel string, v Variant, software bool, rows, k, n int) []map[string]uint32 {
	first := Tuning(kernel, v, software, rows, k, n)
	all := []map[string]uint32{first}
	add := func(changes map[string]uint32) {
		next := maps.Clone(first)
		maps.Copy(next, changes)
		if !slices.ContainsFunc(all, func(m map[string]uint32) bool { return maps.Equal(m, next) }) {
			all = append(all, next)
		}
	}
	plain, bytes := strings.CutSuffix(kernel, "_i8") // products with bytes are cut as those without
	switch {
	case plain == "mul_mat_vec" && software:
		for _, rows := range []uint32{16, 32, 64} {
			add(map[string]uint32{"ROWS": rows})
		}
	case plain == "mul_mat_vec":
		// A team of one subgroup needs no barrier in its sums, one of several hides more of a load's latency; four rows
		// to a team load x half as often as two.
		for _, lanes := range []uint32{16, 32, 64, 128} {
			if int(lanes)*unit[v.Weights] > 2*k && lanes > first["LANES"] {
				continue // half of the lanes would idle
			}
			local := max(lanes, 32)
			for _, own := range []uint32{2, 4} {
				add(map[string]uint32{"LOCAL_SIZE": local, "LANES": lanes, "ROWS": own * local / lanes})
			}
		}
	case plain == "mul_mat" && software:
		for _, columns := range []uint32{16, 32, 64} {
			add(map[string]uint32{"LOCAL_SIZE": columns, "BN": columns})
		}
	case plain == "mul_mat" && n <= 16:
		add(map[string]uint32{"LOCAL_SIZE": 32, "BM": 64, "BN": 16, "TM": 8, "TN": 4})
		add(map[string]uint32{"LOCAL_SIZE": 32, "BM": 32, "BN": 16, "TM": 4, "TN": 4})
	case plain == "mul_mat" && n <= 32:
		add(map[string]uint32{"LOCAL_SIZE": 64, "BM": 32, "BN": 32, "TM": 4, "TN": 4})
		add(map[string]uint32{"LOCAL_SIZE": 128, "BM": 64, "BN": 32, "TM": 4, "TN": 4})
	case plain == "mul_mat":
		add(map[string]uint32{"LOCAL_SIZE": 256, "BM": 64, "BN": 64, "TM": 4, "TN": 4})
		if !bytes { // twice 64 sums of an invocation leave room for few subgroups
			add(map[string]uint32{"LOCAL_SIZE": 64, "BM": 64, "BN": 64, "TM": 8, "TN": 8})
		}
		add(map[string]uint32{"LOCAL_SIZE": 128, "BM": 32, "BN": 64, "TM": 4, "TN": 4})
		add(map[string]uint32{"LOCAL_SIZE": 128, "BM": 64, "BN": 64, "TM": 8, "TN": 4})
	case kernel == "attention" && !software:
		for _, local := range []uint32{64, 128, 256} {
			if 4*8*(uint32(k)+local+45) <= 16<<10 { // whatever BR is
				add(map[string]uint32{"LOCAL_SIZE": local})
			}
		}
	}
	return all
}

// tuneMulMatVec: on a card as many lanes share a row as it has units, so that neighbours load neighbours and none idles,
// and few rows make a workgroup, so that there are enough of them to fill the device. On a CPU each lane has rows of its
// own: all read x at one address, which is one load and a broadcast where lanes at different ones are gathered one by
// one. Its compiler takes seconds over long code for many columns, which is no faster, so there the quads are a loop.
func tuneMulMatVec(v Variant, software bool, k, n int) map[string]uint32 {
	if software {
		rows := uint32(32)
		if v.Weights == "q6k" {
			rows = 16 // four rows of its scales do not fit the registers
		}
		strip := uint32(2) // both quads of a word of nibbles
		if n > 1 {
			strip = 1
		}
		return map[string]uint32{"LOCAL_SIZE": 8, "LANES": 1, "ROWS": rows, "COLS": uint32(n), "STRIP": strip}
	}
	lanes := uint32(8)
	for lanes < 128 && int(lanes)*unit[v.Weights] < k {
		lanes *= 2
	}
	local := max(lanes, 64) // with one subgroup of 32 AMD's compiler spends its registers, and on navi31 12 of 32 are left
	return map[string]uint32{"LOCAL_SIZE": local, "LANES": lanes, "ROWS": 2 * local / lanes, "COLS": uint32(n), "STRIP": 0}
}

// tuneMulMat cuts the tile to the columns there are. 8 by 8 accumulators per invocation ask least of shared memory; cards
// get half of that and twice the invocations, because 64 accumulators would halve how many subgroups a core holds.
func tuneMulMat(software bool, rows, n int) map[string]uint32 {
	switch {
	case software:
		columns := uint32(8)
		for columns < 64 && int(columns) < n {
			columns *= 2
		}
		return map[string]uint32{"LOCAL_SIZE": columns, "BM": 64, "BN": columns, "TM": 8, "TN": 8}
	case n <= 16:
		return map[string]uint32{"LOCAL_SIZE": 64, "BM": 64, "BN": 16, "TM": 4, "TN": 4}
	case n <= 32:
		return map[string]uint32{"LOCAL_SIZE": 64, "BM": 64, "BN": 32, "TM": 8, "TN": 4}
	case waveTime(defaultCores, rows, n, 32, 64) < waveTime(defaultCores, rows, n, 64, 64):
		return map[string]uint32{"LOCAL_SIZE": 128, "BM": 32, "BN": 64, "TM": 4, "TN": 4} // too few tiles of 64 for all cores
	default:
		return map[string]uint32{"LOCAL_SIZE": 128, "BM": 64, "BN": 64, "TM": 8, "TN": 4}
	}
}

// tuneAttention keeps the shared memory below 16 KiB at every head dimension: 4·BR·(k + LOCAL_SIZE + 45) bytes.
func tuneAttention(software bool, rows, k int) map[string]uint32 {
	local := pick(software, 32, 128)
	br := uint32(1)
	for br < 8 && int(br) < rows {
		br *= 2
	}
	return map[string]uint32{"LOCAL_SIZE": local, "BR": br}
}

func pick(software bool, yes, no uint32) uint32 {
	if software {
		return yes
	}
	return no
}

// Unit is how many elements of a row an invocation of a matrix kernel loads at once; 0 for a variant without weights.
func Unit(v Variant) int { return unit[v.Weights] }
