package ui

import (
	"strings"
	"time"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
)

// Role says who a message is from.
type Role uint8

// The roles. A Problem is an error that the program reports.
const (
	User Role = iota
	Assistant
	Problem
)

// Message is a message of the conversation. Change it through [App.Changed].
type Message struct {
	Role           Role
	Text, Thinking string
	Folded         bool // the thinking is not shown
	Writing        bool // the answer goes on
	laid           *laid
}

// Choice is a row of a picker.
type Choice struct{ Label, Detail string }

// Action is what the interface asks of the program.
type Action interface{ action() }

// The actions.
type (
	Send      struct{ Text string }
	Stop      struct{}
	NewChat   struct{}
	Load      struct{ Path string } // a model that was dropped on the window
	UseModel  struct{ Index int }   // of App.Models
	UseDevice struct{ Index int }   // of App.Devices
)

func (Send) action()      {}
func (Stop) action()      {}
func (NewChat) action()   {}
func (Load) action()      {}
func (UseModel) action()  {}
func (UseDevice) action() {}

// Clipboard is the system's.
type Clipboard interface {
	Get() string
	Set(text string)
}

// App is the whole window. Its exported fields are the program's to set, between calls; say Touch afterwards.
type App struct {
	Messages        []*Message
	Models, Devices []Choice
	Model, Device   string  // what is in use
	Ready           bool    // a model can be asked
	Busy            bool    // an answer is being written
	Progress        float64 // of a load, 0 to 1; negative: none
	Status          string
	Failed          bool // the status tells of an error
	Hints           []string
	Rates, Frames   Series // tokens per second; milliseconds per frame
	Clipboard       Clipboard

	kit     *Kit
	input   Editor
	actions []Action
	dirty   bool

	width, height float64 // pixels
	scroll        float64 // pixels from the top
	scrollMax     float64
	follow        bool // the end of the conversation stays in view
	inputScroll   float64
	inputText     Text
	inputArea     canvas.Rect // of the text
	listArea      canvas.Rect
	mouseX        float64
	mouseY        float64
	dragging      bool
	popup         popup
	hits          []hit
	focused       bool
	blinkFrom     time.Time
	now           time.Time
	lastClick     time.Time
	copied        int // message whose text was copied last; -1: none
	generation    int
}

type popup uint8

const (
	none popup = iota
	models
	devices
)

// hit is a part of the window that can be clicked, as it was drawn last; later ones lie above.
type hit struct {
	area canvas.Rect
	do   func()
}

// NewApp makes the window's contents.
func NewApp(kit *Kit) *App {
	return &App{kit: kit, dirty: true, follow: true, focused: true, Progress: -1, copied: -1}
}

// Touch says that something that is shown has changed.
func (a *App) Touch() { a.dirty = true }

// Changed says that a message has changed.
func (a *App) Changed(m *Message) {
	m.laid = nil
	a.dirty = true
}

// Add appends a message and scrolls to it.
func (a *App) Add(m *Message) {
	a.Messages = append(a.Messages, m)
	a.follow, a.dirty = true, true
}

// Clear removes all messages.
func (a *App) Clear() {
	a.Messages, a.scroll, a.follow, a.copied, a.dirty = nil, 0, true, -1, true
}

// Actions returns what is asked for since the last call.
func (a *App) Actions() []Action {
	list := a.actions
	a.actions = nil
	return list
}

func (a *App) ask(action Action) { a.actions = append(a.actions, action) }

// SetScale follows the screen that the window is on.
func (a *App) SetScale(scale float64) {
	if a.kit.Scale != scale {
		a.kit.Scale, a.dirty = scale, true
		for _, m := range a.Messages {
			m.laid = nil
		}
	}
}

// blink is half a period of the cursor's.
const blink = 530 * time.Millisecond

// Dirty reports whether the window must be drawn anew, and how long what is shown stays right; 0: until something happens.
func (a *App) Dirty(now time.Time) (dirty bool, next time.Duration) {
	if !a.focused {
		return a.dirty, 0
	}
	if caret(now, a.blinkFrom) != caret(a.now, a.blinkFrom) {
		a.dirty = true
	}
	return a.dirty, blink - now.Sub(a.blinkFrom)%blink
}

func caret(now, from time.Time) bool { return now.Sub(from)/blink%2 == 0 }

// Focus says whether keys go to the window.
func (a *App) Focus(now time.Time, on bool) { a.focused, a.blinkFrom, a.dirty = on, now, true }

// Char types a character.
func (a *App) Char(now time.Time, r rune) {
	a.input.Insert(string(r))
	a.typed(now)
}

func (a *App) typed(now time.Time) {
	a.blinkFrom, a.dirty, a.popup = now, true, none
	a.layoutInput()
	a.showCursor()
}

// Key is a key that is not a character.
type Key uint8

// The keys that do something.
const (
	KeyEnter Key = iota + 1
	KeyEscape
	KeyBackspace
	KeyDelete
	KeyLeft
	KeyRight
	KeyUp
	KeyDown
	KeyHome
	KeyEnd
	KeyPageUp
	KeyPageDown
	KeyA
	KeyC
	KeyN
	KeyV
	KeyX
	KeyZ
)

// Mods are the modifiers of a key. Command is Ctrl, and Cmd on a Mac; Word is what moves by words: Ctrl, and Alt on a Mac.
type Mods struct{ Shift, Command, Word bool }

// Press presses a key.
func (a *App) Press(now time.Time, k Key, m Mods) {
	if m.Command && a.command(now, k) {
		return
	}
	page := a.listArea.H * 0.85
	switch k {
	case KeyEnter:
		if m.Shift {
			a.input.Insert("\n")
			break
		}
		a.send()
	case KeyEscape:
		if a.popup == none && a.Busy {
			a.ask(Stop{})
		}
	case KeyBackspace:
		a.input.Delete(-1, m.Word)
	case KeyDelete:
		a.input.Delete(1, m.Word)
	case KeyLeft:
		a.input.Move(-1, m.Word, m.Shift)
	case KeyRight:
		a.input.Move(1, m.Word, m.Shift)
	case KeyUp:
		a.input.MoveLine(&a.inputText, -1, m.Shift)
	case KeyDown:
		a.input.MoveLine(&a.inputText, 1, m.Shift)
	case KeyHome:
		a.input.MoveEdge(&a.inputText, false, m.Shift)
	case KeyEnd:
		a.input.MoveEdge(&a.inputText, true, m.Shift)
	case KeyPageUp:
		a.scrollBy(-page)
		return
	case KeyPageDown:
		a.scrollBy(page)
		return
	default:
		return
	}
	a.typed(now)
}

// command does what a key means together with Ctrl or Cmd; false: nothing of its own.
func (a *App) command(now time.Time, k Key) bool {
	switch k {
	case KeyA:
		a.input.SelectAll()
	case KeyC, KeyX:
		if text := a.input.Selected(); text != "" && a.Clipboard != nil {
			a.Clipboard.Set(text)
			if k == KeyX {
				a.input.Insert("")
			}
		}
	case KeyV:
		if a.Clipboard != nil {
			a.input.Insert(a.Clipboard.Get())
		}
	case KeyZ:
		a.input.Undo()
	case KeyN:
		a.ask(NewChat{})
	case KeyHome:
		a.input.MoveTo(0, false)
	case KeyEnd:
		a.input.MoveTo(a.input.Len(), false)
	default:
		return false
	}
	a.typed(now)
	return true
}

func (a *App) send() {
	text := strings.TrimSpace(a.input.Text())
	if text == "" || a.Busy || !a.Ready {
		return
	}
	a.input.Set("")
	a.ask(Send{text})
}

// MouseMove moves the mouse, in pixels.
func (a *App) MouseMove(x, y float64) {
	before := a.under()
	a.mouseX, a.mouseY = x, y
	if a.dragging {
		a.input.MoveTo(a.inputText.Nearest(x-a.inputArea.X, y-a.inputArea.Y+a.inputScroll), true)
		a.dirty = true
	}
	if a.under() != before {
		a.dirty = true
	}
}

// under is the number of the hit under the mouse; -1: none.
func (a *App) under() int {
	for i := len(a.hits) - 1; i >= 0; i-- {
		if a.hits[i].area.Has(a.mouseX, a.mouseY) {
			return i
		}
	}
	return -1
}

// Click presses or releases the mouse's first button where the mouse is.
func (a *App) Click(now time.Time, down, shift bool) {
	if !down {
		a.dragging = false
		return
	}
	a.dirty, a.blinkFrom = true, now
	double := now.Sub(a.lastClick) < 350*time.Millisecond
	a.lastClick = now
	open := a.popup
	if i := a.under(); i >= 0 {
		a.hits[i].do()
	} else if a.popup == none && a.inputArea.Inset(-12*a.kit.Scale, -12*a.kit.Scale).Has(a.mouseX, a.mouseY) {
		at := a.inputText.Nearest(a.mouseX-a.inputArea.X, a.mouseY-a.inputArea.Y+a.inputScroll)
		if double {
			a.input.SelectWord(at)
		} else {
			a.input.MoveTo(at, shift)
			a.dragging = true
		}
	}
	if a.popup == open { // every click closes a list, unless it has opened one
		a.popup = none
	}
}

// Wheel scrolls, by notches of a wheel.
func (a *App) Wheel(dy float64) {
	step := 56 * a.kit.Scale * dy
	if a.inputArea.Has(a.mouseX, a.mouseY) && a.inputText.Height() > a.inputArea.H {
		a.inputScroll -= step
		a.clampInput()
		a.dirty = true
		return
	}
	a.scrollBy(-step)
}

func (a *App) scrollBy(pixels float64) {
	a.scroll = min(max(a.scroll+pixels, 0), a.scrollMax)
	a.follow = a.scroll >= a.scrollMax-1
	a.dirty = true
}

// Drop drops files on the window.
func (a *App) Drop(paths []string) {
	if len(paths) > 0 {
		a.ask(Load{paths[0]})
	}
}

// inputLines is how many lines of the question are shown at most.
const inputLines = 8

func (a *App) layoutInput() {
	width := a.columnWidth() - (inputPad*2+buttonSize+10)*a.kit.Scale
	a.inputText = a.kit.Layout([]Run{{a.input.Text(), glyph.Regular, textSize, colorText}}, max(width, 40), 1.42)
}

// showCursor scrolls the question so that the cursor can be seen.
func (a *App) showCursor() {
	line, _ := a.inputText.Caret(a.input.cursor)
	top := float64(line) * a.inputText.LineHeight
	visible := min(float64(len(a.inputText.Lines)), inputLines) * a.inputText.LineHeight
	a.inputScroll = min(max(a.inputScroll, top+a.inputText.LineHeight-visible), top)
	a.clampInput()
}

func (a *App) clampInput() {
	visible := min(float64(len(a.inputText.Lines)), inputLines) * a.inputText.LineHeight
	a.inputScroll = min(max(a.inputScroll, 0), a.inputText.Height()-visible)
}

// columnWidth is the width of the column that the conversation and the question stand in, in pixels.
func (a *App) columnWidth() float64 {
	return max(min(columnMost*a.kit.Scale, a.width-2*columnMargin*a.kit.Scale), 120)
}
