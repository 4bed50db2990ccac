//go:build desktop

package main

import (
	"runtime"
	"time"

	"github.com/go-gl/glfw/v3.3/glfw"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/ui"
)

// keys translates GLFW's keys. Letters are commands, by the character that the layout has on them.
var keys = map[glfw.Key]ui.Key{
	glfw.KeyEnter: ui.KeyEnter, glfw.KeyKPEnter: ui.KeyEnter, glfw.KeyEscape: ui.KeyEscape,
	glfw.KeyBackspace: ui.KeyBackspace, glfw.KeyDelete: ui.KeyDelete,
	glfw.KeyLeft: ui.KeyLeft, glfw.KeyRight: ui.KeyRight, glfw.KeyUp: ui.KeyUp, glfw.KeyDown: ui.KeyDown,
	glfw.KeyHome: ui.KeyHome, glfw.KeyEnd: ui.KeyEnd, glfw.KeyPageUp: ui.KeyPageUp, glfw.KeyPageDown: ui.KeyPageDown,
}

var letters = map[string]ui.Key{"a": ui.KeyA, "c": ui.KeyC, "n": ui.KeyN, "v": ui.KeyV, "x": ui.KeyX, "z": ui.KeyZ}

// callbacks connects the window's events with the interface.
func (w *window) callbacks() {
	mac := runtime.GOOS == "darwin"
	w.glfw.SetCharCallback(func(_ *glfw.Window, r rune) { w.app.Char(time.Now(), r) })
	w.glfw.SetKeyCallback(func(_ *glfw.Window, key glfw.Key, code int, action glfw.Action, mods glfw.ModifierKey) {
		if action == glfw.Release {
			return
		}
		m := ui.Mods{Shift: mods&glfw.ModShift != 0, Command: mods&glfw.ModControl != 0, Word: mods&glfw.ModControl != 0}
		if mac {
			m.Command, m.Word = mods&glfw.ModSuper != 0, mods&glfw.ModAlt != 0
		}
		k, ok := keys[key]
		if !ok && m.Command && mods&glfw.ModAlt == 0 { // AltGr is Ctrl and Alt on some layouts
			k, ok = letters[glfw.GetKeyName(key, code)]
		}
		if ok {
			w.app.Press(time.Now(), k, m)
		}
	})
	w.glfw.SetCursorPosCallback(func(_ *glfw.Window, x, y float64) {
		fx, fy := w.pixels()
		w.app.MouseMove(x*fx, y*fy)
	})
	w.glfw.SetMouseButtonCallback(func(_ *glfw.Window, button glfw.MouseButton, action glfw.Action, mods glfw.ModifierKey) {
		if button == glfw.MouseButtonLeft {
			w.app.Click(time.Now(), action == glfw.Press, mods&glfw.ModShift != 0)
		}
	})
	w.glfw.SetScrollCallback(func(_ *glfw.Window, _, dy float64) { w.app.Wheel(dy) })
	w.glfw.SetDropCallback(func(_ *glfw.Window, paths []string) { w.app.Drop(paths) })
	w.glfw.SetFocusCallback(func(_ *glfw.Window, on bool) { w.app.Focus(time.Now(), on) })
	w.glfw.SetContentScaleCallback(func(*glfw.Window, float32, float32) { w.app.SetScale(w.scale()) })
	w.glfw.SetFramebufferSizeCallback(func(*glfw.Window, int, int) {
		w.stale = true
		w.app.Touch()
	})
	// Windows and macOS stay inside of the event loop while a window is resized: this draws there, too.
	w.glfw.SetRefreshCallback(func(*glfw.Window) {
		w.app.Touch()
		if w.fatal == nil && w.screen != nil {
			w.fatal = w.draw(time.Now())
		}
	})
}

// pixels is how many of them a unit of the window's coordinates has.
func (w *window) pixels() (x, y float64) {
	width, height := w.glfw.GetSize()
	fw, fh := w.glfw.GetFramebufferSize()
	return float64(fw) / float64(max(width, 1)), float64(fh) / float64(max(height, 1))
}
