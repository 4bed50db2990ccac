package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"golang.org/x/text/unicode/norm"
)

// awkward is what the pre-tokenizer's pattern and normalisation are about.
var awkward = []string{
	" ", " ", "  ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\v",
	"'", "'s", "'T", "'re", "'VE", "'lL", "'\u017f", "\u017f", "'l", "'x", "\u2019s",
	"a", "B", "word", "\u00e9", "e\u0301", "\u0301", "\u0323", "\u4f60", "\u597d", "\u3042", "\ud55c", "\u1112\u1161\u11ab", "\u0627", "\u0915\u093f", "\U00020000",
	"1", "23", "\u0663", "\u00bd", "\u2167", "\U0001d7d8",
	".", "!", "--", "(", "{", "_", "$", "\u20ac", "\u3002", "\U0001f600", "\U0001f468\u200d\U0001f469", "\x00", "\x7f", "\ufffd", "\u212b", "\ufb01", "\U0001d15e",
}

func awkwardText(rng *rand.Rand, pieces int) string {
	var b strings.Builder
	for range rng.IntN(pieces) {
		b.WriteString(awkward[rng.IntN(len(awkward))])
	}
	return b.String()
}

func wordsOf(t *testing.T, p splitter, s string) []string {
	t.Helper()
	var words []string
	if err := p.words(s, func(w string) error { words = append(words, w); return nil }); err != nil {
		t.Fatal(err)
	}
	return words
}

// TestScannerIsThePattern compares the scanner with the regular expression it stands for.
func TestScannerIsThePattern(t *testing.T) {
	pattern := splitter{pattern: regexp2.MustCompile(qwenPattern)}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 30_000 {
		s := awkwardText(rng, 14)
		got, want := wordsOf(t, splitter{}, s), wordsOf(t, pattern, s)
		if !slices.Equal(got, want) {
			t.Fatalf("%q is cut into\n%q, the pattern cuts\n%q", s, got, want)
		}
	}
}

// TestClassesOfAllCharacters walks over every character beside its neighbours in the
// pattern: this is where a wrong table would show.
func TestClassesOfAllCharacters(t *testing.T) {
	pattern := splitter{pattern: regexp2.MustCompile(qwenPattern)}
	var b strings.Builder
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		b.WriteString("a1.")
		b.WriteRune(r)
		b.WriteString("b ")
		if b.Len() > 1<<16 || r == utf8.MaxRune {
			s := b.String()
			if got, want := wordsOf(t, splitter{}, s), wordsOf(t, pattern, s); !slices.Equal(got, want) {
				i := 0
				for got[i] == want[i] {
					i++
				}
				t.Fatalf("just below U+%04X: cut %q, the pattern cuts %q", r, got[i:i+2], want[i:i+2])
			}
			b.Reset()
		}
	}
}

// mergeSlowly is merging as it is defined: the pair of lowest rank, the leftmost of equal
// ones, until there is none.
func mergeSlowly(t *pairTable, ids []int32) []int32 {
	for {
		best, at := noPair, -1
		for i := 1; i < len(ids); i++ {
			if p := t.get(ids[i-1], ids[i]); p.rank < best.rank {
				best, at = p, i
			}
		}
		if at < 0 {
			return ids
		}
		ids = slices.Delete(ids, at, at+1)
		ids[at-1] = best.id
	}
}

func TestMergeOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		// Random rules over few ids: many ways to merge, and the order decides.
		table := newPairTable(60)
		for rank := range int32(60) {
			table.put(rng.Int32N(12), rng.Int32N(12), pair{rank: rank, id: rng.Int32N(12)})
		}
		word := make([]int32, 1+rng.IntN(120))
		for i := range word {
			word[i] = rng.Int32N(12)
		}
		want := mergeSlowly(&table, slices.Clone(word))
		short, long := merger{ids: slices.Clone(word)}, merger{ids: slices.Clone(word)}
		short.mergeShort(&table)
		long.mergeLong(&table)
		if !slices.Equal(short.ids, want) || !slices.Equal(long.ids, want) {
			t.Fatalf("%d merges to %d (short) and %d (long), want %d", word, short.ids, long.ids, want)
		}
	}
}

func TestComposePlain(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		s := awkwardText(rng, 12)
		if got, want := composePlain(s), norm.NFC.String(s); got != want {
			t.Fatalf("composePlain(%+q) = %+q, want %+q", s, got, want)
		}
	}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) {
			if s := string(r); composePlain(s) != norm.NFC.String(s) {
				t.Fatalf("composePlain(U+%04X) = %+q, want %+q", r, composePlain(s), norm.NFC.String(s))
			}
		}
	}
}

// TestManyMarks: what Unicode defines for a run of marks without a limit.
func TestManyMarks(t *testing.T) {
	acute, dot := "\u0301", "\u0323" // classes 230 and 220
	for _, c := range []struct{ in, want string }{
		{"a" + strings.Repeat(acute, 40), "\u00e1" + strings.Repeat(acute, 39)},
		{"a" + strings.Repeat(acute, 35) + dot, "\u1ea1" + strings.Repeat(acute, 35)},
		{"x" + strings.Repeat(acute+dot, 20), "x" + strings.Repeat(dot, 20) + strings.Repeat(acute, 20)},
		{strings.Repeat(acute, 33) + "e" + acute, strings.Repeat(acute, 33) + "\u00e9"},
	} {
		if got := nfc(c.in); got != c.want {
			t.Errorf("nfc(%+q) = %+q, want %+q", c.in, got, c.want)
		}
	}
}

// TestBrokenParts uses the examples of The Unicode Standard, tables 3-8 to 3-11.
func TestBrokenParts(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A", "????????A"},
		{"\xed\xa0\x80\xed\xbf\xbf\xed\xafA", "????????A"},
		{"\xf4\x91\x92\x93\xff\x41\x80\xbfB", "?????A??B"},
		{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA", "????A"},
		{"a\xf1\x80\x80\xe1\x80\xc2b\x80c\x80\xbfd", "a???b?c??d"},
	} {
		text, rest := appendValid(nil, c.raw)
		if want := strings.ReplaceAll(c.want, "?", replacement); string(text) != want || rest != "" {
			t.Errorf("%x becomes %q, rest %q; want %q", c.raw, text, rest, want)
		}
	}
	for _, raw := range []string{"\xe4", "\xe4\xbd", "\xf0\x9f\x98", "\xc3", "\xf4\x8f"} {
		if text, rest := appendValid(nil, "x"+raw); string(text) != "x" || rest != raw {
			t.Errorf("x%x becomes %q with the rest %x; want x with all held back", raw, text, rest)
		}
	}
}
