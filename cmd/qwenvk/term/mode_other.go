//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd && !windows

package term

import (
	"errors"
	"os"
)

// Modes are the keyboard's modes; on this system they cannot be changed, and lines are read as the system gives them.
type Modes struct{}

// Open reports that modes are unknown here.
func Open(_, _ *os.File) (*Modes, error) {
	return nil, errors.New("the modes of terminals are not known on this system")
}

// Raw does nothing.
func (m *Modes) Raw() error { return nil }

// Quiet does nothing.
func (m *Modes) Quiet() error { return nil }

// Restore does nothing.
func (m *Modes) Restore() error { return nil }

// Size returns 0, 0.
func Size(*os.File) (columns, rows int) { return 0, 0 }

// Resized never tells anything.
func Resized(chan<- os.Signal) (stop func()) { return func() {} }

// Suspend does nothing.
func Suspend() error { return nil }
