package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/markdown"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// retry answers the last question again, with other random numbers.
func (c *conversation) retry(ctx context.Context) error {
	messages := c.chat.Messages()
	i := lastOf(messages, "user")
	if i < 0 {
		c.say("There is no question yet to answer again.\n")
		return nil
	}
	c.chat.SetMessages(messages[:i])
	before := len(c.chat.Messages())
	err := c.send(ctx, messages[i].Content)
	if len(c.chat.Messages()) == before { // no answer: the one before stays
		c.chat.SetMessages(messages)
	}
	return err
}

// undo forgets the last question and its answer.
func (c *conversation) undo() {
	messages := c.chat.Messages()
	i := lastOf(messages, "user")
	if i < 0 {
		c.say("There is nothing to take back.\n")
		return
	}
	c.chat.SetMessages(messages[:i])
	question := strings.Join(strings.Fields(term.Clean(messages[i].Content)), " ")
	c.say("Taken back: %s\n", term.Truncate(question, 60))
}

// copy puts the last answer, or its last block of code, into the clipboard of the terminal, which may be on another
// machine than this program (xterm's control sequence OSC 52).
func (c *conversation) copy(what string) {
	messages := c.chat.Messages()
	i := lastOf(messages, "assistant")
	if i < 0 {
		c.say("There is no answer yet to copy.\n")
		return
	}
	text := messages[i].Content
	switch what {
	case "":
	case "code":
		if text = lastCode(text); text == "" {
			c.say("The last answer has no block of code.\n")
			return
		}
	default:
		c.say("/copy takes the answer, /copy code its last block of code.\n")
		return
	}
	if _, err := fmt.Fprintf(c.p.out, "\x1b]52;c;%s\a", base64.StdEncoding.EncodeToString([]byte(text))); err == nil {
		c.say("%d characters went to the terminal's clipboard, if it lets programs set it (tmux: set -s set-clipboard on).\n", len([]rune(text)))
	}
}

// lastCode returns the last fenced block of a text.
func lastCode(text string) (code string) {
	var lines []string
	fence := ""
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence == "" && (strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")):
			fence, lines = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, trimmed[:1]))], nil
		case fence != "" && strings.HasPrefix(trimmed, fence) && strings.Trim(trimmed, fence[:1]) == "":
			fence, code = "", strings.Join(lines, "")
		case fence != "":
			lines = append(lines, line)
		}
	}
	if fence != "" { // the answer was stopped in the block
		code = strings.Join(lines, "")
	}
	return code
}

// unfold returns the last reasoning as it is shown, and why there is none.
func (c *conversation) unfold() string {
	messages := c.chat.Messages()
	i := lastOf(messages, "assistant")
	if i < 0 || messages[i].ReasoningContent == "" {
		return c.dim("The last answer came without reasoning.")
	}
	var b strings.Builder
	columns, _ := c.p.window()
	s := markdown.New(&b, func() int { return max(0, columns-2) }, false)
	_ = s.Write(messages[i].ReasoningContent) // into memory
	_ = s.End()
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(b.String(), "\n"), "\n") {
		lines = append(lines, c.dim("│ "+line))
	}
	return strings.Join(lines, "\n")
}

func (c *conversation) dim(text string) string {
	if c.colour {
		return dim + text + reset
	}
	return text
}

// countTokens counts the tokens of a text; 0 where it cannot be encoded.
func (c *conversation) countTokens(text string) int {
	ids, err := c.m.Tokenizer().Encode(text, tokenizer.EncodeOptions{Plain: true})
	if err != nil {
		return 0
	}
	return len(ids)
}

// print writes text of ours as it is.
func (c *conversation) print(text string) {
	_, _ = io.WriteString(c.p.out, text+"\n") // a terminal that is gone ends the next read
}

// completeSlash is what Tab offers: commands, their words, paths.
func completeSlash(text string) (from int, words []string) {
	if !strings.HasPrefix(text, "/") {
		return 0, nil
	}
	name, rest, spaced := strings.Cut(text, " ")
	if !spaced {
		for _, s := range slashCommands {
			if strings.HasPrefix(s.name, name) {
				words = append(words, s.name)
			}
		}
		return 0, words
	}
	i := slashNamed(name)
	if i < 0 {
		return 0, nil
	}
	if slashCommands[i].paths {
		return len(name) + 1, completePath(rest)
	}
	for _, word := range slashCommands[i].words {
		if strings.HasPrefix(word, rest) {
			words = append(words, word)
		}
	}
	return len(name) + 1, words
}
