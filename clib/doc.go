// Command clib is qwenvk as a C library: build it with scripts/build_clib.sh, which makes libqwenvk.so of it, and include
// qwenvk.h, which documents it.
//
// Three nouns:
//
//   - A handle is a number that names a runtime, a model, a chat or a job. The table (handles.go) tells by its generation one that
//     was closed, so that nothing a caller passes is ever taken for an address.
//   - A job is a call that takes time (jobs.go). It runs in goroutines of its own and leaves events, which the C function that
//     began it fetches one by one. Callbacks are called by C, between two fetches: no frame of Go lies beneath them, so that they
//     may be left by longjmp or an exception, and they may call any function.
//   - A status is an error as C sees it (status.go): a number to branch on and a sentence.
//
// The package exports nothing to Go. Panics of ours end as QWENVK_INTERNAL.
package main
