package mcp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// process is a running server of the stdio kind, with all that it starts itself.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr tail
	ended  chan struct{} // closed when the process is gone
	exit   error         // then: how it ended
}

// BaseEnvironment names the variables that every server gets of ours, as the protocol's own SDKs pass them on. All
// others, which may hold secrets, it gets only where its configuration says so.
func BaseEnvironment() []string {
	if runtime.GOOS == "windows" {
		return []string{
			"APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE", "SYSTEMDRIVE", "SYSTEMROOT",
			"TEMP", "TMP", "USERNAME", "USERPROFILE",
		}
	}
	return []string{"HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER"}
}

// environment is what a server sees.
func (s *Server) environment() (env []string) {
	for _, name := range BaseEnvironment() {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	for name, value := range s.Env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// start begins the server's process in a group of its own: Ctrl-C at the terminal is not meant for it, and what it
// starts ends with it.
func (s *Server) start() (_ *process, err error) {
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command(s.Command, s.Args...)
	p.cmd.Env, p.cmd.Dir = s.environment(), s.Dir
	p.cmd.Stderr = &p.stderr
	p.cmd.WaitDelay = time.Second // for those who inherited stderr
	ownGroup(p.cmd)
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close() // the process has its own
		}
		if err != nil && p.stdin != nil {
			_ = p.stdin.Close()
		}
		if err != nil && p.stdout != nil {
			_ = p.stdout.Close()
		}
	}()
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.stdin, theirs = stdin, append(theirs, in)
	stdout, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.stdout, theirs = stdout, append(theirs, out)
	p.cmd.Stdin, p.cmd.Stdout = in, out
	if err := p.cmd.Start(); err != nil {
		return nil, startError(s, err)
	}
	go func() {
		p.exit = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// startError says why a command does not start.
func startError(s *Server, err error) error {
	var path *os.PathError
	switch {
	case s.Dir != "" && !isFolder(s.Dir):
		return fmt.Errorf("its folder %s is none", s.Dir)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the command %q is not there; is it installed?", s.Command)
	case errors.As(err, &path):
		err = path.Err
	}
	return fmt.Errorf("the command %q cannot be started: %w", s.Command, err)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// writeTime bounds one message to a server that does not read.
const writeTime = 10 * time.Second

// Write sends bytes to the server.
func (p *process) Write(b []byte) (int, error) {
	_ = p.stdin.SetWriteDeadline(time.Now().Add(writeTime)) // a pipe that cannot have one just waits
	return p.stdin.Write(b)
}

// Close asks the server to end, as the protocol has it: no more input.
func (p *process) Close() error {
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// stop ends the process and whatever it has started: by closing its input, then more and more firmly.
func (p *process) stop(patience time.Duration) {
	_ = p.Close() // what is left does not depend on it
	if !p.gone(patience) {
		endGroup(p.cmd, false)
		p.gone(patience)
	}
	endGroup(p.cmd, true)
	p.gone(time.Second)
	_ = p.stdout.Close()
}

// kill ends the process at once.
func (p *process) kill() { endGroup(p.cmd, true) }

// gone waits for the end of the process.
func (p *process) gone(within time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// ending says how the process ended; "" while it runs.
func (p *process) ending() string {
	if !p.gone(200 * time.Millisecond) {
		return ""
	}
	how := "with exit status 0"
	var exit *exec.ExitError
	if errors.As(p.exit, &exit) {
		how = "with " + exit.String()
		if !exit.Exited() {
			how = "by " + exit.String()
		}
	}
	if last := p.stderr.last(); last != "" {
		how += `, saying "` + last + `"`
	}
	return how
}

// tail keeps the end of what a server says on stderr.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2 << 10

// Write takes more of it.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[max(0, len(b)-tailSize):]...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

// last is the last line that is not empty, of a length for a sentence.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return short(lines[len(lines)-1])
}

// short makes any text fit into a sentence.
func short(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if runes := []rune(text); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return text
}

// pipes joins the messages from a server with the way to it.
type pipes struct {
	io.Reader
	io.Closer
}
