package shaders

import (
	"fmt"
	"testing"
)

// matrixUnitsOfDevices are what devices report: AMD and NVIDIA, NVIDIA's narrow form, Intel's two, lavapipe.
var matrixUnitsOfDevices = []MatrixUnit{
	{16, 16, 16, 32}, {16, 16, 16, 64}, {16, 8, 16, 32}, {8, 16, 16, 16}, {8, 8, 16, 8}, {8, 8, 8, 8},
}

// Whatever the device, the sizes stay within the limits of the weakest, and the subgroups cover the tile.
func TestTuningMatrixKeepsLimits(t *testing.T) {
	for _, m := range modules() {
		if m.Kernel != "mul_mat_cm" {
			continue
		}
		s := reflectModule(t, m)
		for _, u := range matrixUnitsOfDevices {
			for _, software := range []bool{false, true} {
				for _, rows := range []int{2, 37, 1024, 4096, 151936} {
					for _, n := range []int{9, 17, 33, 64, 512, 4096} {
						what := fmt.Sprintf("%s, %+v, software %v, %d rows, %d columns", m.File, u, software, rows, n)
						c := TuningMatrix(m.Kernel, u, software, 0, rows, 4096, n)
						spec := map[int]uint32{}
						for id, name := range m.Constants {
							if v, ok := c[name]; ok {
								spec[id] = v
							}
						}
						shared, err := s.SharedBytes(spec)
						if err != nil || shared > tier1Shared {
							t.Fatalf("%s: %v takes %d bytes of shared memory (%v)", what, c, shared, err)
						}
						if c["LOCAL_SIZE"] > maxInvocations || c["LOCAL_SIZE"]%c["SUBGROUP"] != 0 {
							t.Fatalf("%s: %v has %d invocations", what, c, c["LOCAL_SIZE"])
						}
						if c["BM"]%c["WM"] != 0 || c["BN"]%c["WN"] != 0 || c["WM"]%c["UM"] != 0 || c["WN"]%c["UN"] != 0 || 32%c["UK"] != 0 ||
							c["BM"]/c["WM"]*(c["BN"]/c["WN"])*c["SUBGROUP"] != c["LOCAL_SIZE"] {
							t.Fatalf("%s: %v does not cover its tile", what, c)
						}
					}
				}
			}
		}
	}
}

func TestAttentionTileKeepsLimits(t *testing.T) {
	for _, m := range modules() {
		if m.Kernel != "attention_cm" {
			continue
		}
		s := reflectModule(t, m)
		for _, u := range matrixUnitsOfDevices {
			for _, software := range []bool{false, true} {
				for _, dim := range []int{16, 64, 80, 96, 128, 192, 256} {
					if !u.AttentionFits(dim) {
						t.Errorf("%+v does not fit heads of %d", u, dim)
					}
					for _, rows := range []int{9, 16, 40, 4096} {
						c := TuningMatrix(m.Kernel, u, software, 0, rows, dim, rows)
						spec := map[int]uint32{1: uint32(dim)}
						for id, name := range m.Constants {
							if v, ok := c[name]; ok {
								spec[id] = v
							}
						}
						what := fmt.Sprintf("%s, %+v, software %v, %d rows, heads of %d: %v", m.File, u, software, rows, dim, c)
						if shared, err := s.SharedBytes(spec); err != nil || shared > tier1Shared {
							t.Fatalf("%s takes %d bytes of shared memory (%v)", what, shared, err)
						}
						if team := c["LOCAL_SIZE"] / c["BR"]; c["LOCAL_SIZE"] > maxInvocations || c["LOCAL_SIZE"]%c["SUBGROUP"] != 0 ||
							c["BR"]%u.M != 0 || c["LOCAL_SIZE"]%c["BR"] != 0 || PageTokens%(4*team) != 0 {
							t.Fatalf("%s: the rows are not shared evenly", what)
						}
					}
				}
			}
		}
	}
}

// Without matrix units likewise: rows that make too few tiles are cut finer.
func TestMulMatTile(t *testing.T) {
	for _, c := range []struct{ rows, n, bm int }{{4096, 512, 64}, {24576, 512, 64}, {1024, 64, 32}, {1536, 2048, 64}, {1024, 128, 64}, {151936, 33, 64}} {
		if got := Tuning("mul_mat", Variant{Weights: "q4"}, false, c.rows, 4096, c.n)["BM"]; got != uint32(c.bm) {
			t.Errorf("%d rows by %d columns: tiles of %d rows, want %d", c.rows, c.n, got, c.bm)
		}
	}
}

// A tile is as large as leaves no core idle: large where a product has work for all, small where it has not.
func TestChooseTile(t *testing.T) {
	for _, c := range []struct {
		cores, rows, n int
		want           matrixTile
		why            string
	}{
		{132, 24576, 2048, matrixTile{128, 128, 64}, "work for every core many times over"},
		{132, 4096, 512, matrixTile{128, 128, 64}, "128 large tiles on 132 cores"},
		{132, 1024, 512, matrixTile{64, 64, 32}, "32 large tiles would leave 100 cores idle, 128 of 64 by 64 leave 4"},
		{16, 1024, 512, matrixTile{128, 128, 64}, "two full waves of a small card"},
		{0, 4096, 4096, matrixTile{128, 128, 64}, "cores unknown"},
		{132, 4096, 16, matrixTile{32, 16, 8}, "few columns: 128 small tiles"},
		{132, 512, 32, matrixTile{32, 16, 8}, "hardly anything to do"},
	} {
		if got := chooseTile(c.cores, c.rows, c.n); got != c.want {
			t.Errorf("%s: %d by %d on %d cores takes %+v, want %+v", c.why, c.rows, c.n, c.cores, got, c.want)
		}
	}
}
