package vkexec

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

var blockTypes = []quant.Type{
	quant.IQ1_S, quant.IQ1_M, quant.IQ2_XXS, quant.IQ2_XS, quant.IQ2_S, quant.IQ3_XXS, quant.IQ3_S, quant.TQ1_0, quant.TQ2_0,
}

// TestOracleBlocks runs a model whose matrices, embedding and output among them, are random blocks. The IQ and TQ types
// have no golden model, but these blocks reach every entry of a codebook, every scale and every sign. First each of the
// nine matrices is of another type, then all are of one, so that they become packs.
func TestOracleBlocks(t *testing.T) {
	for mask, m := range masks {
		if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
			continue
		}
		t.Run("mixed/"+mask, func(t *testing.T) {
			compareWithOracle(t, blockModel(t, blockTypes), model.Options{}, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1"})
		})
	}
	if testing.Short() {
		return
	}
	// A codebook, and planes whose rows have no whole number of words.
	t.Run("packs", func(t *testing.T) {
		compareWithOracle(t, blockModel(t, []quant.Type{quant.IQ3_S}), model.Options{}, masks["tier1"], Options{Context: 64, KV: "f32"})
	})
}

// blockModel writes a golden model with its matrices replaced by random blocks of the types in turn.
func blockModel(t *testing.T, types []quant.Type) string {
	t.Helper()
	old, err := gguf.Parse(testkit.Read(t, "golden/gguf-quants/Q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	var metadata []gguf.KeyValue
	for _, key := range old.Keys {
		value, _ := old.Lookup(key)
		metadata = append(metadata, gguf.KeyValue{Key: key, Value: value})
	}
	var tensors []gguf.TensorInfo
	var matrices []quant.Type // by tensor, none for a vector
	turn := 0
	for _, tensor := range old.Tensors {
		info := gguf.TensorInfo{Name: tensor.Name, Type: tensor.Type, Shape: tensor.Shape}
		matrices = append(matrices, 0)
		if len(tensor.Shape) == 2 {
			typ := types[turn%len(types)]
			turn++
			known := false
			if info.Type, known = gguf.TypeNamed(typ.String()); !known {
				t.Fatalf("GGUF has no type %v", typ)
			}
			matrices[len(matrices)-1] = typ
		}
		tensors = append(tensors, info)
	}
	layout, err := gguf.NewLayout(metadata, tensors)
	if err != nil {
		t.Fatal(err)
	}
	file := make([]byte, layout.Size)
	copy(file, layout.Header)
	rng := rand.New(rand.NewPCG(uint64(types[0]), 1))
	for i, tensor := range old.Tensors {
		at := file[layout.Offsets[i]:][:layout.Sizes[i]]
		if matrices[i] != 0 {
			randomBlocks(t, rng, matrices[i], at)
		} else {
			copy(at, tensor.Data)
		}
	}
	path := filepath.Join(t.TempDir(), "blocks.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// randomBlocks fills b with random blocks whose weights have the size that a model's have, about 0.06.
func randomBlocks(t *testing.T, rng *rand.Rand, typ quant.Type, b []byte) {
	t.Helper()
	values := make([]float32, typ.BlockSize())
	for ; len(b) > 0; b = b[typ.BlockBytes():] {
		block := b[:typ.BlockBytes()]
		for i := range block {
			block[i] = byte(rng.IntN(256))
		}
		setScale(typ, block, 1)
		if err := quant.Dequantize(values, typ, block); err != nil {
			t.Fatal(err)
		}
		square := 0.0
		for _, v := range values {
			square += float64(v) * float64(v)
		}
		setScale(typ, block, float32(0.06*(0.5+rng.Float64())/math.Sqrt(square/float64(len(values)))))
	}
}

// setScale sets the f16 scale of an IQ or TQ block.
func setScale(typ quant.Type, block []byte, scale float32) {
	h := half.F32ToF16(scale)
	switch typ {
	case quant.IQ1_M: // 4 bits each, on top of 4 half-words
		for i := range 4 {
			high := &block[49+2*i]
			*high = *high&15 | byte(h>>(4*i)&15)<<4
		}
	case quant.TQ1_0, quant.TQ2_0:
		binary.LittleEndian.PutUint16(block[len(block)-2:], h)
	default:
		binary.LittleEndian.PutUint16(block, h)
	}
}
