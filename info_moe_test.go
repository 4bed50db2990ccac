package qwenvk

import (
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
)

// TestInspectExperts: what is said of a mixture of experts agrees with the arithmetic on its shape.
func TestInspectExperts(t *testing.T) {
	i, err := Inspect(testkit.Path(t, "golden/qwen2moe"), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := i.Info
	if got.Experts != 12 || got.ExpertsUsed != 4 || got.ExpertIntermediate != 32 || got.SharedIntermediate != 96 || got.SparseLayers != 2 {
		t.Errorf("%+v", got)
	}
	const hidden, layers, vocab, head = 128, 2, 320, 2 * 64
	attention := 4*hidden*head + 3*head               // with the biases of q, k and v
	shared := 3*hidden*96 + hidden                    // with its gate
	norms := (2*layers + 1) * hidden                  // before attention and experts, and at the end
	rest := layers * (attention + shared + 12*hidden) // with the router
	active := 2*vocab*hidden + norms + rest + layers*4*3*hidden*32
	if int(got.ActiveParams) != active || int(got.Params) != active+layers*8*3*hidden*32 {
		t.Errorf("%d of %d parameters are active, want %d of %d", got.ActiveParams, got.Params, active, active+layers*8*3*hidden*32)
	}
	// A decode step multiplies by all active weights but norms, biases and the embedding, of which it reads one row.
	if want := 2 * (active - norms - layers*3*head - vocab*hidden); int(got.FLOPsPerToken) != want {
		t.Errorf("%d FLOPs per token, want %d", got.FLOPsPerToken, want)
	}
}
