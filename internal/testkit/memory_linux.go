package testkit

import (
	"bufio"
	"fmt"
	"os"
	"testing"
)

// AnonymousBytes is the process's anonymous memory (RssAnon in proc_pid_status(5)): what it allocated, without mapped
// files.
func AnonymousBytes(t testing.TB) int64 {
	t.Helper()
	return status(t, "RssAnon")
}

// ResidentBytes is all of the process that is in memory (VmRSS).
func ResidentBytes(t testing.TB) int64 {
	t.Helper()
	return status(t, "VmRSS")
}

func status(t testing.TB, field string) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(s.Text(), field+": %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("testkit: /proc/self/status has no " + field)
	return 0
}
