// Package lineedit reads a message that a person types into a terminal: one line or many, edited in place.
//
// A [Buffer] is the text and the place of the cursor. A key is what the terminal sends for one key press, or for a
// paste, which is one key however many lines it has. An [Editor] turns keys into changes of its buffer and draws it; it
// draws only its own rows, at the bottom, so what stands above stays in the terminal's scrollback, and the cost of a
// key does not depend on how long the conversation is. A [History] is what was sent before.
package lineedit
