// Package markdown prints Markdown to a terminal while it is being written.
//
// A [Stream] takes an answer in pieces, as a model makes it, and prints each word when it is certain how it looks. What
// is printed is never drawn again: there is no flicker, the answer belongs to the terminal's scrollback, and a piece
// costs the same at the end of a long conversation as at its beginning. The price is that some things wait: a word for
// its end, **bold** for the closing marks, a line of code for its end, a table for its last row. How the answer was cut
// into pieces changes nothing of what is printed.
//
//	pieces ── lines: blocks.go ── inline.go ── words: wrap.go ── terminal
//	                 ├─ code:  code.go
//	                 └─ table: table.go
//
// It reads what models write: headings, lists, quotes, rules, fenced code, tables that begin with a bar, emphasis, code,
// links. A line's end is a line's end; there are no paragraphs to fill, because answers do not break their lines.
package markdown
