package shaders

import "slices"

// Int8Device is what decides whether products should read activations as bytes on a device that has kernels for it.
type Int8Device struct {
	Software    bool // runs on the CPU
	MatrixUnits bool // has cooperative matrices
}

// Int8Pays says whether products of so many elements to a row are believed to be faster with activations as bytes; many
// tells those of more than [MaxColumns] columns. docs/performance.md has the reasons.
func Int8Pays(v Variant, d Int8Device, k int, many bool) bool {
	switch {
	case !slices.Contains(int8Types, v.Weights):
		return false
	case d.Software:
		return false
	case many:
		return !d.MatrixUnits
	}
	return k >= 2048
}
