package shaders_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// BenchmarkWeightTypes times decoding's product, 4096 × 4096 by one column, for every type of weights. On a software
// device it reports the processor's time for a weight as well, which other work on the machine disturbs less.
func BenchmarkWeightTypes(b *testing.B) {
	const rows, k = 4096, 4096
	bed := newBed(b)
	for _, m := range bed.modules("mul_mat_vec") {
		b.Run(fmt.Sprintf("%s/tier%d/%dx%dx1", m.Variant, m.Tier, rows, k), func(b *testing.B) {
			var before time.Duration
			benchmarkProduct(b, bed, m, rows, k, 1, func() { before = processorTime(b) })
			b.ReportMetric(float64(processorTime(b)-before)*1e3/float64(b.N*rows*k), "cpu-ps/weight")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
