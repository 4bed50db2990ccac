package shaders_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// benchmarkProduct times one dispatch of a matrix kernel with its submit, and reports arithmetic and the bandwidth of
// reading the weights. ready, if any, is called before the first timed dispatch.
func benchmarkProduct(b *testing.B, bed *bed, m shaders.Module, rows, k, n int, ready func()) {
	bed.TB = b
	w := newMatrix(rand.New(rand.NewPCG(1, 1)), m.Variant.Weights, rows, k, 32, false)
	constants := with(with(shaders.Tuning(m.Kernel, m.Variant, bed.software(), rows, k, n), w.constants()),
		map[string]uint32{"EPILOGUE": epilogueStore, "EXPERTS": 0})
	groups := [3]uint32{1, 1, 1}
	if m.Kernel == "mul_mat_vec" {
		constants["NORM"] = 0
		groups[0] = ceil(rows, int(constants["ROWS"]))
	} else {
		groups[0], groups[1] = ceil(rows, int(constants["BM"])), ceil(n, int(constants["BN"]))
	}
	bytes := 0
	bindings := append(w.planes[:], floats(make([]float32, n*k)), floats(make([]float32, n*rows)), nil, nil)
	ranges := make([]vk.Range, m.Buffers)
	for i := range ranges {
		a := bindings[i]
		if a == nil {
			a = uints(0, 0, 0, 0)
		} else if i < 4 {
			bytes += 4 * len(a.words)
		}
		buffer, err := bed.device.NewBuffer("bench", uint64(4*len(a.words)), vk.DeviceLocal)
		if err != nil {
			b.Fatal(err)
		}
		defer buffer.Close()
		data, _ := binary.Append(nil, binary.LittleEndian, a.words)
		if err := bed.device.UploadBytes(context.Background(), buffer.Whole(), data); err != nil {
			b.Fatal(err)
		}
		ranges[i] = buffer.Whole()
	}
	push, _ := binary.Append(nil, binary.LittleEndian, shaders.MatMulPush{
		Rows: uint32(rows), K: uint32(k), N: uint32(n), XStride: uint32(k), YStride: uint32(rows),
	})
	r := bed.device.NewRecorder()
	r.Dispatch(bed.pipeline(m, constants), ranges, push, groups)
	c, err := r.Finish(b.Name())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := bed.device.Run(context.Background(), c); err != nil { // compiles, where the driver puts that off
		b.Fatal(err)
	}
	if ready != nil {
		ready()
	}
	for b.Loop() {
		if err := bed.device.Run(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64(rows*k*n)/seconds/1e9, "GMAC/s")
	b.ReportMetric(float64(bytes)/seconds/1e9, "GB/s")
}

func BenchmarkMatMulVec(b *testing.B) {
	bed := newBed(b)
	for _, m := range bed.modules("mul_mat_vec") {
		for _, n := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/tier%d/3072x1024x%d", m.Variant, m.Tier, n), func(b *testing.B) {
				benchmarkProduct(b, bed, m, 3072, 1024, n, nil)
			})
		}
	}
}

func BenchmarkMatMul(b *testing.B) {
	bed := newBed(b)
	for _, m := range bed.modules("mul_mat") {
		for _, n := range []int{16, 64} {
			b.Run(fmt.Sprintf("%s/tier%d/3072x1024x%d", m.Variant, m.Tier, n), func(b *testing.B) {
				benchmarkProduct(b, bed, m, 3072, 1024, n, nil)
			})
		}
	}
}
