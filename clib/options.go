package main

// #include "bridge.h"
import "C"

import (
	"fmt"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/sampler"
)

// words reads several C strings.
func words(list ...word) (err error) {
	for _, w := range list {
		if *w.to, err = text(w.what, w.from); err != nil {
			return err
		}
	}
	return nil
}

type word struct {
	what string
	from *C.char
	to   *string
}

func runtimeOptions(c *C.qwenvk_options) (o qwenvk.Options, log *logLines, err error) {
	if err := words(word{"device", c.device, &o.Device}, word{"cache_dir", c.cache_dir, &o.CacheDir}); err != nil {
		return o, nil, err
	}
	switch tier := int(c.tier); {
	case tier < -1 || tier > 4:
		return o, nil, fmt.Errorf("%w: tier %d does not exist", errUsage, tier)
	case tier != 0:
		tier = max(tier, 0)
		o.Tier = &tier
	}
	o.MemoryLimit = uint64(c.memory_limit)
	if c.log != nil {
		log = newLog(c.log, c.log_user, int(c.log_level))
		o.Log = log.logger()
	}
	return o, log, nil
}

func loadOptions(c *C.qwenvk_load_options) (o qwenvk.LoadOptions, err error) {
	err = words(word{"quant", c.quant, &o.Quant}, word{"kv", c.kv, &o.KV}, word{"template_", c.template_, &o.Template})
	if err != nil {
		return o, err
	}
	o.Context, o.Sessions, o.Group, o.MemoryLimit = int(c.context), int(c.sessions), int(c.group), uint64(c.memory_limit)
	if o.Context < 0 || o.Sessions < 0 || o.Sessions > maxSessions {
		return o, fmt.Errorf("%w: a context of %d tokens and %d sessions are not possible", errUsage, o.Context, o.Sessions)
	}
	return o, nil
}

// maxSessions keeps a number that is no number from asking for all memory.
const maxSessions = 1 << 12

func sampling(c *C.qwenvk_sampling) (p sampler.Params, err error) {
	p = sampler.Params{
		Temperature: float64(c.temperature), TopK: int(c.top_k), TopP: float64(c.top_p), MinP: float64(c.min_p),
		RepetitionPenalty: float64(c.repetition_penalty), PresencePenalty: float64(c.presence_penalty),
		FrequencyPenalty: float64(c.frequency_penalty), Seed: uint64(c.seed),
	}
	if p.TopP == 0 {
		p.TopP = 1
	}
	if _, err := sampler.New(p); err != nil {
		return p, usage(err)
	}
	return p, nil
}

func constraint(m *qwenvk.Model, schema *C.char) (*qwenvk.Constraint, error) {
	if schema == nil {
		return nil, nil
	}
	t, err := text("json_schema", schema)
	if err != nil {
		return nil, err
	}
	c, err := m.NewJSONConstraint([]byte(t))
	if err != nil && !isClosed(err) {
		err = usage(err)
	}
	return c, err
}

func generateOptions(m *qwenvk.Model, c *C.qwenvk_generate_options) (o qwenvk.GenerateOptions, err error) {
	if c.max_tokens < 0 {
		return o, fmt.Errorf("%w: an answer of %d tokens is not possible", errUsage, int(c.max_tokens))
	}
	o.MaxTokens = int(c.max_tokens)
	if c.sampling != nil {
		if o.Sampling, err = sampling(c.sampling); err != nil {
			return o, err
		}
	}
	o.Constraint, err = constraint(m, c.json_schema)
	return o, err
}

func chatOptions(m *qwenvk.Model, c *C.qwenvk_chat_options) (o qwenvk.ChatOptions, err error) {
	var tools string
	if err := words(word{"system", c.system, &o.System}, word{"tools", c.tools, &tools}); err != nil {
		return o, err
	}
	switch c.think {
	case C.QWENVK_THINK_AUTO, C.QWENVK_THINK_ON, C.QWENVK_THINK_OFF:
		o.Think = map[C.int32_t]chat.Think{C.QWENVK_THINK_ON: chat.ThinkOn, C.QWENVK_THINK_OFF: chat.ThinkOff}[c.think]
	default:
		return o, fmt.Errorf("%w: think is %d", errUsage, int(c.think))
	}
	if c.max_tokens < 0 || c.think_budget < -1 {
		return o, fmt.Errorf("%w: an answer of %d tokens, %d of them thoughts, is not possible", errUsage, int(c.max_tokens), int(c.think_budget))
	}
	o.MaxTokens, o.ContextShift = int(c.max_tokens), c.context_shift != 0
	if c.think_budget != 0 {
		budget := max(0, int(c.think_budget))
		o.ThinkBudget = &budget
	}
	if c.tools != nil {
		if o.Tools, err = chat.ParseTools([]byte(tools)); err != nil {
			return o, usage(err)
		}
	}
	if c.sampling != nil {
		p, err := sampling(c.sampling)
		if err != nil {
			return o, err
		}
		o.Sampling = &p
	}
	o.Constraint, err = constraint(m, c.json_schema)
	return o, err
}

func fillDevice(c *C.qwenvk_device, d qwenvk.Device) {
	c.index, c.tier = C.int32_t(d.Index), C.int32_t(d.Tier)
	copyText(c.name[:], d.Name)
	copyText(c._type[:], d.Type)
	copyText(c.uuid[:], d.UUID)
	copyText(c.driver[:], d.Driver+" "+d.DriverVersion)
	c.memory_bytes, c.free_bytes = C.uint64_t(d.MemoryBytes), C.uint64_t(d.FreeBytes)
	if d.Default {
		c.is_default = 1
	}
}

func fillInfo(c *C.qwenvk_model_info, i qwenvk.Info) {
	copyText(c.name[:], i.Name)
	copyText(c.architecture[:], i.Architecture)
	copyText(c._type[:], i.Type)
	c.layers, c.params, c.hidden, c.vocab = C.int32_t(i.Layers), C.int64_t(i.Params), C.int32_t(i.Hidden), C.int32_t(i.Vocab)
	c.context, c.trained_context = C.int32_t(i.Context), C.int32_t(i.TrainedContext)
	c.weight_bytes, c.cache_bytes, c.scratch_bytes = C.uint64_t(i.Memory.Weights), C.uint64_t(i.Memory.KV), C.uint64_t(i.Memory.Scratch)
}
