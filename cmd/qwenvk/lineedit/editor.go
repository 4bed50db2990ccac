package lineedit

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// ErrAborted is Ctrl-C.
var ErrAborted = errors.New("aborted")

// Editor reads messages from a terminal. Its fields are set before the first [Editor.Line].
type Editor struct {
	In      io.Reader
	Out     io.Writer
	Size    func() (columns, rows int)
	Raw     func() error // before a line: keys come as they are pressed
	Quiet   func() error // behind it
	Suspend func() error // Ctrl-Z; nil: ignored
	History *History
	Colour  bool
	// Hint stands dimmed behind a prompt at which nothing is typed yet.
	Hint string
	// Complete returns what may stand from a place of the text before the cursor on.
	Complete func(text string) (from int, words []string)
	// Keys are keys of the caller; what one returns is printed above the prompt.
	Keys map[string]func() string
	// Unfinished reports that Enter shall begin a new line instead of sending the text.
	Unfinished func(text string) bool

	Buffer
	keys     <-chan []byte
	readErr  error // why keys is closed
	sent     []byte
	prompt   string
	next     string
	hint     string
	drawn    screen
	last     drawn // what it was laid out from
	columns  int   // of drawn
	first    int   // row of drawn that is the topmost on the screen
	entry    int   // of the history; len(entries): what is being typed
	draft    string
	search   *search
	offers   offers
	announce bool // the hint was seen
}

// search is Ctrl-R: looking for an entry that contains a text.
type search struct {
	text  string
	found int
	was   state
}

// offers are what Tab found.
type offers struct {
	from  int
	words []string
	tried int // the one that is in the text; -1: none yet
}

// escapeDelay is how long the rest of a key's sequence may take: longer, and ESC was pressed alone.
const escapeDelay = 50 * time.Millisecond

// listen reads keys in the background: those that are pressed while an answer is computed wait for the next prompt.
func (e *Editor) listen() {
	keys := make(chan []byte, 64)
	e.keys = keys
	go func() {
		for {
			chunk := make([]byte, 4096)
			n, err := e.In.Read(chunk)
			if n > 0 {
				keys <- chunk[:n]
			}
			if err != nil {
				e.readErr = err
				close(keys)
				return
			}
		}
	}()
}

// Line shows a prompt and returns the text that was sent with Enter; next stands before its further lines. Errors:
// io.EOF for Ctrl-D at an empty line, [ErrAborted] for Ctrl-C.
func (e *Editor) Line(prompt, next string) (text string, err error) {
	if e.keys == nil {
		e.listen()
	}
	if err := e.Raw(); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.Quiet()) }()
	resized := make(chan os.Signal, 1)
	defer term.Resized(resized)()
	e.Buffer = Buffer{cut: e.cut}
	e.prompt, e.next, e.search, e.offers, e.draft = prompt, next, nil, offers{}, ""
	e.drawn, e.first, e.entry = screen{}, 0, len(e.History.entries)
	if e.hint = e.Hint; e.announce || !e.Colour {
		e.hint = ""
	}
	e.announce = true
	if err := e.print("\x1b[?2004h"); err != nil {
		return "", err
	}
	for {
		if err := e.draw(); err != nil {
			return "", err
		}
		k, err := e.wait(resized)
		if err == nil {
			var done bool
			if done, err = e.handle(k); !done && err == nil {
				continue
			}
		}
		return e.text, errors.Join(err, e.leave())
	}
}

// leave draws the whole text, which may be higher than the window, so that it is in the scrollback.
func (e *Editor) leave() error {
	e.search, e.offers, e.hint = nil, offers{}, ""
	var b strings.Builder
	e.home(&b)
	columns, _ := e.Size()
	write(&b, lay(e.prompt, e.next, e.text, len(e.text), columns).rows, columns)
	b.WriteString("\r\n\x1b[?2004l")
	return e.print(b.String())
}

func (e *Editor) print(text string) error {
	_, err := io.WriteString(e.Out, text)
	return err
}

// wait returns the next key; one without a name where only the window's size changed.
func (e *Editor) wait(resized <-chan os.Signal) (key, error) {
	idle := false
	for {
		if k, n := decode(e.sent, idle); n > 0 {
			e.sent = e.sent[n:]
			return k, nil
		}
		var rest <-chan time.Time
		if len(e.sent) > 0 && !idle {
			rest = time.After(escapeDelay)
		}
		select {
		case chunk, open := <-e.keys:
			if !open {
				if len(e.sent) > 0 && !idle {
					idle = true
					continue
				}
				return key{}, e.readErr
			}
			e.sent, idle = append(e.sent, chunk...), false
		case <-rest:
			idle = true
		case <-resized:
			return key{}, nil
		}
	}
}

// handle does what a key says, and reports whether the text is finished.
func (e *Editor) handle(k key) (done bool, err error) {
	if act, ok := e.Keys[k.name]; ok {
		return false, e.above(act())
	}
	if e.search != nil && e.searching(k) {
		return false, nil
	}
	if k.name == "tab" || k.name == "shift-tab" {
		e.complete(k.name == "shift-tab")
		return false, nil
	}
	if k.name != "" {
		e.offers = offers{}
	}
	switch k.name {
	case "enter":
		return e.enter(), nil
	case "ctrl-c":
		return true, ErrAborted
	case "ctrl-d":
		if e.text == "" {
			return true, io.EOF
		}
		e.press(k)
	case "ctrl-z":
		return false, e.suspend()
	case "ctrl-l":
		e.drawn = screen{}
		return false, e.print("\x1b[H\x1b[2J")
	case "ctrl-r":
		e.search = &search{found: len(e.History.entries), was: state{e.text, e.at}}
	case "up", "ctrl-p", "down", "ctrl-n":
		e.recall(k.name == "up" || k.name == "ctrl-p")
	default:
		e.press(k)
	}
	return false, nil
}

// enter ends the text, or its line. A backslash before the cursor makes way for a line's end.
func (e *Editor) enter() bool {
	switch {
	case e.at == len(e.text) && strings.HasSuffix(e.text, `\`):
		e.replace(len(e.text)-1, "\n")
	case e.Unfinished != nil && e.Unfinished(e.text):
		e.insert("\n", "")
	default:
		return true
	}
	return false
}

// recall moves in the text, and beyond its first or last line in the history.
func (e *Editor) recall(back bool) {
	entries := e.History.entries
	switch {
	case back && e.up(), !back && e.down():
		return
	case back && e.entry == 0, !back && e.entry == len(entries):
		return
	}
	if e.entry == len(entries) {
		e.draft = e.text
	}
	if back {
		e.entry--
	} else {
		e.entry++
	}
	if e.entry == len(entries) {
		e.set(e.draft)
	} else {
		e.set(entries[e.entry])
	}
}

// searching handles a key during Ctrl-R and reports false for one that ends the search and means something itself.
func (e *Editor) searching(k key) bool {
	s := e.search
	look := func(from int) {
		if i := e.History.find(s.text, from); i >= 0 {
			s.found = i
			e.set(e.History.entries[i])
			e.entry = i
		}
	}
	switch k.name {
	case "":
	case "text":
		s.text += k.text
		look(min(s.found+1, len(e.History.entries)))
	case "backspace":
		s.text = s.text[:len(s.text)-len(term.LastCluster(s.text))]
		look(len(e.History.entries))
	case "ctrl-r":
		look(s.found)
	case "ctrl-g", "esc", "ctrl-c":
		e.text, e.at = s.was.text, s.was.at
		e.search = nil
	default:
		e.search = nil
		return false
	}
	return true
}

// complete puts in what all offers have in common, then shows them, then tries one after the other.
func (e *Editor) complete(back bool) {
	if o := &e.offers; len(o.words) > 1 {
		switch {
		case !back:
			o.tried = (o.tried + 1) % len(o.words)
		case o.tried > 0:
			o.tried--
		default:
			o.tried = len(o.words) - 1
		}
		e.replace(o.from, o.words[o.tried])
		return
	}
	if e.Complete == nil {
		return
	}
	from, words := e.Complete(e.text[:e.at])
	if len(words) == 0 {
		return
	}
	common := words[0]
	for _, word := range words[1:] {
		for !strings.HasPrefix(word, common) {
			common = common[:len(common)-len(term.LastCluster(common))]
		}
	}
	if len(common) > e.at-from {
		e.replace(from, common)
	}
	if len(words) > 1 {
		e.offers = offers{from: from, words: words, tried: -1}
	}
}

// above prints a text over the prompt.
func (e *Editor) above(text string) error {
	if text == "" {
		return nil
	}
	var b strings.Builder
	e.home(&b)
	b.WriteString("\x1b[K" + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\x1b[K\r\n\x1b[K") + "\r\n\x1b[J")
	e.drawn = screen{}
	return e.print(b.String())
}

// suspend gives the terminal to the shell until the program is continued.
func (e *Editor) suspend() error {
	if e.Suspend == nil {
		return nil
	}
	var b strings.Builder
	e.home(&b)
	b.WriteString("\x1b[J\x1b[?2004l")
	e.drawn = screen{}
	if err := e.print(b.String()); err != nil {
		return err
	}
	if err := e.Suspend(); err != nil {
		return err
	}
	return errors.Join(e.Raw(), e.print("\x1b[?2004h"))
}
