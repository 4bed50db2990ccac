// Package testkit finds the test data and says what to do when some of it is absent.
//
// testdata/ in this repository holds what a fresh clone needs: one case of every architecture, type and feature. The
// full set lies in a folder shared/ beside the clone, under the same names (golden/…, demo-model/…), where somebody has
// it. A test names a file once, relative to either:
//
//	f := testkit.Path(t, "golden/qwen3-dense-tied/config.json")  // testdata/, else ../shared/, else the test fails
//	dir := testkit.Shared(t, "golden")                           // ../shared/golden, or the test is skipped
//
// The package is imported by tests only and imports nothing of ours but internal/half, so that every layer may use it.
package testkit
