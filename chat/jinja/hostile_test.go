package jinja_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/chat/jinja"
)

// Every one of these would take all memory, all time or the whole stack of an interpreter without a budget.
var hostile = map[string]string{
	"long text":           "{{ 'x' * 9000000000 }}",
	"overflow":            "{{ 'xxxxxxxx' * 4611686018427387904 }}",
	"long list":           "{{ [1, 2] * 4000000000 }}",
	"doubling":            "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
	"doubling by sum":     "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
	"shared lists":        "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
	"shared lists, JSON":  "{% set ns = namespace(x=['a']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
	"shared lists, equal": "{% set ns = namespace(x=['a'], y=['a']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
	"shared lists, order": "{% set ns = namespace(x=['a'], y=['a']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x < ns.y }}",
	"deep list":           "{% set ns = namespace(x=1) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
	"deep list, JSON":     "{% set ns = namespace(x=1) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}",
	"deep list, equal":    "{% set ns = namespace(x=1, y=1) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
	"endless loop":        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
	"long range":          "{{ range(1000000000000)|length }}",
	"wide range":          "{{ range(-9223372036854775807, 9223372036854775807) }}",
	"macro in itself":     "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
	"two macros":          "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
	"exponential macros":  "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
	"caller in itself":    "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
	"loop in itself":      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"division by zero":    "{{ 1 // 0 }}",
	"remainder by zero":   "{{ 1 % 0 }}",
	"large power":         "{{ 10 ** 1000000000 }}",
	"padding":             "{{ 'x'.center(9000000000) }}",
	"padding 2":           "{{ 'x'.zfill(9223372036854775807) }}",
	"padding wide":        "{{ 'x'.ljust(9000000000, '世') }}",
	"replace":             "{% set a = 'a' * 1000000 %}{{ a.replace('a', a) }}",
	"join":                "{% set a = 'a' * 1000000 %}{{ a|join(a) }}",
	"indent":              "{% set a = '\n' * 1000000 %}{{ a|indent('x' * 1000, blank=true) }}",
	"JSON indent":         "{{ [[[[1]]]]|tojson(indent='x' * 60000000) }}",
	"map of center":       "{{ range(100000)|map('center', 1000000)|list }}",
	"batch":               "{{ [1]|batch(9000000000, 'x')|list }}{% for i in range(100000) %}{% set x = [1]|batch(100000, 1) %}{% endfor %}",
	"sum of texts":        "{{ (['a' * 1000000] * 1000)|sum(start='') }}",
	"sort":                "{% for i in range(100000) %}{% set x = range(100000)|sort %}{% endfor %}",
	"split":               "{{ ('a ' * 20000000).split()|length }}",
	"characters":          "{{ ('a' * 60000000)|list|length }}",
	"searching":           "{% set a = 'a' * 30000000 %}{% for i in range(100000) %}{% if 'b' in a %}{% endif %}{% endfor %}",
	"format":              "{{ '%99999999999s' % 'a' * 100000000 }}",
	"deep parentheses":    "{{ " + strings.Repeat("(", 200000) + "1" + strings.Repeat(")", 200000) + " }}",
	"deep not":            "{{ " + strings.Repeat("not ", 200000) + "1 }}",
	"deep minus":          "{{ " + strings.Repeat("-", 200000) + "1 }}",
	"deep lists":          "{{ " + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + " }}",
	"deep else":           "{{ " + strings.Repeat("1 if 0 else ", 80000) + "1 }}",
	"deep blocks":         strings.Repeat("{% if 1 %}", 20000) + strings.Repeat("{% endif %}", 20000),
	"long sum":            "{{ " + strings.Repeat("1+", 200000) + "1 }}",
	"long chain":          "{{ 'a'" + strings.Repeat("|upper", 100000) + " }}",
	"long path":           "{{ d" + strings.Repeat(".a", 200000) + " }}",
	"long source":         strings.Repeat("x", 2<<20),
	"self":                "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x|tojson }}",
}

func TestHostile(t *testing.T) {
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			template, err := jinja.Parse(source)
			if err == nil {
				_, err = template.Render(ctx, nil, jinja.Options{})
			}
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			var fault *jinja.Error
			if !errors.As(err, &fault) {
				t.Fatalf("no error of the template, but %v", err)
			}
			if strings.ContainsAny(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Errorf("the error is not one sentence: %q", err)
			}
			if took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			// Sys never shrinks: what it grew by is the most that was in use at a time.
			if grown := (int64(after.Sys) - int64(before.Sys)) >> 20; grown > 700 {
				t.Errorf("it took %d MiB", grown)
			}
			t.Logf("%v, %d MiB more: %v", took.Round(time.Millisecond), (int64(after.Sys)-int64(before.Sys))>>20, err)
		})
	}
}

// A budget can be made smaller, and what a template needs fits in exactly that.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		source string
		budget jinja.Budget
		ok     bool
	}{
		{"{{ 'x' * 100 }}", jinja.Budget{Memory: 200}, true},
		{"{{ 'x' * 100 }}", jinja.Budget{Memory: 199}, false},
		{"{{ 'x' * 100 }}", jinja.Budget{Output: 100}, true},
		{"{{ 'x' * 100 }}", jinja.Budget{Output: 99}, false},
		{"{% for i in range(100) %}{% endfor %}", jinja.Budget{Work: 1000}, true},
		{"{% for i in range(100) %}{% endfor %}{{ range(100)|sort }}", jinja.Budget{Work: 100}, false},
		{"{{ ((((1)))) }}", jinja.Budget{Depth: 2}, true},
		{"{{ [[[[1]]]] }}", jinja.Budget{Depth: 3}, false},
	} {
		template, err := jinja.Parse(c.source)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := template.Render(context.Background(), nil, jinja.Options{Budget: c.budget}); (err == nil) != c.ok {
			t.Errorf("%s with %+v: %v", c.source, c.budget, err)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := mustParse(t, "{% for i in range(100000) %}{% endfor %}").Render(ctx, nil, jinja.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestErrorLines(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"a\n{{ x.y }}", "line 2: 'x' is undefined"},
		{"a\n\n{% if x %}\n{% nope %}{% endif %}", "line 4: tag 'nope' is unknown here"},
		{"{% include 'passwd' %}", "line 1: 'include' is not allowed: a chat template stands alone"},
		{"{{ 1\n + 'a' }}", "line 2: '+' does not work between values of types int and str"},
		{"{{ 'a'|nope }}", "line 1: filter 'nope' does not exist"},
		{"\n{{ raise_exception('Roles must\n alternate') }}", "line 2: the template refuses: Roles must alternate"},
		{"{{ d.a.b }}", "line 1: a value of type dict has no attribute 'a'"},
		{"{% for x in 'ab' %}\n{{ x.foo() }}{% endfor %}", "line 2: a value of type str has no attribute 'foo'"},
	} {
		_, err := render(c.source, map[string]any{"d": &jinja.Dict{}})
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: got %v, want %s", c.source, err, c.want)
		}
	}
}

// strftime_now writes the time that it is given.
func TestStrftimeNow(t *testing.T) {
	now := func() time.Time { return time.Date(2026, time.November, 3, 9, 5, 7, 0, time.UTC) }
	got, err := mustParse(t, "{{ strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %a %y %j %I %p %% %-d') }}").
		Render(context.Background(), nil, jinja.Options{Now: now})
	if want := "2026-11-03 09:05:07 November Nov Tuesday Tue 26 307 09 AM % 3"; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// A template may be rendered by several goroutines at the same time.
func TestConcurrent(t *testing.T) {
	template := mustParse(t, "{% set ns = namespace(n=0) %}{% for i in range(n) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}")
	done := make(chan error)
	for n := range int64(8) {
		go func() {
			got, err := template.Render(context.Background(), map[string]any{"n": n}, jinja.Options{})
			if want := fmt.Sprint(n * (n - 1) / 2); err == nil && got != want {
				err = fmt.Errorf("got %s, want %s", got, want)
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func mustParse(t *testing.T, source string) *jinja.Template {
	t.Helper()
	template, err := jinja.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	return template
}
