package ui

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
)

func newKit(t *testing.T) *Kit {
	t.Helper()
	f, err := glyph.NewFonts([]string{})
	if err != nil {
		t.Fatal(err)
	}
	return &Kit{Fonts: f, Atlas: glyph.NewAtlas(f), Scale: 1}
}

// lines is how a text is broken: its lines, with | between.
func lines(k *Kit, text string, width float64) string {
	t := k.Layout([]Run{{text, glyph.Mono, 10, colorText}}, width, 1.4)
	runes := []rune(text)
	var out []string
	for _, l := range t.Lines {
		out = append(out, string(runes[l.From:l.To]))
	}
	return strings.Join(out, "|")
}

func TestWrap(t *testing.T) {
	k := newKit(t)
	em := k.Fonts.Advance(glyph.Mono, 10, 'x')
	for _, test := range []struct {
		text  string
		cells float64
		want  string
	}{
		{"", 5, ""},
		{"one two three", 8, "one two |three"},
		{"one  two", 3, "one  |two"},
		{"unbreakable", 4, "unbr|eaka|ble"},
		{"a\nb\n", 9, "a\n|b\n|"},
		{"well-known fact", 6, "well-|known |fact"},
		{"x", 0, "x"},
		{"鸡兔同笼", 2.5, "鸡兔|同笼"},
		{"鸡兔。同笼", 2.5, "鸡|兔。|同笼"},
		{"鸡「兔」同笼", 3.5, "鸡|「兔」|同笼"},
		{"ab鸡兔cd", 3.4, "ab鸡|兔cd"},
	} {
		cell := em
		if strings.Contains(test.text, "鸡") {
			cell = k.Fonts.Advance(glyph.Mono, 10, '鸡')
		}
		if got := lines(k, test.text, test.cells*cell+0.01); got != test.want {
			t.Errorf("%q in %v: %q, want %q", test.text, test.cells, got, test.want)
		}
	}
	for _, text := range []string{"e\u0301e\u0301e\u0301", "鸡「兔」同", "a\u200db"} { // a mark never begins a line
		for width := 0.0; width < 40; width++ {
			for _, l := range strings.Split(lines(k, text, width), "|") {
				if strings.HasPrefix(l, "\u0301") {
					t.Errorf("%q in %v: %q", text, width, l)
				}
			}
		}
	}
}

// Every place of a text has a caret, and pointing at the caret finds the place.
func TestCaret(t *testing.T) {
	k := newKit(t)
	for _, text := range []string{"", "a", "one two three four", "two\n\nlines\n", "鸡兔同笼鸡兔同笼", "tab\there"} {
		for _, width := range []float64{20, 47, 300} {
			laid := k.Layout([]Run{{text, glyph.Regular, 12, colorText}}, width, 1.4)
			for n := range len([]rune(text)) + 1 {
				line, x := laid.Caret(n)
				got := laid.Nearest(x, (float64(line)+0.5)*laid.LineHeight)
				if l, y := laid.Caret(got); l != line || math.Abs(x-y) > 0.01 {
					t.Errorf("%q in %v: place %d is at line %d, %v; there is place %d at line %d, %v", text, width, n, line, x, got, l, y)
				}
			}
		}
	}
}

func TestEditor(t *testing.T) {
	var e Editor
	show := func() string {
		from, to := e.Selection()
		r := []rune(e.Text())
		return string(r[:from]) + "[" + string(r[from:to]) + "]" + string(r[to:])
	}
	expect := func(want string) {
		t.Helper()
		if got := show(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	e.Insert("one two\r\n")
	expect("one two\n[]")
	e.Delete(-1, false)
	e.Move(-1, true, false)
	expect("one []two")
	e.Move(-1, true, true)
	expect("[one ]two")
	e.Insert("您好")
	expect("您好[]two")
	e.Undo()
	expect("[]one two")
	e.SelectAll()
	e.Move(1, false, false)
	expect("one two[]")
	e.Delete(-1, true)
	expect("one []")
	e.Insert("a\x00b\x1b[31m\tc\uFFFD")
	expect("one ab[31m\tc[]")
	e.Set("e\u0301x")
	e.MoveTo(0, false)
	e.Move(1, false, false)
	expect("e\u0301[]x")
	e.Delete(-1, false)
	expect("[]x")
	e.Delete(-1, false)
	expect("[]x")
	e.Delete(1, false)
	e.Delete(1, false)
	expect("[]")
	e.Set("word one")
	e.SelectWord(6)
	expect("word [one]")
	e.Insert(strings.Repeat("x", maxText+5))
	if e.Len() != maxText {
		t.Errorf("%d runes were taken", e.Len())
	}

	k := newKit(t)
	e.Set("first\nsecond\nx")
	laid := k.Layout([]Run{{e.Text(), glyph.Mono, 10, colorText}}, 1000, 1.4)
	e.MoveLine(&laid, -1, false)
	e.MoveLine(&laid, -1, false)
	expect("f[]irst\nsecond\nx")
	e.MoveEdge(&laid, true, true)
	expect("f[irst]\nsecond\nx")
	e.MoveLine(&laid, 1, false)
	e.MoveLine(&laid, 1, false)
	expect("first\nsecond\nx[]")
	e.MoveLine(&laid, 1, false)
	e.MoveEdge(&laid, false, false)
	expect("first\nsecond\n[]x")
}

func TestMarkdown(t *testing.T) {
	show := func(text string) string {
		var b strings.Builder
		for _, block := range blocks(text, 15, colorText, colorDim) {
			if block.code {
				b.WriteString("{" + block.language + ":")
			} else {
				b.WriteString("(")
			}
			for _, r := range block.runs {
				b.WriteString([]string{"r", "b", "m"}[r.Style] + "<" + r.Text + ">")
			}
			b.WriteString("|")
		}
		return b.String()
	}
	for text, want := range map[string]string{
		"plain":                    "(r<plain>|",
		"a **b** c":                "(r<a >b<b>r< c>|",
		"2 * 3 * 4":                "(r<2 *>r< 3 *>r< 4>|",
		"`x*y` z":                  "(r<>m<x*y>r< z>|",
		"a ` b":                    "(r<a `>r< b>|",
		"# Title":                  "(b<Title>|",
		"#tag":                     "(r<#tag>|",
		"- item":                   "(r<•  >r<item>|",
		"x\n```go\na\n\nb\n```\ny": "(r<x>|{go:m<a>m<\n>m<\nb>|(r<y>|",
		"```\nopen":                "{:m<open>|",
		"**open":                   "(r<>b<open>|",
		"":                         "",
	} {
		if got := show(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// clip is a clipboard.
type clip struct{ text string }

func (c *clip) Get() string     { return c.text }
func (c *clip) Set(text string) { c.text = text }

type stage struct {
	*App
	list canvas.List
	now  time.Time
}

func newStage(t *testing.T) *stage {
	s := &stage{App: NewApp(newKit(t)), now: time.Unix(1000, 0)}
	s.Clipboard, s.Ready = &clip{}, true
	s.draw()
	return s
}

func (s *stage) draw() { s.Draw(&s.list, 900, 600, s.now) }

func (s *stage) typeText(text string) {
	for _, r := range text {
		s.Char(s.now, r)
	}
}

func (s *stage) click(x, y float64) {
	s.now = s.now.Add(time.Second)
	s.MouseMove(x, y)
	s.Click(s.now, true, false)
	s.Click(s.now, false, false)
	s.draw()
}

func TestSend(t *testing.T) {
	s := newStage(t)
	s.typeText("What is")
	s.Press(s.now, KeyEnter, Mods{Shift: true})
	s.typeText(" 17 + 25? ")
	s.draw()
	s.Ready = false
	s.Press(s.now, KeyEnter, Mods{})
	if a := s.Actions(); len(a) != 0 {
		t.Errorf("without a model %v is asked for", a)
	}
	s.Ready = true
	s.Press(s.now, KeyEnter, Mods{})
	if a := s.Actions(); len(a) != 1 || a[0] != (Send{"What is\n 17 + 25?"}) {
		t.Errorf("asked for %v", a)
	}
	if s.input.Len() != 0 {
		t.Error("the question stays")
	}
	s.typeText("more")
	s.Busy = true
	s.Press(s.now, KeyEnter, Mods{})
	s.Press(s.now, KeyEscape, Mods{})
	if a := s.Actions(); len(a) != 1 || a[0] != (Stop{}) {
		t.Errorf("while an answer is written %v is asked for", a)
	}
	s.draw()
	s.click(900/2+760/2-20, 600-30-14-24) // the button stops, too
	if a := s.Actions(); len(a) != 1 || a[0] != (Stop{}) {
		t.Errorf("the button asks for %v", a)
	}
	s.Press(s.now, KeyA, Mods{Command: true})
	s.Press(s.now, KeyX, Mods{Command: true})
	s.Press(s.now, KeyV, Mods{Command: true})
	s.Press(s.now, KeyV, Mods{Command: true})
	if s.input.Text() != "moremore" {
		t.Errorf("cut and pasted twice: %q", s.input.Text())
	}
}

func TestPickers(t *testing.T) {
	s := newStage(t)
	s.Models = []Choice{{"Demo model", "inside"}, {"b.gguf", "/models"}}
	s.draw()
	s.click(150, 27)
	if s.popup != models {
		t.Fatal("the list did not open")
	}
	s.click(150, topHeight-6+6+46+20)
	if a := s.Actions(); len(a) != 1 || a[0] != (UseModel{1}) || s.popup != none {
		t.Errorf("asked for %v, list %v", a, s.popup)
	}
	s.click(150, 27)
	s.click(700, 500)
	if a := s.Actions(); len(a) != 0 || s.popup != none {
		t.Errorf("a click beside the list asks for %v, list %v", a, s.popup)
	}
	s.click(860, 27)
	if a := s.Actions(); len(a) != 1 || a[0] != (NewChat{}) {
		t.Errorf("asked for %v", a)
	}
	s.Drop([]string{"/x.gguf", "/y.gguf"})
	if a := s.Actions(); len(a) != 1 || a[0] != (Load{"/x.gguf"}) {
		t.Errorf("asked for %v", a)
	}
}

// The end of the conversation stays in view until somebody scrolls up, and again from the end on.
func TestScroll(t *testing.T) {
	s := newStage(t)
	m := &Message{Role: Assistant, Text: strings.Repeat("line\n", 100)}
	s.Add(m)
	s.draw()
	if s.scroll != s.scrollMax || s.scrollMax == 0 {
		t.Fatalf("at %v of %v", s.scroll, s.scrollMax)
	}
	s.MouseMove(450, 200)
	s.Wheel(3)
	at := s.scroll
	m.Text += strings.Repeat("line\n", 10)
	s.Changed(m)
	s.draw()
	if s.scroll != at {
		t.Errorf("the view moved from %v to %v", at, s.scroll)
	}
	s.Wheel(-1000)
	m.Text += "more\nand more\n"
	s.Changed(m)
	s.draw()
	if s.scroll != s.scrollMax {
		t.Errorf("at %v of %v", s.scroll, s.scrollMax)
	}
	for _, q := range s.list.Quads { // nothing of the conversation is drawn over the top
		if q.Kind == canvas.Glyph && q.ClipY0 == topHeight && q.Y1 < topHeight {
			t.Fatalf("%+v", q)
		}
	}
}

// Thinking folds, answers can be copied, and a still window is not drawn again.
func TestAnswer(t *testing.T) {
	s := newStage(t)
	m := &Message{Role: Assistant, Thinking: "hm", Text: "**42**"}
	s.Add(m)
	s.draw()
	x := (900-760)/2 + avatarRoom + 5
	s.click(x, topHeight+20+12)
	if !m.Folded {
		t.Error("the thinking did not fold")
	}
	s.click(x, topHeight+20+m.laid.height+8)
	if got := s.Clipboard.Get(); got != "**42**" {
		t.Errorf("%q was copied", got)
	}
	s.Focus(s.now, false)
	s.draw()
	if dirty, next := s.Dirty(s.now.Add(time.Hour)); dirty || next != 0 {
		t.Errorf("a still window without focus is dirty (%v) or will be in %v", dirty, next)
	}
	s.Focus(s.now, true)
	s.draw()
	if dirty, next := s.Dirty(s.now.Add(blink / 2)); dirty || next <= 0 || next > blink {
		t.Errorf("dirty %v, next %v", dirty, next)
	}
	if dirty, _ := s.Dirty(s.now.Add(blink * 3 / 2)); !dirty {
		t.Error("the cursor does not blink")
	}
}

// A window of any size and scale is drawn, whatever is in it.
func TestSizes(t *testing.T) {
	s := newStage(t)
	s.Models, s.Devices = []Choice{{"a", ""}}, []Choice{{"b", "c"}}
	s.Add(&Message{Role: User, Text: strings.Repeat("wide 鸡兔 ", 50)})
	s.Add(&Message{Role: Problem, Text: "it failed"})
	s.Add(&Message{Role: Assistant, Thinking: "x", Text: "```\n" + strings.Repeat("code ", 60)})
	s.typeText(strings.Repeat("long question ", 40))
	for _, scale := range []float64{0.75, 1, 1.5, 3} {
		s.SetScale(scale)
		for _, size := range [][2]int{{1, 1}, {100, 50}, {320, 240}, {1000, 700}, {5000, 300}} {
			for _, s.popup = range []popup{none, models, devices} {
				s.Draw(&s.list, size[0], size[1], s.now)
			}
		}
	}
	if got := s.kit.label("a\nb", glyph.Regular, 12, colorText, 500); len(got.Lines) != 1 {
		t.Errorf("a label of two lines has %d", len(got.Lines))
	}
}
