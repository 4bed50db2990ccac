package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
)

// attachment is a file that goes along with the next message.
type attachment struct{ name, text string }

// attachmentLimit bounds what is read of a file: more than any context holds.
const attachmentLimit = 16 << 20

// attach puts a file before the next message.
func (c *conversation) attach(name string) {
	if name == "" {
		if len(c.attached) == 0 {
			c.say("/file PATH puts a text file before the next message.\n")
		}
		for _, a := range c.attached {
			c.say("%s goes along with the next message.", a.name)
		}
		return
	}
	text, err := readAttachment(expandHome(name))
	if err != nil {
		c.say("%s\n", sentence(err))
		return
	}
	tokens := c.countTokens(text)
	if limit := c.m.Info().Context; tokens >= limit {
		c.say("%s has %d tokens, and the context holds %d; /file takes a smaller one, --ctx makes a larger context.\n", name, tokens, limit)
		return
	}
	c.attached = append(c.attached, attachment{name, text})
	c.say("%s, %d tokens, goes along with the next message.\n", name, tokens)
}

func readAttachment(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", path, bareCause(err))
	}
	defer func() { _ = f.Close() }() // it was only read
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return "", errors.Join(err, fmt.Errorf("%s is a folder: name a text file", path))
	}
	content, err := io.ReadAll(io.LimitReader(f, attachmentLimit+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be read: %w", path, bareCause(err))
	case len(content) > attachmentLimit:
		return "", fmt.Errorf("%s is larger than %s: too much for a message", path, size(attachmentLimit))
	case strings.ContainsRune(string(content), 0):
		return "", fmt.Errorf("%s is no text: it holds zero bytes", path)
	}
	return string(content), validText(path, string(content))
}

// withAttachments puts the attached files before a message, each fenced by more marks than it holds itself.
func withAttachments(attached []attachment, text string) string {
	var b strings.Builder
	for _, a := range attached {
		fence := "```"
		for strings.Contains(a.text, fence) {
			fence += "`"
		}
		fmt.Fprintf(&b, "%s:\n%s\n%s\n%s\n\n", a.name, fence, strings.TrimRight(a.text, "\n"), fence)
	}
	return b.String() + text
}

// expandHome puts the person's folder in place of a ~ at the beginning.
func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
		if home, err := os.UserHomeDir(); err == nil {
			return home + rest
		}
	}
	return path
}

// save writes the conversation: the messages alone in the form that --messages reads where the name ends in .json, else with
// the cache, so that /load computes nothing again.
func (c *conversation) save(parent context.Context, name string) error {
	messages := c.chat.Messages()
	path := expandHome(name)
	switch {
	case name == "":
		c.say("/save PATH writes the conversation into a file; without its cache if the name ends in .json.\n")
		return nil
	case len(messages) == 0:
		c.say("There is nothing to save yet.\n")
		return nil
	case !overwritable(path):
		c.say("%s is there already and holds no conversation: name another file.\n", name)
		return nil
	}
	ctx, done := c.p.interrupts.scope(parent)
	defer done()
	err := c.p.writeFile(path, func(w io.Writer) error {
		if filepath.Ext(path) != ".json" {
			return c.chat.Save(ctx, w)
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(messages)
	})
	if err != nil {
		return c.survive(ctx, parent, err)
	}
	saved := int64(0)
	if info, err := os.Stat(path); err == nil {
		saved = info.Size()
	}
	c.say("Saved %d messages in %s, %s.\n", len(messages), name, size(uint64(saved)))
	return nil
}

// survive tells an error that the conversation outlives, an interruption too.
func (c *conversation) survive(ctx, parent context.Context, err error) error {
	switch {
	case parent.Err() != nil:
		return err
	case ctx.Err() != nil:
		c.say("(stopped)\n")
	case errors.Is(err, qwenvk.ErrDeviceLost):
		return err
	default:
		c.say("%s\n", sentence(err))
	}
	return nil
}

// savedMark is how a saved session begins.
const savedMark = "QWENVK\x1aS"

// overwritable reports that no file of that name is there, or one that /save wrote.
func overwritable(path string) bool {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return !info.IsDir() // a device or a pipe: nothing is lost
	}
	f, err := os.Open(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer func() { _ = f.Close() }()
	begin := make([]byte, len(savedMark))
	n, _ := io.ReadFull(f, begin)
	if n == 0 || string(begin) == savedMark {
		return true
	}
	rest, err := io.ReadAll(io.LimitReader(f, attachmentLimit))
	if err != nil {
		return false
	}
	_, err = chat.ParseMessages(append(begin[:n], rest...))
	return err == nil
}

// load goes on with the conversation of a file.
func (c *conversation) load(parent context.Context, name string) error {
	if name == "" {
		c.say("/load PATH goes on with a conversation that /save wrote, or with messages in OpenAI's form.\n")
		return nil
	}
	ctx, done := c.p.interrupts.scope(parent)
	defer done()
	path := expandHome(name)
	f, err := os.Open(path)
	if err != nil {
		c.say("%s cannot be read: %v\n", name, bareCause(err))
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	r := bufio.NewReaderSize(f, 1<<20)
	note := ""
	if begin, _ := r.Peek(len(savedMark)); string(begin) == savedMark {
		note, err = c.chat.Load(ctx, r)
	} else {
		err = c.loadMessages(r)
	}
	if err != nil {
		return c.survive(ctx, parent, fmt.Errorf("%s: %w", name, bareCause(err)))
	}
	c.attached = nil
	c.say("Loaded %d messages from %s.", len(c.chat.Messages()), name)
	if note != "" {
		c.say("Its cache cannot be used, the next answer takes longer: %s.", note)
	}
	c.say("")
	c.showLast()
	return nil
}

// loadMessages reads messages in OpenAI's form.
func (c *conversation) loadMessages(r io.Reader) error {
	content, err := io.ReadAll(io.LimitReader(r, attachmentLimit+1))
	switch {
	case err != nil:
		return err
	case len(content) > attachmentLimit:
		return fmt.Errorf("it is larger than %s: no messages are", size(attachmentLimit))
	}
	messages, err := chat.ParseMessages(content)
	if err != nil {
		return err
	}
	o := c.chat.Options()
	o.System = ""
	if messages[0].Role == "system" {
		o.System = messages[0].Content
	}
	c.chat.SetOptions(o)
	c.chat.SetMessages(messages)
	return nil
}

// showLast shows the last question and its answer again, so that one knows where one was.
func (c *conversation) showLast() {
	messages := c.chat.Messages()
	i := lastOf(messages, "user")
	if i < 0 {
		return
	}
	c.say("%s%s", firstPrompt, strings.ReplaceAll(strings.TrimRight(messages[i].Content, "\n"), "\n", "\n"+nextPrompt))
	for _, m := range messages[i+1:] {
		if m.Role != "assistant" || m.Content == "" {
			continue
		}
		v := c.newView()
		err := v.delta(chat.Delta{Text: m.Content})
		_ = errors.Join(err, v.end()) // a terminal that is gone ends the next read
		c.say("")
	}
}

// lastOf finds the last message of a role; -1: there is none.
func lastOf(messages []chat.Message, role string) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == role {
			return i
		}
	}
	return -1
}

// offerLimit is how many paths Tab looks at.
const offerLimit = 500

// completePath returns the paths that begin as a text does.
func completePath(text string) (words []string) {
	typed, prefix := "", text
	if i := strings.LastIndexFunc(text, func(r rune) bool { return r == '/' || r == filepath.Separator }); i >= 0 {
		typed, prefix = text[:i+1], text[i+1:]
	}
	folder := expandHome(typed)
	if folder == "" {
		folder = "."
	}
	d, err := os.Open(folder)
	if err != nil {
		return nil
	}
	defer func() { _ = d.Close() }()
	entries, _ := d.ReadDir(offerLimit) // as many as can be read
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, prefix) || prefix == "" && name[0] == '.' {
			continue
		}
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.IsDir() {
			name += "/"
		}
		words = append(words, typed+name)
	}
	sort.Strings(words)
	return words
}
