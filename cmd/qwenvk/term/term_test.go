package term_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term/vt"
)

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "世界": 4, "ｱ": 1, "Ａ": 2, "é": 1, "e\u0301": 1, "👍": 2, "👍🏽": 2, "👩\u200d💻": 2, "🇩🇪": 2, "❤\ufe0f": 1, // as wcwidth, and so tmux, xterm and VTE, measure; some newer terminals draw it wider
		"│─┼": 3, "…": 1, "한국어": 6, "“a”": 3, "☐": 1,
	} {
		if got := term.Width(text); got != want {
			t.Errorf("%q has %d columns, want %d", text, got, want)
		}
	}
	for text, want := range map[string]string{"👩\u200d💻x": "👩\u200d💻", "e\u0301x": "e\u0301", "ab": "a", "世界": "世", "\n\n": "\n", "\r\na": "\r\n"} {
		if got, _ := term.FirstCluster(text); got != want {
			t.Errorf("the first of %q is %q", text, got)
		}
	}
	for text, want := range map[string]string{"x👩\u200d💻": "👩\u200d💻", "xe\u0301": "e\u0301", "ab": "b", "a\n": "\n", "a\nb🇩🇪🇫🇷": "🇫🇷", "": ""} {
		if got := term.LastCluster(text); got != want {
			t.Errorf("the last of %q is %q", text, got)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain 世界\n": "plain 世界\n", "a\tb": "a    b", "a\r\nb": "a\nb", "\x1b[2Jx": "\uFFFD[2Jx", "a\x07\x7f\u009b": "a\uFFFD\uFFFD\uFFFD",
		"\u202egpj.exe": "\uFFFDgpj.exe", "a\xffb": "a\uFFFDb", "👩\u200d💻": "👩\u200d💻",
	} {
		if got := term.Clean(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 7, "one two\nthree"},
		{"one two three", 0, "one two three"},
		{"  one two three", 7, "  one\n  two\n  three"},
		{"世界 世界 世", 9, "世界 世界\n世"},
		{"toolongaword b", 5, "toolongaword\nb"},
		{"a\n\nb", 5, "a\n\nb"},
	} {
		if got := term.Wrap(test.text, test.width); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// However often a region is drawn, its last rows are on the screen once, below what was printed before.
func TestRegion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		screen := &vt.Screen{Columns: 20, Rows: 8}
		r := term.Region{Out: screen, Size: func() (int, int) { return screen.Columns, screen.Rows }}
		fmt.Fprint(screen, "above\n")
		var want []string
		row := rapid.StringOfN(rapid.SampledFrom([]rune("ab 世👍")), 0, 9, -1)
		for range rapid.IntRange(0, 6).Draw(t, "drawings") {
			want = rapid.SliceOfN(row, 0, 3).Draw(t, "rows")
			shown := make([]string, len(want))
			for i := range want {
				shown[i] = "\x1b[2m" + want[i] + "\x1b[0m"
			}
			if err := r.Draw(shown); err != nil {
				t.Fatal(err)
			}
		}
		fresh := &vt.Screen{Columns: 20, Rows: 8}
		fmt.Fprint(fresh, "above\n"+strings.Join(append(want, ""), "\n"))
		if got, want := screen.Text(), fresh.Text(); got != want || screen.Err != nil {
			t.Fatalf("%v, got\n%s\nwant\n%s", screen.Err, got, want)
		}
		if err := r.Erase("end\n"); err != nil {
			t.Fatal(err)
		}
		if got := screen.Text(); got != "above\nend" {
			t.Fatalf("got\n%s", got)
		}
	})
}
