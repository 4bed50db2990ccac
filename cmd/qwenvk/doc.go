// Command qwenvk runs Qwen language models on the GPU, from the command line.
//
// The package is flags, exit statuses and printing; what is computed lies in the root package, what is measured in
// package bench. The way of a command line:
//
//	words ── cliargs.Sort ── urfave/cli ── a command's action ── load.go (device, model) ── answer
//	         (any order)     (values)      (run.go, logits.go, …)                           stdout
//	                                              └── notes, progress, errors ── stderr
//
// The nouns:
//
//   - program is one run of the command line: its streams, how much it says, what Ctrl-C does.
//   - loaded is a model on an open device, with the name that the person gave it.
//   - turn is one answer to be made: token ids in, text, reasoning and tool calls out.
//
// Answers go to stdout and nothing else does. An error is one sentence; status.go maps it to the exit status.
// Words that a later version will know are listed in absent.go and refused until then.
package main
