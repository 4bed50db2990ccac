package chat

import "strings"

// The tags round a block of reasoning.
const (
	ThinkOpen  = "<think>"
	ThinkClose = "</think>"
)

// Texts that end a block of reasoning from outside.
const (
	// CutThinking ends reasoning that has used its budget. It is the text that Qwen's documentation gives for that ("Thinking
	// Budget" in the quickstart, and section 4.3 of the Qwen3 report); the models know how to go on from it.
	CutThinking = "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n" + ThinkClose + "\n\n"
	// NoThinking, right behind the opening tag, makes the empty block that templates write where thinking is switched off.
	NoThinking = "\n\n" + ThinkClose + "\n\n"
	// ThinkGap stands between the closing tag and the answer.
	ThinkGap = "\n\n"
)

const (
	softOn  = "/think"
	softOff = "/no_think"
)

// OpensThinking reports whether a rendered prompt ends inside an open <think> block, so that the answer begins with
// reasoning.
func (t *Template) OpensThinking(prompt string) bool { return OpensThinking(prompt) }

// OpensThinking reports whether a prompt ends inside an open <think> block.
func OpensThinking(prompt string) bool {
	return strings.HasSuffix(strings.TrimRight(prompt, " \n"), ThinkOpen)
}

func closesThinking(prompt string) bool {
	return strings.HasSuffix(strings.TrimRight(prompt, " \n"), ThinkClose)
}

// MayThink reports whether the answer to a rendered prompt may begin with reasoning: inside an open block it does, behind a
// closed one it does not, and where there is none models do whose template takes enable_thinking. An answer to /no_think
// begins with an empty block.
func (t *Template) MayThink(prompt string) bool {
	return OpensThinking(prompt) || !closesThinking(prompt) && t.TakesThinking()
}

// GenerationThinks reports the mode of the answer to a rendered prompt: true inside an open <think> block, false behind a
// closed one. Where there is none, as in the prompts of templates that take enable_thinking, the model decides by the last
// /think or /no_think in a system or user message, and thinks if there is neither.
func (t *Template) GenerationThinks(prompt string) bool {
	if OpensThinking(prompt) || !t.MayThink(prompt) {
		return OpensThinking(prompt)
	}
	return softSwitch(prompt) != ThinkOff
}

// softSwitch finds the last /think or /no_think in the system and user messages of a ChatML prompt, which is what all
// templates write that take enable_thinking. Results of tools are written as a user's and are none.
func softSwitch(prompt string) Think {
	mode := ThinkAuto
	for _, turn := range strings.Split(prompt, ChatMLStart) {
		role, text, _ := strings.Cut(turn, "\n")
		if role != "user" && role != "system" {
			continue
		}
		text, _, _ = strings.Cut(text, ChatMLEnd)
		for text != "" {
			said, rest, _ := strings.Cut(text, "<tool_response>")
			if last := lastSwitch(said); last != ThinkAuto {
				mode = last
			}
			_, text, _ = strings.Cut(rest, "</tool_response>")
		}
	}
	return mode
}

// lastSwitch finds the last switch in a text. Parts of paths and longer words are none.
func lastSwitch(text string) Think {
	for at := strings.LastIndexByte(text, '/'); at >= 0; at = strings.LastIndexByte(text[:at], '/') {
		for word, mode := range map[string]Think{softOn: ThinkOn, softOff: ThinkOff} {
			rest, ok := strings.CutPrefix(text[at:], word)
			if ok && !continuesWord(rest) && !endsPath(text[:at]) {
				return mode
			}
		}
	}
	return ThinkAuto
}

// continuesWord reports that a word or path goes on. Chinese text has no spaces, so only letters of ASCII count.
func continuesWord(rest string) bool {
	return rest != "" && (rest[0] == '/' || rest[0] == '_' || rest[0] == '-' || isAlphanumeric(rest[0]))
}

// endsPath reports that the slash behind text belongs to a path or an address. People write "…0x1852/no_think" too, so
// digits do not make a path.
func endsPath(text string) bool {
	if text == "" {
		return false
	}
	c := text[len(text)-1]
	return c == '/' || c == '.' || c == '_' || c == '-' || c == '~' || c == ':' || isAlphanumeric(c) && (c < '0' || c > '9')
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
