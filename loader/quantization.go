package loader

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// quantization is what a folder says about the layers that its makers quantised.
type quantization struct {
	method  string // "gptq", "awq" or "fp8"
	bits    int
	group   int  // inputs that share a scale; 0: all of a layer
	ordered bool // gptq, "desc_act": groups hold scattered inputs
	sym     bool // gptq: zero points are half the range
	offset  int  // gptq: what was taken off the zero points
	mixed   bool // gptq, "dynamic": layers differ, so that each one's shapes decide bits and group
	block   [2]int
}

// Where tools of before transformers 4.35 wrote what is now config.json's quantization_config.
const (
	gptqConfigFile = "quantize_config.json"
	awqConfigFile  = "quant_config.json"
)

// readQuantization finds the description of a folder's quantised layers; nil if there is none.
// The error is an *Error about the file that has it.
func readQuantization(dir string, config *object) (*quantization, error) {
	file := "config.json"
	text := []byte(nil)
	if config.has("quantization_config") {
		text = config.keys["quantization_config"]
	}
	method := ""
	for _, older := range []struct{ file, method string }{{gptqConfigFile, "gptq"}, {awqConfigFile, "awq"}} {
		if text != nil {
			break
		}
		var err error
		if text, err = readFile(filepath.Join(dir, older.file), configLimit); err != nil {
			return nil, err
		}
		file, method = older.file, older.method
	}
	if text == nil {
		return nil, nil
	}
	path := filepath.Join(dir, file)
	o, err := parseObject(text)
	if err != nil {
		return nil, corrupt(path, err)
	}
	q := &quantization{method: method}
	if o.has("quant_method") {
		q.method = o.text("quant_method")
	}
	switch q.method {
	case "gptq":
		err = q.readGPTQ(o)
	case "awq":
		err = q.readAWQ(o)
	case "fp8":
		err = q.readFP8(o)
	default:
		err = unsupported("", fmt.Sprintf("its weights are quantised by the method %q", q.method), "the methods that work are gptq, awq and fp8; or give the model as GGUF")
	}
	if err == nil {
		err = o.err
	}
	return q, inFile(path, err)
}

// readGPTQ reads the keys of AutoGPTQ, GPTQModel and Optimum.
func (q *quantization) readGPTQ(o *object) error {
	q.bits, q.ordered, q.sym = o.optional("bits", 4), o.bool("desc_act"), true
	if o.has("sym") {
		q.sym = o.bool("sym")
	}
	q.readGroup(o, "group_size")
	format := firstText(o, "checkpoint_format", "format")
	switch format {
	case "", "gptq":
		q.offset = 1
	case "gptq_v2":
	default:
		return unsupported("", fmt.Sprintf("its GPTQ layers are in the format %q", format), "the formats that work are gptq and gptq_v2")
	}
	if o.bool("is_marlin_format") {
		return unsupported("", "its GPTQ layers are repacked for the Marlin kernels", "give the model in the format gptq")
	}
	if words := o.text("pack_dtype"); words != "" && words != "int32" {
		return unsupported("", fmt.Sprintf("its GPTQ layers are packed into %q", words), "int32 is what works")
	}
	return q.readDynamic(o)
}

// firstText returns the first of some keys that is there.
func firstText(o *object, keys ...string) string {
	for _, key := range keys {
		if text := o.text(key); text != "" {
			return text
		}
	}
	return ""
}

// readDynamic looks at GPTQModel's rules for single layers: patterns of names, each with settings
// of its own, or with "-" in front, which leaves layers unquantised.
func (q *quantization) readDynamic(o *object) error {
	var rules map[string]json.RawMessage
	o.read("dynamic", &rules)
	for pattern := range rules {
		q.mixed = q.mixed || !strings.HasPrefix(pattern, "-")
	}
	if q.mixed {
		q.sym = false // a layer may differ in it
	}
	if q.bits != 4 && q.bits != 8 && !q.mixed && o.err == nil {
		return unsupported("", fmt.Sprintf("its GPTQ layers have %d bits", q.bits), "4 and 8 are what works")
	}
	return nil
}

// readAWQ reads the keys of AutoAWQ, newer and older.
func (q *quantization) readAWQ(o *object) error {
	q.bits = 4
	for _, key := range []string{"bits", "w_bit"} {
		q.bits = o.optional(key, q.bits)
	}
	q.readGroup(o, "group_size", "q_group_size")
	version := firstText(o, "version", "checkpoint_format", "format") // GPTQModel writes the latter two
	switch {
	case o.err != nil:
		return nil
	case version != "" && !strings.EqualFold(version, "gemm"):
		return unsupported("", fmt.Sprintf("its AWQ layers are in the version %q", version), "gemm is what works")
	case q.bits != 4:
		return unsupported("", fmt.Sprintf("its AWQ layers have %d bits", q.bits), "4 is what works")
	case o.has("zero_point") && !o.bool("zero_point"):
		return unsupported("", "its AWQ layers have no zero points", "")
	}
	return nil
}

// readGroup reads the number of inputs that share a scale, -1 for all.
func (q *quantization) readGroup(o *object, keys ...string) {
	group := 128
	for _, key := range keys {
		o.read(key, &group)
	}
	if group != -1 && (group < 1 || group > 1<<30) {
		o.fail(fmt.Errorf("key %q: a group of %d inputs", keys[0], group))
	}
	q.group = max(group, 0)
}

// readFP8 reads the keys of transformers' fine-grained FP8.
func (q *quantization) readFP8(o *object) error {
	if format := o.text("fmt"); format != "" && format != "e4m3" {
		return unsupported("", fmt.Sprintf("its 8-bit floats are of the format %q", format), "e4m3 is what works")
	}
	var block []int
	if o.read("weight_block_size", &block) {
		if len(block) != 2 || block[0] < 1 || block[1] < 1 || block[0] > 1<<30 || block[1] > 1<<30 {
			return errors.New("key \"weight_block_size\" is not a pair of sizes")
		}
		q.block = [2]int(block)
	}
	return nil
}
