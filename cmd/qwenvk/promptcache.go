package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/qwenvk/qwenvk"
)

// promptCache is the file of --prompt-cache: the cache of a prompt that others begin with, as a rule a long system message.
// Like every cache it may fail, and is then told of and done without.
type promptCache struct {
	p    *program
	path string
	used bool // the session began with it
}

// openPromptCache looks whether a file may be where the flag says; nil without the flag.
func (p *program) openPromptCache(path string) (*promptCache, error) {
	if path == "" {
		return nil, nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, usageError("--prompt-cache %s: that is no file", path)
	}
	return &promptCache{p: p, path: path}, nil
}

// restore fills a session's cache from the file.
func (c *promptCache) restore(ctx context.Context, restore func(context.Context, io.Reader) (string, error)) error {
	if c == nil {
		return nil
	}
	f, err := os.Open(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	note := ""
	if err == nil {
		note, err = restore(ctx, f)
		err = errors.Join(err, f.Close())
	}
	switch {
	case errors.Is(err, qwenvk.ErrDeviceLost), errors.Is(err, qwenvk.ErrOutOfMemory), ctx.Err() != nil:
		return err
	case err != nil:
		c.p.warn("the prompt cache %s is not used: %v", c.path, bareCause(err))
	case note != "":
		c.p.note("the prompt cache %s is not used: %s", c.path, note)
	default:
		c.used = true
	}
	return nil
}

// update writes the file anew unless at least half of the prompt came from it: then the rest was this prompt's own.
func (c *promptCache) update(ctx context.Context, r qwenvk.Result, save func(ctx context.Context, w io.Writer, tokens int) error) {
	if c == nil || r.FinishReason == "interrupted" || r.Shifts > 0 || c.used && 2*r.Usage.CachedTokens >= r.Usage.PromptTokens {
		return
	}
	if info, err := os.Stat(c.path); err == nil && info.Size() > 0 && !c.p.isState(c.path) {
		return // somebody's file of another kind: it was told that it is not used
	}
	err := c.p.writeFile(c.path, func(w io.Writer) error { return save(ctx, w, r.Usage.PromptTokens) })
	if err != nil {
		c.p.warn("the prompt cache could not be written: %v", err)
		return
	}
	c.used = true
}

// isState reports whether a file begins as saved sessions do.
func (p *program) isState(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	head := make([]byte, len(qwenvk.StateMagic))
	_, err = io.ReadFull(f, head)
	return errors.Join(err, f.Close()) == nil && string(head) == qwenvk.StateMagic
}
