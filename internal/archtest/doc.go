// Package archtest holds no code, only the test that keeps the arrows of docs/architecture.md: who may import whom.
//
// The table in arrows_test.go has one row per package and is exhaustive: a new package fails the test until somebody has
// decided, and written down there, what it may know. Tests of a package may import anything, so that a layer can be
// checked against the reference next door.
package archtest
