// Package mcp lets a model call the tools of Model Context Protocol servers: programs that speak over stdin and stdout,
// and addresses that speak streamable HTTP. The protocol itself is the official Go SDK's; this package starts and ends
// the servers, bounds what they may do, and makes [chat.Tool]s of their tools.
//
// A server is a stranger's program. One that is missing, hangs, dies, floods us or prints what is no message costs its
// tools and a sentence, never the conversation.
package mcp
