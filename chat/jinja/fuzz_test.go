package jinja_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/chat/jinja"
)

// Whatever the source, there is a text or an *Error, in time.
func FuzzRender(f *testing.F) {
	file, err := os.Open("testdata/conformance.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var record struct{ Template string }
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			f.Fatal(err)
		}
		f.Add(record.Template)
	}
	vars := map[string]any{
		"n": int64(7), "f": 2.5, "s": "Hello, Wörld", "list": jinja.NewList(int64(3), int64(1)), "words": jinja.NewList("b", "A"),
		"d": &jinja.Dict{},
	}
	f.Fuzz(func(t *testing.T, source string) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		template, err := jinja.Parse(source)
		if err == nil {
			_, err = template.Render(ctx, vars, jinja.Options{Budget: jinja.Budget{Memory: 4 << 20}})
		}
		var fault *jinja.Error
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("%T: %v", err, err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
