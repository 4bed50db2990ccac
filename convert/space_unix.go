//go:build linux || darwin

package convert

import "syscall"

// freeSpace returns the bytes that may still be written to a folder's disk.
func freeSpace(folder string) (bytes int64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
