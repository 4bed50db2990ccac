package markdown

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// show prints a text that comes in the given pieces.
func show(t testing.TB, width int, colour bool, pieces ...string) string {
	t.Helper()
	var out strings.Builder
	s := New(&out, func() int { return width }, colour)
	for _, piece := range pieces {
		if err := s.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var update = flag.Bool("update", false, "write the golden files anew")

// named writes control sequences so that they can be read: [1;36]text[0].
func named(text string) string { return strings.ReplaceAll(text, "\x1b[", "␛[") }

// The files hold a text ("in"), and what is seen of it with colours and without, 40 columns wide. -update writes them.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) < 5 {
		t.Fatalf("there are %d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := string(archive.Files[0].Data)
			want := map[string]string{}
			for _, f := range archive.Files[1:] {
				want[f.Name] = string(f.Data)
			}
			got := map[string]string{"colours": named(show(t, 40, true, in)), "plain": show(t, 40, false, in)}
			if *update {
				archive.Files = append(archive.Files[:1:1], txtar.File{Name: "colours", Data: []byte(got["colours"])}, txtar.File{Name: "plain", Data: []byte(got["plain"])})
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

// texts are the texts of the golden files.
func texts(t testing.TB) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(archive.Files[0].Data))
	}
	return all
}

// However an answer is cut, the same bytes reach the terminal: cut anywhere in two, and into single bytes.
func TestEverySplit(t *testing.T) {
	for _, text := range texts(t) {
		for _, colour := range []bool{true, false} {
			want := show(t, 40, colour, text)
			if got := show(t, 40, colour, strings.Split(text, "")...); got != want {
				t.Errorf("by characters:\n%s", cmp.Diff(named(want), named(got)))
			}
			var bytes []string
			for i := range len(text) {
				bytes = append(bytes, text[i:i+1])
			}
			if got := show(t, 40, colour, bytes...); got != want {
				t.Errorf("by bytes:\n%s", cmp.Diff(named(want), named(got)))
			}
			for i := range len(text) {
				if got := show(t, 40, colour, text[:i], text[i:]); got != want {
					t.Fatalf("cut at %d, before %q:\n%s", i, text[i:min(i+10, len(text))], cmp.Diff(named(want), named(got)))
				}
			}
		}
	}
}

// The same for whatever can be put together from the marks, cut anywhere.
func TestRandomSplits(t *testing.T) {
	marks := []string{
		"*", "**", "_", "`", "```", "~~", "[", "](", ")", "!", "<", ">", "|", "|---|", "#", "- ", "1. ", "+ ", "\\", " ", "  ", "\n", "\n\n",
		"a", "word", "http://x", "中", "文。", "（", "e\u0301", "👩\u200d💻", "🇩🇪", "\ufe0f", "---", "[ ] ", "[x", "\t", "\x1b", "\xff", "go\n", strings.Repeat("x", 50), strings.Repeat("long ", 90),
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(marks), 0, 40).Draw(t, "marks"), "")
		width := rapid.SampledFrom([]int{0, 1, 7, 40}).Draw(t, "width")
		colour := rapid.Bool().Draw(t, "colour")
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(text)), 0, 8).Draw(t, "cuts")
		var out [2]strings.Builder
		for i := range out {
			s := New(&out[i], func() int { return width }, colour)
			at := 0
			if i == 1 {
				for _, cut := range cuts {
					if cut > at {
						if err := s.Write(text[at:cut]); err != nil {
							t.Fatal(err)
						}
						at = cut
					}
				}
			}
			if err := errors.Join(s.Write(text[at:]), s.End()); err != nil {
				t.Fatal(err)
			}
		}
		whole, pieces := out[0].String(), out[1].String()
		if whole != pieces {
			t.Fatalf("%q\n%s", text, cmp.Diff(named(whole), named(pieces)))
		}
		if seen := term.Plain(whole); strings.ContainsRune(seen, 0x1b) {
			t.Fatalf("%q steers the terminal: %q", text, seen)
		}
	})
}

// Nothing that can be broken is wider than the window.
func TestWidth(t *testing.T) {
	for _, text := range texts(t) {
		for _, colour := range []bool{true, false} {
			code := false
			for _, line := range strings.Split(term.Plain(show(t, 40, colour, text)), "\n") {
				if strings.Contains(line, "```") || strings.HasPrefix(strings.TrimSpace(line), "──") {
					code = !code
				}
				if !code && term.Width(line) > 40 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, "│") {
					t.Errorf("%d columns: %q", term.Width(line), line)
				}
			}
		}
	}
}

// A word is on the screen when it is certain: nobody waits for the end of a paragraph.
func TestStreams(t *testing.T) {
	var out strings.Builder
	s := New(&out, func() int { return 40 }, true)
	for _, step := range []struct{ piece, seen string }{
		{"A ", "A"},
		{"word", "A"},
		{" and", "A word"},
		{" **bo", "A word and"},
		{"ld**", "A word and"},
		{" x ", "A word and bold x"},
		{"\n- ", "A word and bold x\n"},
		{"i ", "A word and bold x\n• i"},
		{"这是一个", "A word and bold x\n• i 这是一"},
		{"\n", "A word and bold x\n• i 这是一个\n"},
	} {
		if err := s.Write(step.piece); err != nil {
			t.Fatal(err)
		}
		if got := term.Plain(out.String()); got != step.seen {
			t.Errorf("behind %q there is %q, want %q", step.piece, got, step.seen)
		}
	}
}

// What a model writes cannot move the cursor, set the clipboard or turn the text around.
func TestHostile(t *testing.T) {
	got := show(t, 40, true, "a\x1b]52;c;aGk=\x07b\x1b[2J \u202eabc\u009b31m **x\x1b[1A**\r\n```\n\x1b[H\n```")
	if plain := term.Plain(got); strings.ContainsAny(plain, "\x1b\a\r\u009b\u202e") {
		t.Errorf("%q", plain)
	}
}

// A piece of a long answer costs what one of a short answer does: 4 MB, some million tokens, are printed in seconds.
func TestLongAnswer(t *testing.T) {
	text := strings.Join(texts(t), "\n")
	r := rand.New(rand.NewPCG(1, 2))
	var out strings.Builder
	s := New(&out, func() int { return 80 }, true)
	begin := time.Now()
	n := 0
	for n < 1<<20 {
		size := min(1+r.IntN(8), len(text)-n%len(text))
		if err := s.Write(text[n%len(text) : n%len(text)+size]); err != nil {
			t.Fatal(err)
		}
		n += size
		out.Reset()
	}
	t.Logf("%d bytes in %v", n, time.Since(begin))
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("%d bytes took %v", n, took)
	}
}
