package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/qwenvk/qwenvk/chat"
)

// EvalKind says how an item of an evaluation set is scored.
type EvalKind string

// The kinds. A line's keys tell them apart.
const (
	EvalChoice   EvalKind = "choice"   // question, choices, answer: the likeliest choice (the form of MMLU)
	EvalQuestion EvalKind = "question" // question, answer: the answer is found in what the model writes (the form of GSM8K)
	EvalMessages EvalKind = "messages" // messages, expected: the answer to a conversation equals or contains a text
)

// EvalItem is one line of an evaluation set.
type EvalItem struct {
	Kind     EvalKind
	Line     int    // in its file, from 1
	ID       string // as the file calls it; "" for none
	Category string // category or subject; "" for none

	Question string
	Choices  []string // EvalChoice: two to 26
	Right    int      // EvalChoice: the index of the right one
	Answer   string   // EvalQuestion: the reference, with its reasoning if it has one; EvalMessages: the expected text

	Messages []chat.Message
	Tools    chat.Tools
	Think    chat.Think
	Contains bool // EvalMessages: the answer must contain Answer, not equal it
}

// evalLine is a line as it is written.
type evalLine struct {
	ID       json.RawMessage `json:"id"`
	Category string          `json:"category"`
	Subject  string          `json:"subject"`
	Question string          `json:"question"`
	Choices  []string        `json:"choices"`
	Answer   json.RawMessage `json:"answer"`
	Messages json.RawMessage `json:"messages"`
	Tools    json.RawMessage `json:"tools"`
	Think    *bool           `json:"enable_thinking"`
	Expected string          `json:"expected"`
	Match    string          `json:"match"`
}

const maxEvalLine = 16 << 20

// ReadEval reads an evaluation set, one JSON object a line:
//
//	{"question": …, "choices": [ …, … ], "answer": 2}        answer is an index from 0, a letter, or the choice's text
//	{"question": …, "answer": "…\n#### 18"}                   what follows #### counts, else all
//	{"messages": [ … ], "expected": …, "match": "contains"}   match is exact or contains; tools and enable_thinking may follow
//
// "id" and "category" (or "subject") may be given. Errors name the line.
func ReadEval(r io.Reader) ([]EvalItem, error) {
	var items []EvalItem
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvalLine)
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		item, err := readEvalLine(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		item.Line = n
		items = append(items, item)
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a line has more than %d MiB", maxEvalLine>>20)
		}
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("it has no items")
	}
	return items, nil
}

func readEvalLine(text []byte) (EvalItem, error) {
	var l evalLine
	if err := json.Unmarshal(text, &l); err != nil {
		return EvalItem{}, fmt.Errorf("it is no JSON object of an evaluation set: %w", err)
	}
	i := EvalItem{ID: strings.Trim(string(l.ID), `"`), Category: l.Category, Question: l.Question, Choices: l.Choices}
	if i.Category == "" {
		i.Category = l.Subject
	}
	var err error
	switch {
	case l.Messages != nil:
		i.Kind = EvalMessages
		err = i.readMessages(l)
	case l.Question == "":
		err = errors.New("it has neither question nor messages")
	case l.Choices != nil:
		i.Kind = EvalChoice
		i.Right, err = rightChoice(l)
	default:
		i.Kind = EvalQuestion
		if json.Unmarshal(l.Answer, &i.Answer) != nil {
			i.Answer = string(l.Answer) // a number
		}
		if strings.TrimSpace(i.Answer) == "" {
			err = errors.New("it has no answer")
		}
	}
	return i, err
}

func (i *EvalItem) readMessages(l evalLine) (err error) {
	if i.Messages, err = chat.ParseMessages(l.Messages); err != nil {
		return err
	}
	if l.Tools != nil && !bytes.Equal(l.Tools, []byte("null")) {
		if i.Tools, err = chat.ParseTools(l.Tools); err != nil {
			return err
		}
	}
	if l.Think != nil {
		i.Think = chat.ThinkOff
		if *l.Think {
			i.Think = chat.ThinkOn
		}
	}
	i.Answer = l.Expected
	switch l.Match {
	case "", "exact":
	case "contains":
		i.Contains = true
	default:
		return fmt.Errorf("match is %q; it is exact or contains", l.Match)
	}
	if i.Answer == "" {
		return errors.New("it has no expected text")
	}
	return nil
}

// rightChoice reads the answer of a line with choices.
func rightChoice(l evalLine) (int, error) {
	if len(l.Choices) < 2 || len(l.Choices) > 26 {
		return 0, fmt.Errorf("it has %d choices; 2 to 26 are possible", len(l.Choices))
	}
	var index int
	if json.Unmarshal(l.Answer, &index) == nil {
		if index < 0 || index >= len(l.Choices) {
			return 0, fmt.Errorf("answer %d is none of %d choices, which count from 0", index, len(l.Choices))
		}
		return index, nil
	}
	var word string
	if err := json.Unmarshal(l.Answer, &word); err != nil {
		return 0, errors.New("it has no answer")
	}
	for i, choice := range l.Choices {
		if word == choice {
			return i, nil
		}
	}
	if letter := strings.ToUpper(strings.TrimSpace(word)); len(letter) == 1 && int(letter[0])-'A' >= 0 && int(letter[0])-'A' < len(l.Choices) {
		return int(letter[0] - 'A'), nil
	}
	return 0, fmt.Errorf("answer %q is neither the letter nor the text of a choice", word)
}
