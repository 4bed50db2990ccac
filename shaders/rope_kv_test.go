package shaders_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
)

// ropeTable holds fine and coarse rows for the given angles per position.
func ropeTable(frequencies []float64, positions int) *array {
	var v []float32
	turn := func(position int) {
		for _, f := range frequencies {
			sin, cos := math.Sincos(float64(position) * f)
			v = append(v, float32(cos), float32(sin))
		}
	}
	for p := range shaders.RoPELow {
		turn(p)
	}
	for p := 0; p <= positions; p += shaders.RoPELow {
		turn(p)
	}
	return floats(v)
}

func TestRoPEKV(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("rope_kv") {
		for _, c := range []struct {
			name                string
			heads, kvHeads, dim int
			norm                bool
			local               uint32
			firstPage, pages    int // of those that the bound cache holds; 0: all
		}{
			{name: "normed", heads: 4, kvHeads: 2, dim: 128, norm: true},
			{name: "plain", heads: 3, kvHeads: 3, dim: 64},
			{name: "odd head", heads: 2, kvHeads: 1, dim: 10, norm: true, local: 32},
			{name: "large head, wide group", heads: 1, kvHeads: 1, dim: 256, norm: true, local: 64},
			{name: "a shard", heads: 2, kvHeads: 1, dim: 128, norm: true, firstPage: 3, pages: 7},
		} {
			t.Run(m.File+"/"+c.name, func(t *testing.T) {
				b.TB = t
				rng := rand.New(rand.NewPCG(9, 9))
				step := newBatch(rng, sequence{slot: 1, rows: 3, start: 62}, sequence{slot: 0, rows: 1, start: 40000},
					sequence{slot: 2, rows: 2, start: 0})
				if c.pages == 0 {
					c.pages = step.pages
				}
				frequencies := make([]float64, c.dim/2)
				for i := range frequencies {
					frequencies[i] = math.Pow(1e6, -2*float64(i)/float64(c.dim))
				}
				all := c.heads + 2*c.kvHeads
				qkv, qNorm, kNorm := randoms(rng, step.Rows*all*c.dim), randoms(rng, c.dim), randoms(rng, c.dim)
				q := output(step.Rows * c.heads * c.dim)
				k := newCache(m.Variant.KV, c.pages, c.kvHeads, c.dim)
				v := newCache(m.Variant.KV, c.pages, c.kvHeads, c.dim)

				constants := shaders.Tuning("rope_kv", m.Variant, b.software(), 0, c.dim, 0)
				if c.local != 0 {
					constants["LOCAL_SIZE"] = c.local
				}
				constants["HEAD_DIM"], constants["QK_NORM"] = uint32(c.dim), 0
				if c.norm {
					constants["QK_NORM"] = 1
				}
				push := shaders.RoPEKVPush{
					Rows: uint32(step.Rows), Heads: uint32(c.heads), KVHeads: uint32(c.kvHeads),
					RowsAt: uint32(step.RowsAt()), BlocksAt: uint32(step.BlocksAt()), MaxBlocks: uint32(step.MaxBlocks),
					FirstPage: uint32(c.firstPage), Pages: uint32(c.pages), WriteQ: 1, Eps: eps,
				}
				groups := [3]uint32{uint32(all), uint32(step.Rows), 1}
				run := func() {
					b.run(m, constants, push, groups, floats(qkv), floats(qNorm), floats(kNorm), ropeTable(frequencies, 40000),
						step.array(), q, k.array, v.array)
				}
				run()

				// Narrowing to f16 costs 2^-11 of the value; the product of two rounded rotations a few 2^-24.
				precision := 2e-6
				if k.half {
					precision = 0x1p-11 + 2e-6
				}
				wantK, wantV := newCache("f32", c.pages, c.kvHeads, c.dim), newCache("f32", c.pages, c.kvHeads, c.dim)
				var wantQ []float64
				row := 0
				for _, s := range step.sequences {
					for token := range s.rows {
						position := s.start + token
						page := step.page(s.slot, position) - c.firstPage
						for h := range all {
							x := widen(qkv[(row*all+h)*c.dim:][:c.dim])
							switch {
							case h < c.heads:
								wantQ = append(wantQ, turnHead(x, qNorm, c.norm, frequencies, position)...)
							case page < 0 || page >= c.pages:
							case h < c.heads+c.kvHeads:
								for i, f := range turnHead(x, kNorm, c.norm, frequencies, position) {
									wantK.set(wantK.at(page, h-c.heads, position, i), float32(f))
								}
							default:
								for i, f := range x {
									wantV.set(wantV.at(page, h-c.heads-c.kvHeads, position, i), float32(f))
								}
							}
						}
						row++
					}
				}
				check(t, "q", q.floats(), wantQ, func(int) float64 { return 5e-6 })
				for _, pair := range []struct {
					name      string
					got, want cache
				}{{"k", k, wantK}, {"v", v, wantV}} {
					for i := range pair.want.words {
						if pair.want.words[i] == poison { // not to be written
							word := i
							if pair.got.half {
								word /= 2
							}
							if pair.got.words[word] != poison {
								t.Fatalf("%s: element %d was written", pair.name, i)
							}
							continue
						}
						got, want := float64(pair.got.get(i)), float64(pair.want.float(i))
						if !(math.Abs(got-want) <= precision*math.Abs(want)+3e-6) {
							t.Fatalf("%s: element %d is %g, want %g", pair.name, i, got, want)
						}
					}
				}

				// A shard that is not the first leaves q alone.
				push.WriteQ = 0
				q = output(len(q.words))
				run()
				for i, w := range q.words {
					if w != poison {
						t.Fatalf("q was written at %d with WriteQ 0", i)
					}
				}
			})
		}
	}
}

// turnHead norms and rotates one head in float64.
func turnHead(x []float64, norm []float32, normed bool, frequencies []float64, position int) []float64 {
	y := make([]float64, len(x))
	factor := 1.0
	if normed {
		squares := 0.0
		for _, v := range x {
			squares += v * v
		}
		factor = 1 / math.Sqrt(squares/float64(len(x))+eps)
	}
	for i, v := range x {
		y[i] = v * factor
		if normed {
			y[i] *= float64(norm[i])
		}
	}
	half := len(x) / 2
	for i := range half {
		sin, cos := math.Sincos(float64(position) * frequencies[i])
		y[i], y[i+half] = y[i]*cos-y[i+half]*sin, y[i+half]*cos+y[i]*sin
	}
	return y
}
