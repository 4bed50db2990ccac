package cliargs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/cliargs"
)

var table = cliargs.Table{Program: "qwenvk", Commands: []cliargs.Command{
	{Name: "run", Flags: []cliargs.Flag{
		{Names: []string{"prompt", "p"}},
		{Names: []string{"stop"}},
		{Names: []string{"temp"}},
		{Names: []string{"stats"}, Switch: true},
		{Names: []string{"log-level"}},
		{Names: []string{"lora"}, Absent: "adapters"},
		{Names: []string{"yes"}, Switch: true, Absent: "tools"},
	}},
	{Name: "logits", Flags: []cliargs.Flag{
		{Names: []string{"ids"}},
		{Names: []string{"all"}, Switch: true},
		{Names: []string{"output", "o"}},
	}},
	{Name: "bench", Flags: []cliargs.Flag{
		{Names: []string{"n-prompt", "p"}},
		{Names: []string{"profile"}, Switch: true, Absent: "profiles"},
	}},
	{Name: "serve", Absent: "the server"},
}}

func TestSort(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", ""},
		{"--help", "--help"},
		{"--version", "--version"},
		{"help", "--help"},
		{"help logits", "logits|--help"},
		{"--log-level debug", "--log-level|debug"},
		{"run", "run|--"},
		{"run demo", "run|--|demo"},
		{"run demo -p hi", "run|--prompt=hi|--|demo"},
		{"run -p hi demo", "run|--prompt=hi|--|demo"},
		{"-p hi run demo", "run|--prompt=hi|--|demo"},
		{"--log-level debug run demo", "run|--log-level=debug|--|demo"},
		{"--stats run demo", "run|--stats=true|--|demo"},
		{"run --prompt hi demo", "run|--prompt=hi|--|demo"},
		{"run --prompt=hi demo", "run|--prompt=hi|--|demo"},
		{"run -prompt=hi demo", "run|--prompt=hi|--|demo"},
		{"run demo -p=a=b", "run|--prompt=a=b|--|demo"},
		{"run demo -p=", "run|--prompt=|--|demo"},
		{"run demo what is this", "run|--|demo|what|is|this"},
		{"run demo --stats hello", "run|--stats=true|--|demo|hello"},
		{"run --stats demo hello", "run|--stats=true|--|demo|hello"},
		{"run --stats=false demo", "run|--stats=false|--|demo"},
		{"run demo --stop , --stop ; x", "run|--stop=,|--stop=;|--|demo|x"},
		{"logits M --ids 1,2 --all -o F", "logits|--ids=1,2|--all=true|--output=F|--|M"},
		{"logits --all M -o F --ids 1,2", "logits|--all=true|--output=F|--ids=1,2|--|M"},
		// A dash begins a value or an argument.
		{"run demo -p -5", "run|--prompt=-5|--|demo"},
		{"run demo --temp -0.5", "run|--temp=-0.5|--|demo"},
		{"run demo -p -", "run|--prompt=-|--|demo"},
		{"run -", "run|--|-"},
		{"run demo -p -x", "run|--prompt=-x|--|demo"},
		{"run demo -p=--temp", "run|--prompt=--temp|--|demo"},
		{"run demo -p=--", "run|--prompt=--|--|demo"},
		// Two dashes end the flags.
		{"run demo -- --stats -p", "run|--|demo|--stats|-p"},
		{"run -- demo -p hi", "run|--|demo|-p|hi"},
		{"run demo -p -- -x", "run|--prompt=-x|--|demo"},
		{"run demo -p -- --stats", "run|--prompt=--stats|--|demo"},
		{"run -p -- -x demo --stats", "run|--prompt=-x|--|demo|--stats"},
		{"run demo --stats -p -- --", "run|--stats=true|--prompt=--|--|demo"},
		{"run demo -- --", "run|--|demo|--"},
		{"run demo --", "run|--|demo"},
		// The last of several counts, whatever it is called.
		{"run demo -p a --prompt b", "run|--prompt=a|--prompt=b|--|demo"},
		{"run --help", "run|--help"},
		{"run demo -h", "run|--help"},
		{"--help run", "run|--help"},
		// Arguments that are called like commands or flags are arguments.
		{"run help", "run|--|help"},
		{"run run stats", "run|--|run|stats"},
	} {
		got, err := table.Sort(strings.Fields(test.line))
		if err != nil {
			t.Errorf("%q: %v", test.line, err)
			continue
		}
		if s := strings.Join(got, "|"); s != test.want {
			t.Errorf("%q: got %s, want %s", test.line, s, test.want)
		}
	}
}

func TestSortKeepsWords(t *testing.T) {
	got, err := table.Sort([]string{"run", "demo", "two words", "-p", "line\nbreak", "", "--stop", ""})
	if err != nil {
		t.Fatal(err)
	}
	if s := strings.Join(got, "|"); s != "run|--prompt=line\nbreak|--stop=|--|demo|two words|" {
		t.Errorf("got %q", s)
	}
}

func TestSortRefuses(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"rum demo", `command "rum" is unknown; is "run" meant?`},
		{"fly", `command "fly" is unknown; see qwenvk --help`},
		{"help fly", `command "fly" is unknown; see qwenvk --help`},
		{"serve M", "the command serve needs the server, which this version does not have; see qwenvk --help"},
		{"--fast run demo", "flag --fast is unknown; see qwenvk --help"},
		{"run demo --stat", "run has no flag --stat; is --stats meant?"},
		{"run demo --stat=1", "run has no flag --stat; is --stats meant?"},
		{"run demo -q", "run has no flag -q; see qwenvk run --help, and write -- before an argument that begins with a dash"},
		{"run demo --ids 1", "run has no flag --ids; see qwenvk run --help, and write -- before an argument that begins with a dash"},
		{"run demo -p", "flag -p needs a value; see qwenvk run --help"},
		{"run demo -p --", "flag -p needs a value; see qwenvk run --help"},
		{"run demo -p --temp 0", "flag -p needs a value, and --temp is a flag; if that is its value, write -p=--temp"},
		{"run demo -p --help", "flag -p needs a value, and --help is a flag; if that is its value, write -p=--help"},
		{"run demo --lora x", "the flag --lora needs adapters, which this version does not have; leave it out"},
		{"run demo --lora=x", "the flag --lora needs adapters, which this version does not have; leave it out"},
		{"--lora x run demo", "the flag --lora needs adapters, which this version does not have; leave it out"},
		{"run demo --yes hello", "the flag --yes needs tools, which this version does not have; leave it out"},
		{"bench --profile", "the flag --profile needs profiles, which this version does not have; leave it out"},
	} {
		got, err := table.Sort(strings.Fields(test.line))
		var wrong *cliargs.Error
		if !errors.As(err, &wrong) {
			t.Errorf("%q: got %q, %v, want an error", test.line, got, err)
			continue
		}
		if wrong.Message != test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.line, wrong.Message, test.want)
		}
	}
}

func TestCheckEnvironment(t *testing.T) {
	for _, test := range []struct{ command, name, value, want string }{
		{"run", "QWENVK_LORA", "a.safetensors", "the flag --lora (set by QWENVK_LORA) needs adapters"},
		{"run", "QWENVK_LORA", "", ""},
		{"run", "QWENVK_STATS", "1", ""},
		{"logits", "QWENVK_LORA", "a.safetensors", ""},
		{"bench", "QWENVK_PROFILE", "1", ""},
		{"", "QWENVK_LORA", "x", ""},
	} {
		lookup := func(name string) (string, bool) { return test.value, name == test.name }
		err := table.CheckEnvironment(test.command, lookup, "QWENVK_PROFILE")
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s with %s=%s: got %v, want %q", test.command, test.name, test.value, err, test.want)
		}
	}
}

func TestTwin(t *testing.T) {
	if got := cliargs.Twin("qwenvk", "rope-orig-ctx"); got != "QWENVK_ROPE_ORIG_CTX" {
		t.Errorf("got %s", got)
	}
}
