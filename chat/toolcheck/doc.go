// Package toolcheck compares the calls that a model makes with what the tools say of themselves: that a tool of that
// name exists and that the arguments fit its JSON Schema (drafts 2020-12 and 7).
//
// What is wrong is said in sentences for the model, which can correct itself. The package must not call anything.
package toolcheck
