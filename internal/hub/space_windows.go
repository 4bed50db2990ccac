package hub

import (
	"os"

	"golang.org/x/sys/windows"
)

// freeBytes is the space that the disk of a folder has left; ok is false where it cannot be told.
func freeBytes(dir string) (n uint64, ok bool) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	err = windows.GetDiskFreeSpaceEx(path, &n, nil, nil)
	return n, err == nil
}

// lock keeps other programs from writing the same file until it is closed; false: another one does.
func lock(f *os.File) bool {
	const whole = ^uint32(0)
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, whole, whole, &windows.Overlapped{})
	return err == nil
}

// allocated is what a file takes on the disk.
func allocated(info os.FileInfo) uint64 { return uint64(info.Size()) }
