// Package chat turns a conversation into the text that a model continues, and the model's text back into an answer.
//
// A [Message] is one turn. A [Template] is the model's own Jinja program that writes messages and [Tools] into a
// prompt; package chat/jinja runs it in bounds. A [Parser] reads the answer as it streams: reasoning between <think> and
// </think>, calls between <tool_call> and </tool_call>, and the text that is left.
//
//	messages, tools ── Template.Render ── prompt ── (tokens, model, tokens) ── text ── Parser ── Delta, Delta, …
//
// Text goes in and text comes out: the package knows no token ids. JSON that belongs to the user, such as a tool's
// schema, keeps the order of its keys, because the model reads it in that order.
package chat
