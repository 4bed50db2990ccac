// Package bench measures a loaded model: how fast it reads prompts and writes answers, and how well it predicts a text.
//
// The nouns:
//
//   - A test is what one number is measured for: "pp512" reads a prompt of 512 tokens, "tg128" writes 128 tokens.
//     Behind "@ d1000" it does so with 1000 tokens already in the cache.
//   - A repetition is one timed run of a test; the first run of every test is not timed.
//   - A Kernel is what one form of a kernel takes, by itself or in a test, and its share of the device's Limits.
//   - A File is what one run wrote; Compare and HTML lay several side by side.
//   - A Row is a test's result, with what is needed to compare it: model, device, driver, bytes, bandwidth.
//
// The tests are those of llama-bench, and so are the columns of Markdown, so that two programs' tables can be laid side
// by side. Prompts are random ids of a fixed seed: what they say makes no difference to the time.
//
// The package asks the public API only; what it reports is what a program that embeds the runtime gets.
package bench
