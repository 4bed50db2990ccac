package bench

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/qwenvk/qwenvk/chat"
)

// PromptForm says how an item is put to the model.
type PromptForm string

// The forms. PromptAuto is PromptRaw for choices, and for questions PromptChat where the model has a chat template.
const (
	PromptAuto PromptForm = "auto"
	PromptChat PromptForm = "chat" // a conversation, rendered by the model's template; examples are earlier turns
	PromptRaw  PromptForm = "raw"  // a text to go on with; examples stand in front of it
)

// rawPrompt writes an item behind its examples as a text to continue: for choices the form of the MMLU paper
// (Hendrycks et al. 2021), for questions that of the GSM8K paper's few-shot prompts.
func rawPrompt(shots []EvalItem, item EvalItem) string {
	var b strings.Builder
	if item.Kind == EvalChoice {
		b.WriteString("The following are multiple choice questions (with answers)")
		if item.Category != "" {
			b.WriteString(" about " + strings.ReplaceAll(item.Category, "_", " "))
		}
		b.WriteString(".\n\n")
	}
	for _, s := range shots {
		b.WriteString(question(s) + "\nAnswer: " + s.reference() + "\n\n")
	}
	return b.String() + question(item) + "\nAnswer:"
}

// chatPrompt writes an item behind its examples as a conversation.
func chatPrompt(shots []EvalItem, item EvalItem) []chat.Message {
	var messages []chat.Message
	ask := func(i EvalItem) {
		text := i.Question
		if i.Kind == EvalChoice {
			text = question(i) + "\nAnswer with the letter of the right choice."
		}
		messages = append(messages, chat.Message{Role: "user", Content: text})
	}
	for _, s := range shots {
		ask(s)
		messages = append(messages, chat.Message{Role: "assistant", Content: s.reference()})
	}
	ask(item)
	return messages
}

func question(i EvalItem) string {
	if i.Kind != EvalChoice {
		return "Question: " + i.Question
	}
	var b strings.Builder
	b.WriteString(i.Question)
	for n, choice := range i.Choices {
		fmt.Fprintf(&b, "\n%c. %s", 'A'+n, choice)
	}
	return b.String()
}

// reference is what an example answers.
func (i EvalItem) reference() string {
	if i.Kind == EvalChoice {
		return letter(i.Right)
	}
	return i.Answer
}

func letter(n int) string { return string(rune('A' + n)) }

// rawStops end the answer to a question that is asked as a text: the model would go on with the next one.
var rawStops = []string{"\nQuestion:", "\n\n\n"}

// A number as people write it; the last one in an answer is what it says.
var lastNumber = regexp.MustCompile(`-?\$?\d[\d,]*(?:\.\d+)?`)

// wanted is the part of a reference that counts: what follows the last ####, else all of it.
func wanted(reference string) string {
	if at := strings.LastIndex(reference, "####"); at >= 0 {
		reference = reference[at+4:]
	}
	return strings.TrimSpace(reference)
}

// extract finds the answer in what the model wrote: the last match of the pattern, its first group if it has one. Without
// a pattern it is what follows the last ####, else the last number where the reference is one, else all of it.
func extract(text, reference string, pattern *regexp.Regexp) string {
	if pattern != nil {
		all := pattern.FindAllStringSubmatch(text, -1)
		if len(all) == 0 {
			return ""
		}
		match := all[len(all)-1]
		return strings.TrimSpace(match[min(1, len(match)-1)])
	}
	if strings.Contains(text, "####") {
		text = wanted(text)
	}
	if _, ok := number(wanted(reference)); ok {
		if all := lastNumber.FindAllString(text, -1); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return strings.TrimSpace(text)
}

// same compares answers: numbers by value, other texts without regard to case and a final full stop.
func same(a, b string) bool {
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		return x == y
	}
	trim := func(s string) string { return strings.TrimRight(strings.TrimSpace(s), ".") }
	return strings.EqualFold(trim(a), trim(b))
}

func number(s string) (float64, bool) {
	s = strings.NewReplacer(",", "", "$", "", "%", "").Replace(strings.TrimRight(strings.TrimSpace(s), "."))
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
