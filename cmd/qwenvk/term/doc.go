// Package term is the terminal as a chat needs it: how wide text is there, how large the window is, which of the
// keyboard's modes is on, and a few rows at the bottom that may be drawn again and again.
//
//	scrollback   what was printed; nobody touches it again
//	...
//	Region       the last rows, drawn anew when they change; erased or left behind at the end
//
// Nothing here uses the alternate screen: what was said stays where the terminal keeps it.
package term
