package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// vocabulary is what every file form is read into before it becomes a Tokenizer.
type vocabulary struct {
	entries    []entry     // the tokens that merging makes, in the byte alphabet
	merges     [][2]string // by rank, in the byte alphabet
	added      []AddedToken
	pattern    string // of the pre-tokenizer
	normalize  bool
	wholeWords bool
	special    map[string]int32
}

type entry struct {
	text string
	id   int32
}

// slackIDs is how many ids may have no token: a vocabulary with more holes than tokens, and
// than this, is not one, and must not size a table.
const slackIDs = 1 << 16

// build checks a vocabulary and makes its tables. Errors carry no prefix; the reader of the
// file form puts its own.
func (v *vocabulary) build() (*Tokenizer, error) {
	count := len(v.entries) + len(v.added)
	if count == 0 {
		return nil, errors.New("the vocabulary is empty")
	}
	highest := int32(-1)
	for _, e := range v.entries {
		if e.id < 0 {
			return nil, fmt.Errorf("token %q has the negative id %d", e.text, e.id)
		}
		highest = max(highest, e.id)
	}
	for _, a := range v.added {
		if a.ID < 0 {
			return nil, fmt.Errorf("added token %q has the negative id %d", a.Content, a.ID)
		}
		highest = max(highest, a.ID)
	}
	if int64(highest) >= 2*int64(count)+slackIDs {
		return nil, fmt.Errorf("the highest id is %d, but there are only %d tokens", highest, count)
	}
	t := &Tokenizer{
		pieces:     make([]string, highest+1),
		ids:        make(map[string]int32, len(v.entries)),
		wholeWords: v.wholeWords,
		normalize:  v.normalize,
		special:    v.special,
	}
	var err error
	if t.split, err = newSplitter(v.pattern); err != nil {
		return nil, err
	}
	if err := t.setPieces(v.entries); err != nil {
		return nil, err
	}
	if err := t.setMerges(v.merges); err != nil {
		return nil, err
	}
	if err := t.setAdded(v.added); err != nil {
		return nil, err
	}
	// Files that name a padding token by an id beyond the vocabulary are common and harm
	// nobody; the part is then simply not named.
	maps.DeleteFunc(t.special, func(_ string, id int32) bool { return !t.has(id) })
	return t, nil
}

// setPieces fills pieces, ids and bytes.
func (t *Tokenizer) setPieces(entries []entry) error {
	total := 0
	for _, e := range entries {
		total += len(e.text)
	}
	// One allocation for all pieces: they are cut from one string, never longer than the
	// entries.
	arena := make([]byte, 0, total)
	ends := make([]int, len(entries))
	inside := make([]bool, len(entries))
	for i, e := range entries {
		if e.text == "" {
			return fmt.Errorf("the token with id %d is empty", e.id)
		}
		arena, inside[i] = appendPiece(arena, e.text)
		ends[i] = len(arena)
	}
	all, start := string(arena), 0
	for i := range t.bytes {
		t.bytes[i] = -1
	}
	for i, e := range entries {
		piece := all[start:ends[i]]
		start = ends[i]
		if t.pieces[e.id] != "" {
			return fmt.Errorf("two tokens have the id %d: one is %q", e.id, e.text)
		}
		t.pieces[e.id] = piece
		if !inside[i] {
			continue
		}
		if _, twice := t.ids[piece]; twice {
			return fmt.Errorf("token %q is there twice", e.text)
		}
		t.ids[piece] = e.id
		if len(piece) == 1 {
			t.bytes[piece[0]] = e.id
		}
	}
	return nil
}

// setMerges fills the pair table.
func (t *Tokenizer) setMerges(merges [][2]string) error {
	t.merges = newPairTable(len(merges))
	var raw []byte
	for rank, m := range merges {
		var in [2]bool
		raw, in[0] = appendPiece(raw[:0], m[0])
		cut := len(raw)
		raw, in[1] = appendPiece(raw, m[1])
		left, okLeft := t.ids[string(raw[:cut])]
		right, okRight := t.ids[string(raw[cut:])]
		merged, ok := t.ids[string(raw)]
		if !in[0] || !in[1] || !okLeft || !okRight || !ok {
			return fmt.Errorf("merge %d (%q + %q) needs a token that the vocabulary does not have", rank, m[0], m[1])
		}
		t.merges.put(left, right, pair{rank: int32(rank), id: merged})
	}
	return nil
}

// setAdded enters the added tokens. An added token may stand in the vocabulary too; it is
// the literal text then.
func (t *Tokenizer) setAdded(added []AddedToken) error {
	t.added = slices.Clone(added)
	slices.SortFunc(t.added, func(a, b AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	t.addedIndex = make(map[int32]int, len(added))
	t.addedText = make(map[string]int32, len(added))
	for i, a := range t.added {
		if a.Content == "" {
			return fmt.Errorf("the added token with id %d is empty", a.ID)
		}
		if i > 0 && t.added[i-1].ID == a.ID {
			return fmt.Errorf("added tokens %q and %q have the same id %d", t.added[i-1].Content, a.Content, a.ID)
		}
		if id, twice := t.addedText[a.Content]; twice {
			return fmt.Errorf("added token %q has two ids, %d and %d", a.Content, id, a.ID)
		}
		t.pieces[a.ID] = strings.Clone(a.Content)
		t.addedIndex[a.ID] = i
		t.addedText[a.Content] = a.ID
		if a.Normalized {
			t.normAdded.insert(t.normal(a.Content), int32(i))
		} else {
			t.rawAdded.insert(a.Content, int32(i))
		}
	}
	return nil
}
