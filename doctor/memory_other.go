//go:build !linux

package doctor

// memoryBytes is not known here.
func memoryBytes() uint64 { return 0 }
