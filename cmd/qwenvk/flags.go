package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/internal/cliargs"
)

// Headings of --help.
const (
	promptFlags = "Prompt"
	toolsFlags  = "Tools"
	sampleFlags = "Sampling"
	outputFlags = "Output"
	deviceFlags = "Model and device"
	otherFlags  = "Other"
)

// twin is the environment variable of a flag.
func twin(flag string) string { return cliargs.Twin("qwenvk", flag) }

// env is what a flag's EnvVars becomes. An empty variable counts as unset, which the parser does not do by itself.
func env(flag string) []string {
	if os.Getenv(twin(flag)) == "" {
		return nil
	}
	return []string{twin(flag)}
}

// text, number, real and onOff make flags; names are "long" or "long,short", usage has the value's name in backquotes.
func text(category, names, usage string) *cli.StringFlag {
	long, short := splitNames(names)
	return &cli.StringFlag{Name: long, Aliases: short, Category: category, Usage: usage, EnvVars: env(long)}
}

func number(category, names, usage string) *cli.IntFlag {
	long, short := splitNames(names)
	return &cli.IntFlag{Name: long, Aliases: short, Category: category, Usage: usage, EnvVars: env(long)}
}

func real(category, names, usage string) *cli.Float64Flag {
	long, short := splitNames(names)
	return &cli.Float64Flag{Name: long, Aliases: short, Category: category, Usage: usage, EnvVars: env(long)}
}

func onOff(category, names, usage string) *cli.BoolFlag {
	long, short := splitNames(names)
	return &cli.BoolFlag{Name: long, Aliases: short, Category: category, Usage: usage, EnvVars: env(long)}
}

func splitNames(names string) (long string, short []string) {
	all := strings.Split(names, ",")
	return all[0], all[1:]
}

// logFlags are those of every command.
func logFlags() []cli.Flag {
	return []cli.Flag{text(otherFlags, "log-level", "how much to say on stderr: `debug/info/warn/error` (default info)")}
}

// modelFlags say how a model lies in memory.
func modelFlags() []cli.Flag {
	return []cli.Flag{
		number(deviceFlags, "ctx", "`tokens` that prompt and answer may have (default: the smallest of the trained context, 8192 and what fits)"),
		text(deviceFlags, "quant", "quantise on load what the file stores in 16 or 32 bits: `none/int8/int4` (default none)"),
		number(deviceFlags, "group", "weights that share a scale with --quant: `32/128` (default 32)"),
		onOff(deviceFlags, "zero-point", "with --quant: groups with a zero point instead of symmetric ones"),
		text(deviceFlags, "kv", "type of the key-value cache: `f16/f32/q8_0/q4_0` (default f16)"),
		text(deviceFlags, "rope-scaling", "stretch the context otherwise than the model says: `none/yarn/linear/dynamic`"),
		real(deviceFlags, "rope-factor", "stretch it by this `factor`, 1 or more"),
		number(deviceFlags, "rope-orig-ctx", "`tokens` that the model was trained for (default: what the model says)"),
		loraFlag(),
	}
}

// computeFlags are those of every command that computes.
func computeFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		text(deviceFlags, "device", "`device` to compute on: index, part of the name, or UUID (see qwenvk devices)"),
		number(deviceFlags, "tier", "use no kernels above this group: `0..4` (default: all that the device can run)"),
	}, modelFlags(), []cli.Flag{
		number(deviceFlags, "threads", "`threads` for work on the host (default: all cores)"),
		onOff(deviceFlags, "validate", "run under Vulkan's validation layer; any message of it is a failure"),
	}, logFlags())
}

func samplingFlags() []cli.Flag {
	return []cli.Flag{
		real(sampleFlags, "temp", "`temperature`; 0 always takes the likeliest token"),
		number(sampleFlags, "top-k", "choose among the `k` likeliest tokens; 0 is off"),
		real(sampleFlags, "top-p", "choose among the likeliest tokens that make up the share `p`; 1 is off"),
		real(sampleFlags, "min-p", "drop tokens less than `p` times as likely as the likeliest; 0 is off"),
		real(sampleFlags, "typical-p", "choose among the tokens whose surprise is nearest to the expected one, with the share `p`; 1 is off"),
		real(sampleFlags, "top-n-sigma", "drop logits more than `n` standard deviations below the highest; 0 is off"),
		real(sampleFlags, "xtc-probability", "`share` of tokens for which the likeliest are excluded, but for the last above the threshold; 0 is off"),
		real(sampleFlags, "xtc-threshold", "`probability` that makes a token one of those (default 0.1)"),
		real(sampleFlags, "repeat-penalty", "above 1 discourages tokens of the prompt and the answer by this `factor`"),
		real(sampleFlags, "presence-penalty", "`amount` taken from a token that the answer already has"),
		real(sampleFlags, "frequency-penalty", "`amount` taken from a token for each time that the answer has it"),
		real(sampleFlags, "dry-multiplier", "`strength` with which going on with an earlier text is discouraged (DRY); 0 is off"),
		real(sampleFlags, "dry-base", "`factor` for each further token that agrees (default 1.75)"),
		number(sampleFlags, "dry-allowed-length", "`tokens` that must agree before it is discouraged (default 2)"),
		&cli.StringSliceFlag{Name: "dry-breaker", KeepSpace: true, Category: sampleFlags, Usage: "`text` that no agreement goes across; may be repeated; none: no such text (default newline, colon, quote, asterisk)", EnvVars: env("dry-breaker")},
		number(sampleFlags, "mirostat", "steer the surprise of the text instead of cutting the choice: `0/2` (default 0, off)"),
		real(sampleFlags, "mirostat-tau", "surprise to aim at, in `bits` (default 5)"),
		real(sampleFlags, "mirostat-eta", "`rate` of the steering (default 0.1)"),
		&cli.StringSliceFlag{Name: "logit-bias", Category: sampleFlags, Usage: "`ID=VALUE` adds to the logit of a token; -inf: never; may be repeated", EnvVars: env("logit-bias")},
		&cli.Uint64Flag{Name: "seed", Category: sampleFlags, Usage: "`number` that chooses the random numbers (default: a random one)", EnvVars: env("seed")},
		number(sampleFlags, "max-tokens", "`tokens` that the answer may have (default: until the context is full)"),
		&cli.StringSliceFlag{Name: "stop", KeepSpace: true, Category: sampleFlags, Usage: "`text` that ends the answer and is no part of it; may be repeated", EnvVars: env("stop")},
		onOff(sampleFlags, "ignore-eos", "go on behind the token that ends an answer"),
	}
}

// setLogLevel reads --log-level.
func (p *program) setLogLevel(c *cli.Context) error {
	levels := map[string]slog.Level{"": slog.LevelInfo, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[c.String("log-level")]
	if !ok {
		return usageError("--log-level is debug, info, warn or error, not %q", c.String("log-level"))
	}
	p.level.Set(level)
	return nil
}

// oneOf checks a flag that takes one of a few words; "" stands for the default.
func oneOf(c *cli.Context, flag string, words ...string) error {
	value := c.String(flag)
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return usageError("--%s is %s, not %q", flag, strings.Join(words, " or "), value)
}

// between checks a whole number that was given.
func between(c *cli.Context, flag string, least, most int) error {
	if v := c.Int(flag); c.IsSet(flag) && (v < least || v > most) {
		if v < least && most == maxInt {
			return usageError("--%s must be at least %d, not %d", flag, least, v)
		}
		return usageError("--%s must be from %d to %d, not %d", flag, least, most, v)
	}
	return nil
}

const maxInt = int(^uint(0) >> 1)

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// runtimeOptions reads the flags and variables that choose the device.
func (p *program) runtimeOptions(c *cli.Context) (qwenvk.Options, error) {
	o := qwenvk.Options{
		Device: c.String("device"), Validate: c.Bool("validate"), Log: p.logger(),
		Profile: isYes(os.Getenv("QWENVK_PROFILE")) || c.Bool("profile"),
		FindNaN: isYes(os.Getenv("QWENVK_NAN")),
		Tuning:  qwenvk.Tuning(os.Getenv("QWENVK_TUNING")),
	}
	if names := os.Getenv("QWENVK_DISABLE"); names != "" {
		o.Disable = strings.Split(names, ",")
	}
	if names := os.Getenv("QWENVK_PREFER"); names != "" {
		o.Prefer = strings.Split(names, ",")
	}
	if c.Bool("retune") {
		o.Tuning = qwenvk.TuningForce
	}
	if c.IsSet("tier") {
		tier := c.Int("tier")
		o.Tier = &tier
	}
	return o, between(c, "tier", 0, 4)
}

func isYes(value string) bool {
	yes, err := strconv.ParseBool(value)
	return err == nil && yes
}

// loadOptions reads the flags that say how a model lies in memory.
func loadOptions(c *cli.Context) (qwenvk.LoadOptions, error) {
	o := qwenvk.LoadOptions{
		Context: c.Int("ctx"), Quant: c.String("quant"), Group: c.Int("group"), ZeroPoint: c.Bool("zero-point"),
		KV: c.String("kv"), Threads: c.Int("threads"),
		RoPEScaling: c.String("rope-scaling"), RoPEFactor: c.Float64("rope-factor"), RoPEOrigContext: c.Int("rope-orig-ctx"),
	}
	var err error
	if o.Adapters, err = adapters(c); err != nil {
		return o, err
	}
	err = firstError(
		between(c, "ctx", 1, qwenvk.MaxContext), between(c, "threads", 1, maxInt),
		oneOf(c, "quant", "none", "int8", "int4"), oneOf(c, "kv", "f16", "f32", "q8_0", "q4_0"),
		ropeFlags(c),
	)
	if err != nil {
		return o, err
	}
	if c.IsSet("group") && o.Group != 32 && o.Group != 128 {
		return o, usageError("--group is 32 or 128, not %d", o.Group)
	}
	if quantised := o.Quant == "int8" || o.Quant == "int4"; !quantised && (o.ZeroPoint || c.IsSet("group")) {
		return o, usageError("--group and --zero-point say how to quantise; add --quant int8 or --quant int4")
	}
	return o, nil
}

// ropeFlags checks that a stretching is asked for whole, or not at all.
func ropeFlags(c *cli.Context) error {
	if err := firstError(oneOf(c, "rope-scaling", "none", "yarn", "linear", "dynamic"), between(c, "rope-orig-ctx", 1, qwenvk.MaxContext)); err != nil {
		return err
	}
	scaling, factor := c.String("rope-scaling"), c.Float64("rope-factor")
	switch {
	case scaling == "" || scaling == "none":
		if c.IsSet("rope-factor") || c.IsSet("rope-orig-ctx") {
			return usageError("--rope-factor and --rope-orig-ctx say how far to stretch; add --rope-scaling yarn, linear or dynamic")
		}
	case !c.IsSet("rope-factor"):
		return usageError("--rope-scaling %s needs --rope-factor, by which the context becomes longer", scaling)
	case !(factor >= 1) || factor > qwenvk.MaxRoPEFactor:
		return usageError("--rope-factor must be from 1 to %g, not %g", float64(qwenvk.MaxRoPEFactor), factor)
	}
	return nil
}

// arguments checks how many arguments a command got.
func arguments(c *cli.Context, least, most int) error {
	n := c.NArg()
	switch {
	case n < least:
		return usageError("%s needs %s; see qwenvk %s --help", c.Command.Name, c.Command.ArgsUsage, c.Command.Name)
	case n > most && most == 0:
		return usageError("%s takes no arguments: %q is too much", c.Command.Name, c.Args().First())
	case n > most:
		return usageError("%s takes %s and no more: %q is too much", c.Command.Name, c.Command.ArgsUsage, c.Args().Get(most))
	}
	return nil
}

// parseIDs reads token ids separated by commas or white space; brackets around them do no harm.
func parseIDs(s string) ([]int32, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	var ids []int32
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		id, err := strconv.ParseInt(word, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("%q is no token id: ids are whole numbers separated by commas", word)
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}
