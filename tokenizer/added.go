package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedTrie finds added tokens in a text: at each place the longest one. The zero value
// finds nothing.
type addedTrie struct {
	nodes []trieNode // nodes[0] is the root
	first [256]bool  // bytes that some token starts with
	only  int        // 1 + the byte that all tokens start with, or 0
}

type trieNode struct {
	next  map[byte]int32
	token int32 // place in Tokenizer.added, -1 for none
}

func (t *addedTrie) insert(content string, token int32) {
	if content == "" {
		return
	}
	if len(t.nodes) == 0 {
		t.nodes = []trieNode{{token: -1}}
		t.only = int(content[0]) + 1
	}
	if t.only != int(content[0])+1 {
		t.only = 0
	}
	t.first[content[0]] = true
	at := int32(0)
	for i := range len(content) {
		next, ok := t.nodes[at].next[content[i]]
		if !ok {
			next = int32(len(t.nodes))
			t.nodes = append(t.nodes, trieNode{token: -1})
			if t.nodes[at].next == nil {
				t.nodes[at].next = make(map[byte]int32, 1)
			}
			t.nodes[at].next[content[i]] = next
		}
		at = next
	}
	t.nodes[at].token = token
}

// find returns the next token at or after s[from:]: its place in the text and in
// Tokenizer.added; token is -1 when there is none.
func (t *addedTrie) find(s string, from int) (start, end int, token int32) {
	if len(t.nodes) == 0 {
		return 0, 0, -1
	}
	for i := from; i < len(s); i++ {
		if t.only > 0 {
			n := strings.IndexByte(s[i:], byte(t.only-1))
			if n < 0 {
				break
			}
			i += n
		} else if !t.first[s[i]] {
			continue
		}
		if end, token := t.longest(s, i); token >= 0 {
			return i, end, token
		}
	}
	return 0, 0, -1
}

// longest returns the longest token that starts at s[i].
func (t *addedTrie) longest(s string, i int) (end int, token int32) {
	token = -1
	for at := int32(0); ; i++ {
		if n := t.nodes[at]; n.token >= 0 {
			end, token = i, n.token
		}
		if i == len(s) {
			return end, token
		}
		next, ok := t.nodes[at].next[s[i]]
		if !ok {
			return end, token
		}
		at = next
	}
}

// withAdded encodes text in which added tokens are recognised: those of the raw text
// first, then, in each piece between them, those of the normalised text.
func (e *encoder) withAdded(s string) error {
	t := e.t
	return e.cut(s, &t.rawAdded, func(piece string) error {
		return e.cut(t.normal(piece), &t.normAdded, e.text)
	})
}

// cut appends the tokens that trie finds in s and calls between for the text around them.
func (e *encoder) cut(s string, trie *addedTrie, between func(string) error) error {
	done := 0
	for from := 0; ; {
		start, end, token := trie.find(s, from)
		if token < 0 {
			break
		}
		from = end
		a := &e.t.added[token]
		if a.SingleWord && (endsInWord(s[:start]) || startsWithWord(s[end:])) {
			continue
		}
		if a.LeftStrip {
			start = max(done, len(strings.TrimRightFunc(s[:start], unicode.IsSpace)))
		}
		if a.RightStrip {
			end = len(s) - len(strings.TrimLeftFunc(s[end:], unicode.IsSpace))
			from = end
		}
		if start > done {
			if err := between(s[done:start]); err != nil {
				return err
			}
		}
		e.out = append(e.out, a.ID)
		done = end
	}
	if done < len(s) {
		return between(s[done:])
	}
	return nil
}

func endsInWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && inWord(r)
}

func startsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && inWord(r)
}

// inWord is the \w of regular expressions over Unicode.
func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || unicode.Is(unicode.Pc, r)
}
