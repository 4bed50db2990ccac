//go:build unix

package mcp_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/chat/mcp"
)

// Closing ends the server and what it has started; so does Kill.
func TestClose(t *testing.T) {
	for _, how := range []string{"close", "kill"} {
		file := filepath.Join(t.TempDir(), "child")
		set, err := start(t, mcp.Options{}, stdio(t, "one", "-child", file))
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		child, err := strconv.Atoi(string(content))
		if err != nil {
			t.Fatal(err)
		}
		if how == "kill" {
			set.Kill()
		} else if err := set.Close(); err != nil {
			t.Error(err)
		}
		if !ended(child) {
			t.Errorf("%s: the child %d lives on", how, child)
		}
		if _, err := tool(t, set, "add").Call(t.Context(), json.RawMessage(`{"a": 1, "b": 2}`)); err == nil {
			t.Errorf("%s: the server lives on", how)
		}
	}
}

// ended waits until a process is gone, or a zombie that nobody buries in this container.
func ended(pid int) bool {
	for range 100 {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
