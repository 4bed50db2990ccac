package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

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

// save writes the messages in the form that --messages and /load read. A file that is something else is not overwritten.
func (c *conversation) save(name string) {
	messages := c.chat.Messages()
	switch {
	case name == "":
		c.say("/save PATH writes the conversation into a file.\n")
		return
	case len(messages) == 0:
		c.say("There is nothing to save yet.\n")
		return
	}
	path := expandHome(name)
	if content, err := os.ReadFile(path); err == nil && len(content) > 0 {
		if _, err := chat.ParseMessages(content); err != nil {
			c.say("%s is there already and holds no conversation: name another file.\n", name)
			return
		}
	}
	err := c.p.writeFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(messages)
	})
	if err != nil {
		c.say("%s\n", sentence(err))
		return
	}
	c.say("Saved %d messages in %s.\n", len(messages), name)
}

// load goes on with the messages of a file.
func (c *conversation) load(name string) {
	if name == "" {
		c.say("/load PATH goes on with a conversation that /save wrote.\n")
		return
	}
	content, err := c.p.readFile(expandHome(name))
	if err != nil {
		c.say("%s\n", sentence(err))
		return
	}
	messages, err := chat.ParseMessages(content)
	if err != nil {
		c.say("%s: %s\n", name, sentence(err))
		return
	}
	o := c.chat.Options()
	o.System = ""
	if messages[0].Role == "system" {
		o.System = messages[0].Content
	}
	c.chat.SetOptions(o)
	c.chat.SetMessages(messages)
	c.attached = nil
	c.say("Loaded %d messages from %s.\n", len(messages), name)
	c.showLast()
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
