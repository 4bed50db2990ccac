package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/internal/mcptest"
	"github.com/qwenvk/qwenvk/internal/testkit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"qwenvk": main, "toolserver": mcptest.Main})
}

// The scripts run the program as people do, in a folder of their own. Beside testscript's commands they know
//
//	status N COMMAND …     the command's exit status is N
//	said REGEXP            stderr is one line, "qwenvk: …", that matches
//	json PATH VALUE        the field of the JSON document on stdout; PATH like usage.prompt_tokens or 0.name
//	jsonkeys PATH KEY …    the fields of an object on stdout are these, in this order; PATH "." is the document
//	patch FILE OFFSET TEXT overwrites bytes of a file, \xNN is a byte
//	replace FILE OLD NEW   replaces the one place where OLD stands by NEW, which is as long; \xNN is a byte
//	truncate FILE SIZE
//	hub FOLDER             a hub on this machine that serves FOLDER/OWNER/NAME becomes $HF_ENDPOINT
//
// and the folder of the test data as $TESTDATA.

func TestScripts(t *testing.T) { runScripts(t, "script") }

// TestDevice runs the scripts that compute something.
func TestDevice(t *testing.T) {
	needDevice(t)
	runScripts(t, "device")
}

// needDevice skips a test where no Vulkan device is and none is promised.
func needDevice(t *testing.T) {
	t.Helper()
	if _, err := qwenvk.ListDevices(qwenvk.Options{}); err != nil {
		if os.Getenv("CI") != "" || os.Getenv("QWENVK_TEST_DEVICE") != "" {
			t.Fatalf("no Vulkan device: %v", err)
		}
		t.Skipf("this test needs a Vulkan device: %v", err)
	}
}

func runScripts(t *testing.T, folder string) {
	cache := t.TempDir() // of all scripts: compiling the kernels takes longer than they do
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", folder),
		RequireExplicitExec: true,
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "named-device":
				return os.Getenv("QWENVK_TEST_DEVICE") != "", nil
			case "fp16":
				devices, err := qwenvk.ListDevices(qwenvk.Options{})
				return slices.ContainsFunc(devices, func(d qwenvk.Device) bool { return d.Default && d.Tier > 0 }), err
			case "tmpfs": // may a test mount a small disk of its own?
				return exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", t.TempDir()).Run() == nil, nil
			}
			return false, errors.New("unknown condition")
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("TESTDATA", filepath.Join(testkit.Root(t), "testdata"))
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			for _, name := range []string{"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LAYER_PATH", "LD_LIBRARY_PATH"} {
				if value, ok := os.LookupEnv(name); ok {
					env.Setenv(name, value)
				}
			}
			if device := os.Getenv("QWENVK_TEST_DEVICE"); device != "" {
				env.Setenv("QWENVK_DEVICE", device)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus, "said": scriptSaid, "json": scriptJSON, "jsonkeys": scriptJSONKeys,
			"hub": scriptHub, "patch": scriptPatch, "replace": scriptReplace, "truncate": scriptTruncate,
		},
	})
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND …")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// scriptSaid looks at what is said as an error: the last line, behind notes.
func scriptSaid(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: said REGEXP")
	}
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stderr"), "\n"), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "qwenvk: ") || strings.Contains(ts.ReadFile("stderr"), "goroutine ") {
		ts.Fatalf("stderr ends with no sentence: %q", last)
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	if !pattern.MatchString(last) {
		ts.Fatalf("%q does not match %q", last, args[0])
	}
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	got := strings.TrimSpace(string(jsonAt(ts, args[0])))
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

func scriptJSONKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: jsonkeys PATH KEY …")
	}
	d := json.NewDecoder(bytes.NewReader(jsonAt(ts, args[0])))
	var keys []string
	_, err := d.Token() // the opening brace
	ts.Check(err)
	for d.More() {
		key, err := d.Token()
		ts.Check(err)
		keys = append(keys, key.(string))
		var value json.RawMessage
		ts.Check(d.Decode(&value))
	}
	if !slices.Equal(keys, args[1:]) {
		ts.Fatalf("the keys are %q", keys)
	}
}

// jsonAt returns the part of the document on stdout that a path of keys and indices leads to.
func jsonAt(ts *testscript.TestScript, path string) json.RawMessage {
	at := json.RawMessage(ts.ReadFile("stdout"))
	if !json.Valid(at) {
		ts.Fatalf("stdout is no JSON document")
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		if i, err := strconv.Atoi(step); err == nil {
			var list []json.RawMessage
			ts.Check(json.Unmarshal(at, &list))
			if i >= len(list) {
				ts.Fatalf("%s: there are %d elements", path, len(list))
			}
			at = list[i]
			continue
		}
		var object map[string]json.RawMessage
		ts.Check(json.Unmarshal(at, &object))
		value, ok := object[step]
		if !ok {
			ts.Fatalf("%s: there is no %q", path, step)
		}
		at = value
	}
	return at
}

func scriptPatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: patch FILE OFFSET TEXT")
	}
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte(text), offset)
	ts.Check(errors.Join(err, f.Close()))
}

func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	content, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	old, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	if bytes.Count(content, []byte(old)) != 1 || len(old) != len(text) {
		ts.Fatalf("%q stands in the file %d times; %d bytes replace %d", old, bytes.Count(content, []byte(old)), len(text), len(old))
	}
	content = bytes.Replace(content, []byte(old), []byte(text), 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}

func scriptTruncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE SIZE")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}
