package convert

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// output is a tensor of the new file.
type output struct {
	name  string
	t     quant.Type
	shape []int           // outermost first
	parts []loader.Tensor // what it is made of, all of one shape: several are experts, or queries, keys and values
}

// rows returns the rows of one part.
func (o *output) rows() int { return o.parts[0].Rows }

// cols returns the numbers of a row of one part.
func (o *output) cols() int { return o.parts[0].Cols }

// elements returns the numbers of the whole tensor.
func (o *output) elements() int64 {
	return int64(len(o.parts)) * int64(o.rows()) * int64(o.cols())
}

// info is the tensor's line in the file.
func (o *output) info() (gguf.TensorInfo, error) {
	t, ok := gguf.TypeNamed(o.t.String())
	if !ok {
		return gguf.TensorInfo{}, fmt.Errorf("convert: GGUF has no type %v", o.t)
	}
	return gguf.TensorInfo{Name: o.name, Type: t, Shape: o.shape}, nil
}

// newPlan lists the tensors of the new file in the order of the model's.
func newPlan(c *loader.Checkpoint, p Preset) ([]*output, error) {
	tensors, err := taken(c)
	if err != nil {
		return nil, err
	}
	outputs, err := stacked(c, tensors)
	if err != nil {
		return nil, err
	}
	f := factsOf(c, outputs)
	for _, o := range outputs {
		o.t = p.typeOf(o.name, len(o.shape), o.cols(), f)
		if o.cols()%o.t.BlockSize() != 0 {
			return nil, refuse(c, fmt.Sprintf("tensor %q has rows of %d numbers, which no type divides", o.name, o.cols()))
		}
	}
	return outputs, nil
}

// checkModel holds the tensors against the configuration, as loading the model does: a file of tensors that do not fit its
// own metadata would be no model. What fits but is not computed here stays; other programs may compute it.
func checkModel(c *loader.Checkpoint) error {
	_, err := model.New(c, model.Options{})
	if embedding, ok := c.Tensor("token_embd.weight"); err != nil && !errors.Is(err, model.ErrWeights) && (!ok || embedding.Rows != c.Config().Vocab) {
		err = fmt.Errorf("the embedding has %d rows, the vocabulary %d tokens: %w", embedding.Rows, c.Config().Vocab, model.ErrWeights)
	}
	if errors.Is(err, model.ErrWeights) {
		return &loader.Error{File: c.Path(), Problem: "its tensors are not those that its configuration asks for", Err: err, Kind: loader.ErrCorrupt}
	}
	return nil
}

// factsOf gathers what choices of types depend on.
func factsOf(c *loader.Checkpoint, outputs []*output) facts {
	config := c.Config()
	f := facts{arch: c.Architecture(), layers: config.Layers, sharing: 1, tied: true}
	if config.KVHeads > 0 {
		f.sharing = config.Heads / config.KVHeads
	}
	for _, o := range outputs {
		if o.name == "output.weight" {
			f.tied = false
		}
		if len(o.shape) == 3 {
			f.experts = max(f.experts, o.shape[0])
		}
	}
	return f
}

// canonicalName is a name that a GGUF file of a Qwen model may have.
var canonicalName = regexp.MustCompile(`^(token_embd|output|output_norm|rope_freqs|blk\.\d+\.[a-z_]+(\.\d+)?)\.(weight|bias)$`)

// taken lists the tensors that go into the file. What transformers does not read either stays out:
// tables that are computed again, an output head beside a tied embedding, and biases of zeros,
// which exporters of quantised models add where llama.cpp expects none.
func taken(c *loader.Checkpoint) ([]loader.Tensor, error) {
	var list []loader.Tensor
	for _, name := range c.Names() {
		t, _ := c.Tensor(name)
		switch {
		case strings.HasSuffix(name, ".inv_freq"), strings.HasSuffix(name, ".masked_bias"):
			continue
		case name == "output.weight" && c.Config().Tied:
			continue
		case !canonicalName.MatchString(name):
			return nil, refuse(c, fmt.Sprintf("tensor %q has no place in a GGUF file", t.FileName))
		}
		if strings.HasSuffix(name, ".bias") && !strings.Contains(name, ".attn_q") && !strings.Contains(name, ".attn_k") && !strings.Contains(name, ".attn_v") {
			zero, err := allZero(&t)
			if err != nil {
				return nil, err
			}
			if zero {
				continue
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// allZero reports whether a vector has no other numbers.
func allZero(t *loader.Tensor) (bool, error) {
	values := make([]float32, t.Rows*t.Cols)
	if err := t.Source().Values(values, 0, t.Rows); err != nil {
		return false, fmt.Errorf("tensor %q: %w", t.FileName, err)
	}
	return !slices.ContainsFunc(values, func(f float32) bool { return f != 0 }), nil
}

// expertName is a matrix of one expert: layer, kind, number.
var expertName = regexp.MustCompile(`^(blk\.\d+\.ffn_(?:gate|up|down))\.(\d+)\.weight$`)

// stacked turns tensors into outputs: the experts of a layer are stacked, and a matrix of one row
// becomes a vector, as converters write it. The first generation's queries, keys and values, which
// package loader takes apart, become one matrix again.
func stacked(c *loader.Checkpoint, tensors []loader.Tensor) ([]*output, error) {
	if c.Architecture() == "qwen" {
		return joined(c, tensors)
	}
	type expert struct {
		number int
		tensor loader.Tensor
	}
	var outputs []*output
	stacks := map[string][]expert{}
	for _, t := range tensors {
		m := expertName.FindStringSubmatch(t.Name)
		if m == nil {
			o := &output{name: t.Name, shape: []int{t.Rows, t.Cols}, parts: []loader.Tensor{t}}
			switch {
			case len(t.Shape) > 2:
				o.shape = slices.Clone(t.Shape)
			case t.Rows == 1:
				o.shape = []int{t.Cols}
			}
			outputs = append(outputs, o)
			continue
		}
		number, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, refuse(c, fmt.Sprintf("tensor %q has no place in a GGUF file", t.FileName))
		}
		name := m[1] + "_exps.weight"
		if stacks[name] == nil {
			outputs = append(outputs, &output{name: name})
		}
		stacks[name] = append(stacks[name], expert{number, t})
	}
	most := 0
	for _, stack := range stacks {
		most = max(most, len(stack))
	}
	for _, o := range outputs {
		stack := stacks[o.name]
		if stack == nil {
			continue
		}
		slices.SortFunc(stack, func(a, b expert) int { return cmp.Compare(a.number, b.number) })
		for i, e := range stack {
			if e.number != i || e.tensor.Rows != stack[0].tensor.Rows || e.tensor.Cols != stack[0].tensor.Cols {
				return nil, refuse(c, fmt.Sprintf("the experts of %q cannot be stacked: number %d is missing or of another shape than the first", o.name, i))
			}
			o.parts = append(o.parts, e.tensor)
		}
		if len(stack) != most {
			return nil, refuse(c, fmt.Sprintf("%q stacks %d experts, other layers have %d", o.name, len(stack), most))
		}
		o.shape = []int{most, o.parts[0].Rows, o.parts[0].Cols}
	}
	if most > 0 {
		return outputs, onlyExperts(c, outputs)
	}
	return outputs, nil
}

// queryName is what joined puts together: layer, kind, weight or bias.
var queryName = regexp.MustCompile(`^(blk\.\d+\.attn_)([qkv])(\.weight|\.bias)$`)

// joined makes attn_qkv of attn_q, attn_k and attn_v, which have as many heads each.
func joined(c *loader.Checkpoint, tensors []loader.Tensor) ([]*output, error) {
	var outputs []*output
	for _, t := range tensors {
		o := &output{name: t.Name, shape: []int{t.Rows, t.Cols}, parts: []loader.Tensor{t}}
		if m := queryName.FindStringSubmatch(t.Name); m != nil {
			if m[2] != "q" {
				continue // comes with the queries
			}
			o.name = m[1] + "qkv" + m[3]
			for _, kind := range []string{"k", "v"} {
				next, ok := c.Tensor(m[1] + kind + m[3])
				if !ok || next.Rows != t.Rows || next.Cols != t.Cols {
					return nil, refuse(c, fmt.Sprintf("tensor %q is missing or of another shape than %q", m[1]+kind+m[3], t.Name))
				}
				o.parts = append(o.parts, next)
			}
		}
		if t.Rows == 1 {
			o.shape = []int{t.Cols * len(o.parts)}
		} else {
			o.shape[0] *= len(o.parts)
		}
		outputs = append(outputs, o)
	}
	return outputs, nil
}

// onlyExperts refuses a mixture of experts with dense layers in between: llama.cpp's architectures
// have no form for it and would not find the tensors that they ask for.
func onlyExperts(c *loader.Checkpoint, outputs []*output) error {
	for _, o := range outputs {
		if strings.HasPrefix(o.name, "blk.") && strings.HasSuffix(o.name, ".ffn_gate.weight") {
			return refuse(c, fmt.Sprintf("it mixes layers of experts with dense ones (%q), which a GGUF file of this architecture cannot say", o.name))
		}
	}
	return nil
}

// refuse is about a model that is sound but has no form as GGUF.
func refuse(c *loader.Checkpoint, problem string) error {
	return &loader.Error{File: c.Path(), Problem: problem, Kind: loader.ErrUnsupportedModel}
}
