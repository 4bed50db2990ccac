package grammar

import (
	"bytes"
	"fmt"
	"slices"
)

// A Vocabulary is a tokenizer's tokens as a trie. It is read only, and made once per tokenizer.
type Vocabulary struct {
	n       int
	eos     []int32
	offsets []int32 // of id's bytes: bytes[offsets[id]:offsets[id+1]]
	bytes   []byte
	longest int

	// The trie, node 0 the root, in preorder: node i's subtree is i+1 to end[i].
	edge   []byte  // that leads to the node
	depth  []uint8 // bytes
	end    []int32
	first  []int32 // of the node's tokens in ids; they go up to the next node's
	ids    []int32
	single [256]bool // bytes that are tokens
}

// maxTokenBytes is the longest token that a mask may have. Longer ones exist (rows of spaces) and are never needed.
const maxTokenBytes = 128

// NewVocabulary makes the trie of ids 0 to n-1. pieces returns a token's bytes, nil for ids that must never come:
// special and other added tokens. eos are the ids that end an answer.
func NewVocabulary(pieces func(id int32) []byte, n int, eos []int32) *Vocabulary {
	v := &Vocabulary{n: n, eos: slices.Clone(eos), offsets: make([]int32, n+1)}
	order := make([]int32, 0, n)
	for id := range int32(n) {
		piece := pieces(id)
		if slices.Contains(eos, id) || len(piece) > maxTokenBytes {
			piece = nil
		}
		v.bytes = append(v.bytes, piece...)
		v.offsets[id+1] = int32(len(v.bytes))
		if len(piece) > 0 {
			order = append(order, id)
			v.longest = max(v.longest, len(piece))
		}
		if len(piece) == 1 {
			v.single[piece[0]] = true
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := bytes.Compare(v.piece(a), v.piece(b)); c != 0 {
			return c
		}
		return int(a - b)
	})
	v.addNode(0, 0)
	path := []int32{0} // the nodes from the root to the last token's
	var last []byte
	for _, id := range order {
		piece := v.piece(id)
		same := 0
		for same < len(last) && same < len(piece) && last[same] == piece[same] {
			same++
		}
		v.close(path[same+1:])
		path = path[:same+1]
		for i := same; i < len(piece); i++ {
			path = append(path, int32(len(v.edge)))
			v.addNode(piece[i], uint8(i+1))
		}
		v.ids = append(v.ids, id)
		last = piece
	}
	v.close(path)
	v.first = append(v.first, int32(len(v.ids)))
	return v
}

func (v *Vocabulary) addNode(edge byte, depth uint8) {
	v.edge = append(v.edge, edge)
	v.depth = append(v.depth, depth)
	v.end = append(v.end, 0)
	v.first = append(v.first, int32(len(v.ids)))
}

func (v *Vocabulary) close(path []int32) {
	for _, n := range path {
		v.end[n] = int32(len(v.edge))
	}
}

// piece returns the bytes of an id, none if it must not come.
func (v *Vocabulary) piece(id int32) []byte { return v.bytes[v.offsets[id]:v.offsets[id+1]] }

// ends reports whether a token ends at a trie node.
func (v *Vocabulary) ends(node int32) bool { return v.first[node] < v.first[node+1] }

// child follows a byte, -1 where no token goes on with it.
func (v *Vocabulary) child(node int32, b byte) int32 {
	for c := node + 1; c < v.end[node]; c = v.end[c] {
		if v.edge[c] == b {
			return c
		}
	}
	return -1
}

// Words is the length of a mask in 32-bit words.
func (v *Vocabulary) Words() int { return (v.n + 31) / 32 }

func (v *Vocabulary) known(id int32) error {
	if id < 0 || int(id) >= v.n || len(v.piece(id)) == 0 {
		return fmt.Errorf("grammar: token %d cannot be part of an answer", id)
	}
	return nil
}
