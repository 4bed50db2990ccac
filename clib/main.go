package main

// #cgo CFLAGS: -fexceptions
import "C"

// main is never called: a C library has no beginning.
func main() {}
