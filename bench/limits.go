package bench

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk"
)

// Limits are what the device gives at most, as measured beside the tests; null where it was not measured or does not exist.
type Limits struct {
	CopyGBPS   *float64 `json:"copy_gbps"` // 1e9 bytes read and written per second by a copy
	ReadGBPS   *float64 `json:"read_gbps"` // 1e9 bytes read per second
	FP32GFLOPS *float64 `json:"fp32_gflops"`
	FP16GFLOPS *float64 `json:"fp16_gflops"`
	INT8GOPS   *float64 `json:"int8_gops"`     // of integer dot products
	MatrixGF   *float64 `json:"matrix_gflops"` // of matrix units, float16 added up in float32
}

// LimitsOf states limits in the units of reports.
func LimitsOf(l qwenvk.Limits) Limits {
	giga := func(v float64) *float64 {
		if v <= 0 {
			return nil
		}
		v /= 1e9
		return &v
	}
	return Limits{CopyGBPS: giga(l.CopyBytes), ReadGBPS: giga(l.ReadBytes), FP32GFLOPS: giga(l.FMA), FP16GFLOPS: giga(l.Half), INT8GOPS: giga(l.Dot), MatrixGF: giga(l.Matrix)}
}

// String says the limits in words, for people.
func (l Limits) String() string {
	var parts []string
	for _, p := range []struct {
		value *float64
		words string
	}{{l.CopyGBPS, "copies %.1f GB/s"}, {l.ReadGBPS, "reads %.1f GB/s"}, {l.FP32GFLOPS, "computes %.0f GFLOP/s in float32"}, {l.FP16GFLOPS, "%.0f in float16"}, {l.INT8GOPS, "%.0f in integer dot products"}, {l.MatrixGF, "%.0f in matrix units"}} {
		if p.value != nil {
			parts = append(parts, fmt.Sprintf(p.words, *p.value))
		}
	}
	return strings.Join(parts, ", ")
}
