// Package half converts between float32 and the two 16-bit floats of model files:
// IEEE 754 binary16 (F16) and bfloat16 (BF16).
//
// A 16-bit float travels as its bits in a uint16; in byte slices it is little-endian.
// Widening is exact, subnormals included. Narrowing rounds to nearest, ties to even;
// what is too large becomes an infinity, and a NaN stays a NaN (made quiet, as
// processors do). Nothing here allocates.
//
// The slice forms are what a loader's inner loop wants. They panic, as copy-like
// code does, only when the caller's slices do not fit each other.
package half
