package testkit

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Tensor is one tensor of a safetensors file.
type Tensor struct {
	DType string
	Shape []int
	Data  []byte
}

// WriteSafetensors writes a file of tensors.
func WriteSafetensors(t testing.TB, path string, tensors map[string]Tensor) {
	t.Helper()
	header := map[string]any{}
	var data []byte
	for name, x := range tensors {
		header[name] = map[string]any{"dtype": x.DType, "shape": append([]int{}, x.Shape...), "data_offsets": []int{len(data), len(data) + len(x.Data)}}
		data = append(data, x.Data...)
	}
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	if err := os.WriteFile(path, append(append(file, head...), data...), 0o600); err != nil {
		t.Fatalf("testkit: %v", err)
	}
}

// Quantised describes a linear layer in small integers with scales and zero points.
type Quantised struct {
	Rows, Cols int // outputs, inputs
	Bits       int
	Group      int     // inputs that share a scale; 0: all
	AWQ        bool    // else GPTQ
	V2         bool    // GPTQ: zero points are stored as they are, not less one
	Symmetric  bool    // zero points are half the range
	ActOrder   bool    // GPTQ: g_idx scatters the inputs over the groups
	Std        float64 // of the weights, about; 0: 0.1
}

// Make fills the layer with random numbers. It returns the tensors that it is stored as, without the layer's name in
// front, and what they mean, weights [Rows, Cols]. It is written from the definitions of the formats, number by number,
// to check package quant, with which it shares nothing.
func (l Quantised) Make(rng *rand.Rand) (tensors map[string]Tensor, weights []float64) {
	group := l.Group
	if group == 0 {
		group = l.Cols
	}
	groups, levels := (l.Cols+group-1)/group, 1<<l.Bits
	groupOf := make([]int, l.Cols)
	for i := range groupOf {
		groupOf[i] = i / group
	}
	if l.ActOrder {
		rng.Shuffle(l.Cols, func(i, j int) { groupOf[i], groupOf[j] = groupOf[j], groupOf[i] })
	}
	std := l.Std
	if std == 0 {
		std = 0.1
	}
	zeros, scales := make([]int, groups*l.Rows), make([]float64, groups*l.Rows)
	var scaleBytes []byte
	for i := range zeros {
		zeros[i] = levels / 2
		if !l.Symmetric {
			zeros[i] = rng.IntN(levels)
		}
		h := half.F32ToF16(float32(4 * std / float64(levels) * (0.5 + rng.Float64())))
		scales[i] = float64(half.F16ToF32(h))
		scaleBytes = binary.LittleEndian.AppendUint16(scaleBytes, h)
	}
	quants := make([]int, l.Cols*l.Rows) // [Cols, Rows], as both formats have it
	weights = make([]float64, l.Rows*l.Cols)
	for i := range l.Cols {
		for o := range l.Rows {
			// About a normal distribution around the zero point, cut off at the ends.
			at := groupOf[i]*l.Rows + o
			q := zeros[at] + int(math.Round(rng.NormFloat64()*float64(levels)/5))
			q = min(max(q, 0), levels-1)
			quants[i*l.Rows+o] = q
			weights[o*l.Cols+i] = float64(q-zeros[at]) * scales[at]
		}
	}
	quantShape, quantWords, zeroWords := l.pack(quants, zeros)
	tensors = map[string]Tensor{
		"qweight": {"I32", quantShape, quantWords},
		"qzeros":  {"I32", []int{groups, l.Rows * l.Bits / 32}, zeroWords},
		"scales":  {"F16", []int{groups, l.Rows}, scaleBytes},
	}
	if !l.AWQ {
		var idx []byte
		for _, g := range groupOf {
			idx = binary.LittleEndian.AppendUint32(idx, uint32(g))
		}
		tensors["g_idx"] = Tensor{"I32", []int{l.Cols}, idx}
	}
	return tensors, weights
}

// pack puts quants [Cols, Rows] and zero points [groups, Rows] into words as the format has them.
func (l Quantised) pack(quants, zeros []int) (shape []int, quantWords, zeroWords []byte) {
	lanes := 32 / l.Bits
	words := func(n int) []byte { return make([]byte, 4*n) }
	put := func(words []byte, at, place, value int) {
		w := binary.LittleEndian.Uint32(words[4*at:])
		binary.LittleEndian.PutUint32(words[4*at:], w|uint32(value)<<(l.Bits*place))
	}
	place := func(o int) int { return o % lanes }
	if l.AWQ {
		order := []int{0, 2, 4, 6, 1, 3, 5, 7} // output order[k] of eight lies at place k
		place = func(o int) int {
			for k, output := range order {
				if output == o%8 {
					return k
				}
			}
			panic("no place")
		}
	}
	zeroWords = words(len(zeros) / lanes)
	for g := range len(zeros) / l.Rows {
		for o := range l.Rows {
			z := zeros[g*l.Rows+o]
			if !l.AWQ && !l.V2 {
				z = (z - 1) & (1<<l.Bits - 1)
			}
			put(zeroWords, g*(l.Rows/lanes)+o/lanes, place(o), z)
		}
	}
	quantWords = words(l.Rows * l.Cols / lanes)
	shape = []int{l.Cols / lanes, l.Rows}
	if l.AWQ {
		shape = []int{l.Cols, l.Rows / lanes}
	}
	for i := range l.Cols {
		for o := range l.Rows {
			q := quants[i*l.Rows+o]
			if l.AWQ {
				put(quantWords, i*(l.Rows/lanes)+o/lanes, place(o), q)
			} else {
				put(quantWords, i/lanes*l.Rows+o, i%lanes, q)
			}
		}
	}
	return shape, quantWords, zeroWords
}
