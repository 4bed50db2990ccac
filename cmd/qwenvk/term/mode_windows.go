package term

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Modes are the console's modes as they were when [Open] looked.
type Modes struct {
	in, out       windows.Handle
	wasIn, wasOut uint32
}

// Open looks at a console and lets its output understand control sequences. Errors: a file is no console.
func Open(in, out *os.File) (*Modes, error) {
	m := &Modes{in: windows.Handle(in.Fd()), out: windows.Handle(out.Fd())}
	if err := errors.Join(windows.GetConsoleMode(m.in, &m.wasIn), windows.GetConsoleMode(m.out, &m.wasOut)); err != nil {
		return nil, err
	}
	return m, windows.SetConsoleMode(m.out, m.wasOut|windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
}

// Raw passes every key on as it is pressed, Ctrl-C too.
func (m *Modes) Raw() error {
	return windows.SetConsoleMode(m.in, m.wasIn&^(windows.ENABLE_ECHO_INPUT|windows.ENABLE_LINE_INPUT|windows.ENABLE_PROCESSED_INPUT)|
		windows.ENABLE_VIRTUAL_TERMINAL_INPUT)
}

// Quiet is for the time in which an answer is printed: keys are not echoed, and Ctrl-C is a signal again.
func (m *Modes) Quiet() error {
	return windows.SetConsoleMode(m.in, m.wasIn&^(windows.ENABLE_ECHO_INPUT|windows.ENABLE_LINE_INPUT)|
		windows.ENABLE_PROCESSED_INPUT|windows.ENABLE_VIRTUAL_TERMINAL_INPUT)
}

// Restore brings the modes back as they were.
func (m *Modes) Restore() error {
	return errors.Join(windows.SetConsoleMode(m.in, m.wasIn), windows.SetConsoleMode(m.out, m.wasOut))
}

// Size returns the window's columns and rows; 0, 0 where f is no console.
func Size(f *os.File) (columns, rows int) {
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(windows.Handle(f.Fd()), &info) != nil {
		return 0, 0
	}
	return int(info.Window.Right-info.Window.Left) + 1, int(info.Window.Bottom-info.Window.Top) + 1
}

// Resized never tells anything: a console's size is asked for at each redraw.
func Resized(chan<- os.Signal) (stop func()) { return func() {} }

// Suspend does nothing: Windows stops no programs.
func Suspend() error { return nil }
