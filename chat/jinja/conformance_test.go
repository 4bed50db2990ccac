package jinja_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/qwenvk/qwenvk/chat/jinja"
)

// testdata/conformance.jsonl says what Jinja 3.1.6 makes of each template; make.py beside it wrote it.
func TestConformance(t *testing.T) {
	file, err := os.Open("testdata/conformance.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		t.Fatal("the first line is missing")
	}
	var head struct{ Variables map[string]json.RawMessage }
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
		t.Fatal(err)
	}
	vars := map[string]any{}
	for name, raw := range head.Variables {
		if vars[name], err = jinja.FromJSON(raw); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for ; lines.Scan(); n++ {
		var want struct {
			Template, Text string
			Error          bool
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		got, err := render(want.Template, vars)
		switch {
		case want.Error && err == nil:
			t.Errorf("%s\n got %q\nwant an error", want.Template, got)
		case !want.Error && err != nil:
			t.Errorf("%s\n got error %v\nwant %q", want.Template, err, want.Text)
		case !want.Error && got != want.Text:
			t.Errorf("%s\n got %q\nwant %q", want.Template, got, want.Text)
		}
	}
	if n < 500 {
		t.Errorf("only %d templates", n)
	}
}

func render(source string, vars map[string]any) (string, error) {
	t, err := jinja.Parse(source)
	if err != nil {
		return "", err
	}
	return t.Render(context.Background(), vars, jinja.Options{})
}
