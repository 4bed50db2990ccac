package convert_test

import (
	"testing"

	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

func TestParseType(t *testing.T) {
	for name, want := range map[string]quant.Type{"q4_k": quant.Q4_K, "IQ2_XS": quant.IQ2_XS, "mxfp4": quant.MXFP4, "Q8_0": quant.Q8_0} {
		p, err := convert.ParseType(name)
		if err != nil || p.Main != want {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if p, err := convert.ParseType("Q9"); err == nil {
		t.Errorf("Q9 is %v", p)
	}
}

// A random model has the types that a file of the preset has.
func TestTypeOf(t *testing.T) {
	p, err := convert.ParseType("Q4_K_M")
	if err != nil {
		t.Fatal(err)
	}
	dense, err := loader.Random("8b", p.TypeOf)
	if err != nil {
		t.Fatal(err)
	}
	sparse, err := loader.Random("235b-a22b", p.TypeOf)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		c          *loader.Checkpoint
		name, want string
		rows       int
	}{
		{dense, "output.weight", "Q6_K", 151936},
		{dense, "token_embd.weight", "Q4_K", 151936},
		{dense, "blk.0.ffn_down.weight", "Q6_K", 4096},
		{dense, "blk.7.ffn_gate.weight", "Q4_K", 12288},
		{dense, "blk.35.attn_k_norm.weight", "F32", 1},
		{sparse, "blk.93.ffn_gate_inp.weight", "F32", 128},
		{sparse, "blk.93.ffn_down.127.weight", "Q6_K", 4096},
		{sparse, "blk.50.ffn_up.127.weight", "Q4_K", 1536},
	} {
		tensor, ok := test.c.Tensor(test.name)
		if !ok || tensor.TypeName != test.want || tensor.Rows != test.rows {
			t.Errorf("%s: %v, %s, %d rows; want %s, %d", test.name, ok, tensor.TypeName, tensor.Rows, test.want, test.rows)
		}
	}
	if n := sparse.Parameters(); n < 235e9 || n > 236e9 {
		t.Errorf("the 235B has %d parameters", n)
	}
}
