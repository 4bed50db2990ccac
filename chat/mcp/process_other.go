//go:build !unix

package mcp

import "os/exec"

// ownGroup does nothing: this system has no process groups that a signal reaches.
func ownGroup(*exec.Cmd) {}

// endGroup ends the process. It may be gone already.
func endGroup(cmd *exec.Cmd, kill bool) {
	if kill {
		_ = cmd.Process.Kill()
	}
}
