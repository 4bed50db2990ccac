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

// BenchmarkInt8 times products of activations in bytes beside those of float32, in turns, so that their ratio holds on a
// machine with other work.
func BenchmarkInt8(b *testing.B) {
	bed := dotBed(b)
	for _, weights := range []string{"q4", "q8", "q4k", "q6k"} {
		for _, n := range []int{1, 4, 64} {
			for _, kernel := range []string{"mul_mat_vec", "mul_mat_vec_i8", "mul_mat", "mul_mat_i8"} {
				if (n > shaders.MaxColumns) == (kernel == "mul_mat_vec" || kernel == "mul_mat_vec_i8") {
					continue
				}
				v := shaders.Variant{Weights: weights}
				m, err := shaders.Find(kernel, v, func(m *shaders.Module) bool { return m.Tier != 1 || kernel == "mul_mat_vec" || kernel == "mul_mat" })
				if err != nil {
					b.Fatal(err)
				}
				b.Run(fmt.Sprintf("%s/3072x1024x%d/%s", weights, n, kernel), func(b *testing.B) { benchmarkInt8(b, bed, *m, 3072, 1024, n) })
			}
		}
	}
}

func benchmarkInt8(b *testing.B, bed *bed, m shaders.Module, rows, k, n int) {
	if m.Kernel == "mul_mat_vec" || m.Kernel == "mul_mat" {
		benchmarkProduct(b, bed, m, rows, k, n, nil)
		return
	}
	bed.TB = b
	rng := rand.New(rand.NewPCG(1, 1))
	w := newMatrix(rng, m.Variant.Weights, rows, k, 32, false)
	constants := with(with(shaders.Tuning(m.Kernel, m.Variant, bed.software(), rows, k, n), w.constants()),
		map[string]uint32{"EPILOGUE": epilogueStore, "EXPERTS": 0})
	groups := [3]uint32{1, 1, 1}
	if m.Kernel == "mul_mat_vec_i8" {
		constants["NORM"] = 0
		groups[0] = ceil(rows, int(constants["ROWS"]))
	} else {
		groups[0], groups[1] = ceil(rows, int(constants["BM"])), ceil(n, int(constants["BN"]))
	}
	x, _ := bytesOf(randoms(rng, n*k))
	bindings := append(w.planes[:], x, floats(make([]float32, n*rows)), nil, nil)
	ranges := make([]vk.Range, m.Buffers)
	for i := range ranges {
		a := bindings[i]
		if a == nil {
			a = uints(0, 0, 0, 0)
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
		Rows: uint32(rows), K: uint32(k), N: uint32(n), YStride: uint32(rows),
	}.Int8(n))
	r := bed.device.NewRecorder()
	r.Dispatch(bed.pipeline(m, constants), ranges, push, groups)
	c, err := r.Finish(b.Name())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := bed.device.Run(context.Background(), c); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := bed.device.Run(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*k*n)/(b.Elapsed().Seconds()/float64(b.N))/1e9, "GMAC/s")
}
