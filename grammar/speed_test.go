package grammar

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/tokenizer"
)

var realTokenizer = sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
	return tokenizer.FromTokenizerJSON(realFiles[0], realFiles[1])
})

// answers are JSON as models write it, with schemas that they fit.
var answers = []struct{ schema, text string }{
	{
		`{"type":"object","properties":{"tool":{"enum":["search","open","calculate"]},"arguments":{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer","minimum":1,"maximum":100},"language":{"type":"string","pattern":"^[a-z]{2}$"}},"required":["query"],"additionalProperties":false}},"required":["tool","arguments"]}`,
		`{"tool": "search", "arguments": {"query": "average rainfall in Kyoto in November, measured over the last thirty years", "limit": 25, "language": "en"}}`,
	},
	{
		`{"type":"object","properties":{"title":{"type":"string"},"authors":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"born":{"type":"string","format":"date"}},"required":["name"]}},"year":{"type":"integer","minimum":1450,"maximum":2100},"price":{"type":"number","minimum":0},"tags":{"type":"array","items":{"type":"string","maxLength":40}},"summary":{"type":"string","maxLength":1000}},"required":["title","authors","year"]}`,
		`{"title": "The Art of Computer Programming, Volume 4B", "authors": [{"name": "Donald E. Knuth", "born": "1938-01-10"}], "year": 2022, "price": 74.99, "tags": ["algorithms", "combinatorics", "backtracking", "dancing links"], "summary": "The long-awaited second part of the fourth volume covers backtrack programming, dancing links and satisfiability.\nIt begins with 27 pages of \"mathematical preliminaries redux\", and has more than 650 exercises with answers."}`,
	},
	{
		`{"type":"array","items":{"type":"object","properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time"},"level":{"enum":["debug","info","warning","error"]},"message":{"type":"string"},"data":{}},"required":["id","at","level","message"]}}`,
		`[{"id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "at": "2026-11-25T18:26:02Z", "level": "warning", "message": "Der Speicher ist fast voll: 93,5 % belegt", "data": {"free": 1234567, "disks": ["sda", "sdb"], "ok": false}},{"id": "7d444840-9dc0-11d1-b245-5ffdce74fad2", "at": "2026-11-25T18:27:41.250+01:00", "level": "error", "message": "磁盘已满，无法写入 🙁", "data": null}]`,
	},
	{
		`{"$defs":{"node":{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["name"]}},"$ref":"#/$defs/node"}`,
		`{"name": "animals", "children": [{"name": "mammals", "children": [{"name": "dogs", "children": [{"name": "dachshund"}, {"name": "poodle"}]}, {"name": "cats"}]}, {"name": "birds", "children": [{"name": "owls"}, {"name": "kingfishers", "children": []}]}]}`,
	},
	{
		`true`,
		`{"model": "Qwen3-0.6B", "layers": 28, "rope": {"theta": 1000000, "scaling": null}, "tied": true, "shape": [151936, 1024], "notes": ["grouped-query attention: 16 query heads, 8 key-value heads", "thinking \u0001and non-thinking modes"]}`,
	},
}

// TestMaskSpeed measures masks and accepted tokens along realistic answers, with Qwen's vocabulary: the first time each
// state is seen, and behind that. docs/results has the figures.
func TestMaskSpeed(t *testing.T) {
	v := realTokens(t)
	tok, err := realTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	var cold, warm, accept []time.Duration
	bytes, tokens := 0, 0
	for _, a := range answers {
		if !json.Valid([]byte(a.text)) {
			t.Fatalf("%s is no JSON", a.text)
		}
		g, err := ParseSchema([]byte(a.schema))
		if err != nil {
			t.Fatal(err)
		}
		ids, err := tok.Encode(a.text, tokenizer.EncodeOptions{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		tokens += len(ids)
		c := Compile(g, v)
		mask := make([]uint32, v.Words())
		for round := range 11 {
			m := c.NewMatcher()
			for i, id := range ids {
				clear(mask)
				begin := time.Now()
				if err := m.Mask(mask, 2000-i); err != nil {
					t.Fatal(err)
				}
				masked := time.Since(begin)
				if mask[id>>5]>>(id&31)&1 == 0 {
					t.Fatalf("behind %q: %q is not allowed", text(tok, ids[:i]), v.piece(id))
				}
				begin = time.Now()
				if err := m.Accept(id); err != nil {
					t.Fatal(err)
				}
				if round == 0 {
					cold = append(cold, masked)
					continue
				}
				warm, accept = append(warm, masked), append(accept, time.Since(begin))
			}
			if !m.Done() {
				t.Fatalf("the answer is not complete: %s", a.text)
			}
		}
		bytes += c.cache.bytes
	}
	t.Logf("%d tokens; the first time %s; then masks %s, accepted tokens %s; %d KiB of caches for %d schemas",
		tokens, quantiles(cold), quantiles(warm), quantiles(accept), bytes>>10, len(answers))
	slices.Sort(warm)
	if median := warm[len(warm)/2]; median > 100*time.Microsecond {
		t.Errorf("a mask takes %v in the median, want at most 100 µs", median)
	}
}

func text(tok *tokenizer.Tokenizer, ids []int32) string {
	s, _ := tok.Decode(ids, tokenizer.DecodeOptions{})
	return s
}

func quantiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(q float64) string { return d[int(q*float64(len(d)-1))].Round(100 * time.Nanosecond).String() }
	return strings.Join([]string{"median", at(0.5), "99 %", at(0.99), "longest", at(1)}, " ")
}

func BenchmarkMask(b *testing.B) {
	v := realTokens(b)
	g, err := ParseSchema([]byte(`true`))
	if err != nil {
		b.Fatal(err)
	}
	m := Compile(g, v).NewMatcher()
	if err := m.Accept(int32(slices.Index(singles(v), `"`))); err != nil {
		b.Fatal(err)
	}
	mask := make([]uint32, v.Words())
	for b.Loop() {
		clear(mask)
		if err := m.Mask(mask, 100); err != nil {
			b.Fatal(err)
		}
	}
}

// singles are the tokens' texts.
func singles(v *Vocabulary) []string {
	out := make([]string, v.n)
	for id := range out {
		out[id] = string(v.piece(int32(id)))
	}
	return out
}

func BenchmarkVocabulary(b *testing.B) {
	v := realTokens(b)
	for b.Loop() {
		NewVocabulary(func(id int32) []byte { return v.piece(id) }, v.n, v.eos)
	}
}
