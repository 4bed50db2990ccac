//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package term

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Modes are the keyboard's modes as they were when [Open] looked.
type Modes struct {
	fd  int
	was unix.Termios
}

// Open looks at a terminal. Errors: f is none.
func Open(in, _ *os.File) (*Modes, error) {
	m := &Modes{fd: int(in.Fd())}
	was, err := unix.IoctlGetTermios(m.fd, getModes)
	if err != nil {
		return nil, err
	}
	m.was = *was
	return m, nil
}

// Raw passes every key on as it is pressed, Ctrl-C too. What is printed must end its lines with "\r\n". Keys that were
// pressed before are kept.
func (m *Modes) Raw() error {
	t := m.was
	t.Iflag &^= unix.BRKINT | unix.ICRNL | unix.INPCK | unix.ISTRIP | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN | unix.ISIG
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(m.fd, setModes, &t)
}

// Quiet is for the time in which an answer is printed: keys are kept for the next prompt instead of being echoed into
// the text, and Ctrl-C is a signal again.
func (m *Modes) Quiet() error {
	t := m.was
	t.Iflag &^= unix.ICRNL | unix.IXON
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(m.fd, setModes, &t)
}

// Restore brings the modes back as they were.
func (m *Modes) Restore() error { return unix.IoctlSetTermios(m.fd, setModes, &m.was) }

// Size returns the window's columns and rows; 0, 0 where f is no terminal.
func Size(f *os.File) (columns, rows int) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(w.Col), int(w.Row)
}

// Resized tells on c that the window has another size, until stop.
func Resized(c chan<- os.Signal) (stop func()) {
	signal.Notify(c, unix.SIGWINCH)
	return func() { signal.Stop(c) }
}

// Suspend stops the program as Ctrl-Z does, and returns when the shell has brought it back to the foreground.
func Suspend() error { return unix.Kill(0, unix.SIGTSTP) }
