package tokenizer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// Tokens of the first Qwen generation that no file lists; their ids follow the ranks (QWenTokenizer of Qwen-7B: 151643
// ranks, then <|endoftext|>, <|im_start|>, <|im_end|> and <|extra_0|> to <|extra_204|>).
var tiktokenSpecial = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

const tiktokenExtras = 205

// longestTiktoken bounds a token's bytes: finding its two parts takes quadratic time. The longest of Qwen has 128.
const longestTiktoken = 1024

// FromTiktoken reads qwen.tiktoken, the vocabulary of the first Qwen models: lines of a token's bytes in base64 and its
// rank, which is its id. The control tokens are those of Qwen's own tokenizer; normalisation and words are Qwen's.
//
// The file has no merges. Two neighbours merge when the bytes of both together are a token, lowest rank first; so each
// token has one last merge, that of the two parts which the lower ranks make of its bytes, and those are the rules.
func FromTiktoken(data []byte) (*Tokenizer, error) {
	t, err := readTiktoken(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: qwen.tiktoken: %w", err)
	}
	return t, nil
}

func readTiktoken(data []byte) (*Tokenizer, error) {
	pieces, err := parseTiktoken(data)
	if err != nil {
		return nil, err
	}
	v := vocabulary{
		pattern: qwenPattern, normalize: true,
		wholeWords: true, // a word that is a token is never cut, as in tiktoken
		entries:    make([]entry, len(pieces)),
	}
	for id, piece := range pieces {
		v.entries[id] = entry{string(appendAlphabet(nil, piece)), int32(id)}
	}
	if v.merges, err = tiktokenMerges(pieces); err != nil {
		return nil, err
	}
	next := int32(len(pieces))
	add := func(content string) {
		v.added = append(v.added, AddedToken{ID: next, Content: content, Special: true})
		next++
	}
	for _, content := range tiktokenSpecial {
		add(content)
	}
	for i := range tiktokenExtras {
		add(fmt.Sprintf("<|extra_%d|>", i))
	}
	end := int32(len(pieces)) // <|endoftext|>, which Qwen pads with as well
	v.special = map[string]int32{"eos": end, "pad": end}
	return v.build()
}

// parseTiktoken returns the bytes of each rank. Ranks count up from 0, one a line.
func parseTiktoken(data []byte) ([]string, error) {
	pieces := make([]string, 0, bytes.Count(data, []byte{'\n'})+1)
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		text, rank, ok := bytes.Cut(line, []byte{' '})
		if !ok {
			return nil, fmt.Errorf("line %d is not a token in base64 and its rank", number)
		}
		piece, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return nil, fmt.Errorf("line %d: the token is not base64: %w", number, err)
		}
		if n, err := strconv.Atoi(string(rank)); err != nil || n != len(pieces) {
			return nil, fmt.Errorf("line %d has rank %q; ranks count up from 0, this one should be %d", number, rank, len(pieces))
		}
		if len(piece) == 0 || len(piece) > longestTiktoken {
			return nil, fmt.Errorf("line %d: the token has %d bytes; 1 to %d are read", number, len(piece), longestTiktoken)
		}
		pieces = append(pieces, string(piece))
	}
	if len(pieces) == 0 {
		return nil, errors.New("it holds no tokens")
	}
	return pieces, nil
}

// tiktokenMerges finds the last merge of each token. A token whose bytes the lower ranks leave in more than two parts
// comes out of no merge; it is only ever a whole word.
func tiktokenMerges(pieces []string) ([][2]string, error) {
	ranks := make(map[string]int, len(pieces))
	for rank, piece := range pieces {
		if _, twice := ranks[piece]; twice {
			return nil, fmt.Errorf("token %q is there twice", piece)
		}
		ranks[piece] = rank
	}
	merges := make([][2]string, 0, len(pieces))
	var cuts []int
	for rank, piece := range pieces {
		if len(piece) == 1 {
			continue
		}
		if cuts = splitBelow(ranks, piece, rank, cuts[:0]); len(cuts) != 1 {
			continue
		}
		merges = append(merges, [2]string{
			string(appendAlphabet(nil, piece[:cuts[0]])), string(appendAlphabet(nil, piece[cuts[0]:])),
		})
	}
	return merges, nil
}

// splitBelow merges the bytes of piece by the ranks below limit and returns where the parts that are left meet.
func splitBelow(ranks map[string]int, piece string, limit int, cuts []int) []int {
	for i := 1; i < len(piece); i++ {
		cuts = append(cuts, i)
	}
	for len(cuts) > 1 {
		best, at := limit, -1
		start := 0
		for i, cut := range cuts { // the pair that meets at cut
			end := len(piece)
			if i+1 < len(cuts) {
				end = cuts[i+1]
			}
			if rank, ok := ranks[piece[start:end]]; ok && rank < best {
				best, at = rank, i
			}
			start = cut
		}
		if at < 0 {
			break
		}
		cuts = append(cuts[:at], cuts[at+1:]...)
	}
	return cuts
}
