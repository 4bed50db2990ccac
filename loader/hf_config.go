package loader

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// object is a JSON object that is read key by key, keeping the first error. A key that is
// there with the value null counts as absent, as in transformers.
type object struct {
	keys map[string]json.RawMessage
	err  error
}

// parseObject reads a JSON object; no text is an empty object.
func parseObject(text []byte) (*object, error) {
	o := &object{}
	if text == nil {
		return o, nil
	}
	err := json.Unmarshal(text, &o.keys)
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		err = fmt.Errorf("it is of type %s where an object is expected", t.Value)
	}
	if err != nil {
		return nil, fmt.Errorf("it is not JSON as expected: %w", err)
	}
	return o, nil
}

func (o *object) has(key string) bool {
	raw, ok := o.keys[key]
	return ok && !bytes.Equal(raw, []byte("null"))
}

func (o *object) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// read decodes a key into value and reports whether it was there.
func (o *object) read(key string, value any) bool {
	if !o.has(key) {
		return false
	}
	if err := json.Unmarshal(o.keys[key], value); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) {
			err = fmt.Errorf("its value is a %s", t.Value)
		}
		o.fail(fmt.Errorf("key %q: %w", key, err))
		return false
	}
	return true
}

func (o *object) text(key string) (s string) { o.read(key, &s); return s }

func (o *object) bool(key string) (b bool) { o.read(key, &b); return b }

// size returns a whole number from 1 that an int32 holds; one of the keys must be there.
func (o *object) size(keys ...string) int {
	for _, key := range keys {
		if o.has(key) {
			return o.optional(key, 0)
		}
	}
	o.fail(missingKey(keys[0]))
	return 0
}

func (o *object) optional(key string, absent int) int {
	var n int64
	if !o.has(key) {
		return absent
	}
	if o.read(key, &n) && (n < 1 || n > math.MaxInt32) {
		o.fail(fmt.Errorf("key %q: %d is out of range", key, n))
	}
	return int(n)
}

func (o *object) float(key string) (f float64) {
	if !o.has(key) {
		o.fail(missingKey(key))
	}
	o.read(key, &f)
	return f
}

func (o *object) optionalFloat(key string, absent float64) float64 {
	if !o.has(key) {
		return absent
	}
	return o.float(key)
}

func (o *object) advised(key string) *float64 {
	var f float64
	if !o.read(key, &f) {
		return nil
	}
	return &f
}

// tokens returns one id or a list of them.
func (o *object) tokens(key string) []int {
	var ids []int
	if !o.has(key) {
		return nil
	}
	if o.keys[key][0] == '[' {
		o.read(key, &ids)
	} else {
		var id int
		if o.read(key, &id) {
			ids = []int{id}
		}
	}
	for _, id := range ids {
		if id < 0 {
			o.fail(fmt.Errorf("key %q: %d is no token id", key, id))
		}
	}
	return ids
}

// token returns one id, -1 if the key is absent.
func (o *object) token(key string) int {
	if ids := o.tokens(key); len(ids) > 0 {
		return ids[0]
	}
	return -1
}

// folderConfig reads config.json and generation_config.json. It takes the keys of transformers
// 5 as well as those of the checkpoints published with transformers 4: rope_parameters or
// rope_theta and rope_scaling, dtype or torch_dtype, layer_types or max_window_layers.
//
// Tied and AttentionBias are completed from the tensors where config.json says nothing.
func folderConfig(arch string, config, generation *object) (Config, error) {
	if arch == "qwen" {
		return firstConfig(config, generation)
	}
	c := Config{
		Layers:        config.size("num_hidden_layers"),
		Hidden:        config.size("hidden_size"),
		Intermediate:  config.size("intermediate_size"),
		Heads:         config.size("num_attention_heads"),
		KVHeads:       config.size("num_key_value_heads"),
		Vocab:         config.size("vocab_size"),
		ContextLength: config.size("max_position_embeddings"),
		RMSEps:        config.float("rms_norm_eps"),
		Tied:          config.bool("tie_word_embeddings"),
		AttentionBias: config.bool("attention_bias"),
		TorchDType:    config.text("dtype"),
		BOS:           config.token("bos_token_id"),
		PAD:           config.token("pad_token_id"),
		EOS:           config.tokens("eos_token_id"),
	}
	if c.TorchDType == "" {
		c.TorchDType = config.text("torch_dtype")
	}
	c.HeadDim = config.optional("head_dim", 0)
	if c.HeadDim == 0 && config.err == nil {
		// Qwen2 defines its heads by division; Qwen3's are free and must be written.
		if arch == "qwen2" || arch == "qwen2moe" {
			c.HeadDim, config.err = headDim(c.Hidden, c.Heads)
		} else {
			config.fail(missingKey("head_dim"))
		}
	}
	if config.err != nil {
		return c, config.err
	}
	if err := c.readRoPE(config); err != nil {
		return c, err
	}
	if err := c.readSliding(config); err != nil {
		return c, err
	}
	if err := c.readExperts(arch, config); err != nil {
		return c, err
	}
	c.readGeneration(generation)
	if generation.err != nil {
		return c, fmt.Errorf("%s: %w", generationConfigFile, generation.err)
	}
	act := config.text("hidden_act")
	if config.err != nil {
		return c, config.err
	}
	if err := c.check(); err != nil {
		return c, err
	}
	if act != "" && act != "silu" { // last, so that Inspect can show the rest
		return c, unsupported("", fmt.Sprintf("its activation %q is not known", act), "")
	}
	return c, nil
}

// readGeneration lets generation_config.json overrule config.json, as transformers does.
func (c *Config) readGeneration(g *object) {
	var sample bool
	if g.read("do_sample", &sample) {
		c.Generation.DoSample = &sample
	}
	c.Generation.Temperature = g.advised("temperature")
	c.Generation.TopP = g.advised("top_p")
	c.Generation.TopK = g.advised("top_k")
	c.Generation.MinP = g.advised("min_p")
	c.Generation.RepetitionPenalty = g.advised("repetition_penalty")
	if ids := g.tokens("eos_token_id"); ids != nil {
		c.EOS = ids
	}
	if id := g.token("bos_token_id"); id >= 0 {
		c.BOS = id
	}
	if id := g.token("pad_token_id"); id >= 0 {
		c.PAD = id
	}
}

// readRoPE reads the rotary embedding's base and scaling.
func (c *Config) readRoPE(config *object) error {
	key := "rope_parameters"
	if !config.has(key) {
		key = "rope_scaling"
	}
	scaling, err := parseObject(config.keys[key])
	if err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	if scaling.has("rope_theta") {
		c.RoPETheta = scaling.float("rope_theta")
	} else {
		c.RoPETheta = config.float("rope_theta")
	}
	kind := scaling.text("rope_type")
	if kind == "" {
		kind = scaling.text("type") // before transformers 4.43
	}
	switch {
	case scaling.err != nil:
		return fmt.Errorf("key %q: %w", key, scaling.err)
	case kind == "" && config.has(key):
		return fmt.Errorf("key %q: %w", key, missingKey("rope_type"))
	case kind == "" || kind == "default":
		return nil
	}
	for _, other := range []string{"mrope_section", "partial_rotary_factor"} {
		if scaling.has(other) {
			return unsupported("", fmt.Sprintf("its rotary embedding has %q, which no Qwen language model uses", other), "")
		}
	}
	c.RoPEScaling = scaling.ropeScaling(kind, c.ContextLength)
	if scaling.err != nil {
		return fmt.Errorf("key %q: %w", key, scaling.err)
	}
	return nil
}

// ropeScaling reads the numbers of a scaling as transformers does (modeling_rope_utils.py). Where
// the factor is left out, it is what the whole context has over the original one.
func (o *object) ropeScaling(kind string, context int) RoPEScaling {
	s := RoPEScaling{Type: kind}
	if !knownScaling(kind) {
		return s
	}
	s.OriginalContext = o.optional("original_max_position_embeddings", context)
	if s.OriginalContext < context && !o.has("factor") {
		s.Factor = float64(context) / float64(s.OriginalContext)
	} else {
		s.Factor = o.float("factor")
	}
	if kind != "yarn" {
		return s
	}
	s.BetaFast = o.optionalFloat("beta_fast", yarnBetaFast)
	s.BetaSlow = o.optionalFloat("beta_slow", yarnBetaSlow)
	truncate := true
	o.read("truncate", &truncate)
	s.Exact = !truncate
	s.AttentionFactor = yarnAttention(s.Factor, 1)
	mscale, all := o.optionalFloat("mscale", 0), o.optionalFloat("mscale_all_dim", 0)
	if mscale != 0 && all != 0 {
		s.AttentionFactor = yarnAttention(s.Factor, mscale) / yarnAttention(s.Factor, all)
	}
	s.AttentionFactor = o.optionalFloat("attention_factor", s.AttentionFactor)
	return s
}

// readSliding reads which layers see only a window of the tokens before them.
func (c *Config) readSliding(config *object) error {
	var kinds []string
	config.read("layer_types", &kinds)
	window := 0
	if config.bool("use_sliding_window") {
		window = config.optional("sliding_window", 0)
	}
	if config.err != nil {
		return config.err
	}
	if kinds != nil && len(kinds) != c.Layers {
		return fmt.Errorf("key \"layer_types\" lists %d layers, but there are %d", len(kinds), c.Layers)
	}
	if c.Layers > maxLayers {
		return c.check()
	}
	sliding, any := make([]bool, c.Layers), false
	first := c.Layers
	if kinds == nil && window > 0 {
		first = 0 // all layers slide
		if config.has("max_window_layers") {
			config.read("max_window_layers", &first)
		}
		if config.err != nil {
			return config.err
		}
		if first < 0 {
			return fmt.Errorf("key \"max_window_layers\": %d is out of range", first)
		}
	}
	for i := range sliding {
		sliding[i] = i >= first
		if kinds != nil {
			switch kinds[i] {
			case "full_attention":
			case "sliding_attention":
				sliding[i] = true
			default:
				return unsupported("", fmt.Sprintf("layer %d is of type %q", i, kinds[i]), "")
			}
		}
		any = any || sliding[i]
	}
	if any && window == 0 {
		return errors.New("key \"layer_types\" has sliding layers, but use_sliding_window and sliding_window give no window")
	}
	if any {
		c.SlidingWindow, c.SlidingLayers = window, sliding
	}
	return nil
}
