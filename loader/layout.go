package loader

import "github.com/qwenvk/qwenvk/loader/gguf"

// GGUF returns the metadata of the GGUF file that the checkpoint was opened from, of the first
// part of a split one; nil for a folder. It must not be used after Close.
func (c *Checkpoint) GGUF() *gguf.File { return c.text.gguf }
