package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// testSchemas are the schemas of testdata/schemas.jsonl, one a line.
func testSchemas(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/schemas.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// validator is another implementation's verdict.
func validator(t testing.TB, schema string) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		t.Fatalf("%v in %s", err, schema)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatalf("%v in %s", err, schema)
	}
	return r
}

// pick chooses among the tokens of a mask as the arg max of independent random logits would.
func pick(mask []uint32, random *rand.Rand) int32 {
	n := 0
	for _, word := range mask {
		n += bits.OnesCount32(word)
	}
	if n == 0 {
		return -1
	}
	at := random.IntN(n)
	for i, word := range mask {
		if c := bits.OnesCount32(word); at >= c {
			at -= c
			continue
		}
		for ; ; at-- {
			b := bits.TrailingZeros32(word)
			if at == 0 {
				return int32(32*i + b)
			}
			word &^= 1 << b
		}
	}
	return -1
}

// generate draws an answer of at most budget tokens. It fails the test where the answer gets stuck.
func generateRandomly(t testing.TB, c *Compiled, random *rand.Rand, budget int) []byte {
	t.Helper()
	m := c.NewMatcher()
	var text []byte
	mask := make([]uint32, c.v.Words())
	for left := budget; ; left-- {
		clear(mask)
		if err := m.Mask(mask, left); err != nil {
			t.Fatalf("behind %q, %d tokens left: %v", text, left, err)
		}
		id := pick(mask, random)
		if id < 0 {
			t.Fatalf("behind %q, %d tokens left, no token is allowed", text, left)
		}
		if slices.Contains(c.v.eos, id) {
			return text
		}
		if left == 0 {
			t.Fatalf("behind %q, no token is left and %q is allowed", text, c.v.piece(id))
		}
		text = append(text, c.v.piece(id)...)
		if err := m.Accept(id); err != nil {
			t.Fatalf("behind %q: %v", text, err)
		}
	}
}

// checkAnswer holds an answer against the other implementation. Answers that fit more than one branch of oneOf, or repeat
// an item, are what Check is for: it must say the same. It reports whether the answer fits.
func checkAnswer(t testing.TB, g *Grammar, r *jsonschema.Resolved, schema string, text []byte) bool {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %q for %s", err, text, schema)
	}
	want, got := r.Validate(v), g.Check(text)
	if (want == nil) != (got == nil) {
		t.Fatalf("%q for %s: %v, and Check says %v", text, schema, want, got)
	}
	if want != nil && !strings.Contains(schema, "oneOf") && !strings.Contains(schema, "uniqueItems") {
		t.Fatalf("%q for %s: %v", text, schema, want)
	}
	return want == nil
}

// wordVocabulary has bytes and words that JSON is likely to have.
func wordVocabulary() *Vocabulary {
	v, _ := byteVocabulary(
		`{"`, `":`, `",`, `"}`, `, "`, `": "`, `": `, `[`, `]}`, `}}`, `null`, `true`, `false`, `name`, `"name"`, `id`, `kind`, `123`, `45`, `0.`, `.5`,
		`-1`, `"x`, `x-`, ` the`, `hello`, `日本`, `\n`, `\"`, `\\`, `\u00`, `"]`, `","`, `],[`, `], [`, `1,`, `2, `, `foo`, `bar`, `value`, `children`, `":[`, `{}`, `[]`, `2026-`, `-01`,
	)
	return v
}

// runs is how many answers a test draws: QWENVK_GRAMMAR_RUNS, or a slice of the 10,000 that docs/results has.
func runs(t testing.TB, usual int) int {
	if n, err := strconv.Atoi(os.Getenv("QWENVK_GRAMMAR_RUNS")); err == nil {
		return n
	}
	if testing.Short() {
		return usual / 5
	}
	return usual
}

// TestGenerate draws answers at random for all schemas: all fit, none gets stuck.
func TestGenerate(t *testing.T) {
	t.Run("small vocabulary", func(t *testing.T) { testGenerate(t, wordVocabulary(), runs(t, 1000)) })
	t.Run("Qwen3", func(t *testing.T) { testGenerate(t, realTokens(t), runs(t, 100)) })
}

func testGenerate(t *testing.T, v *Vocabulary, n int) {
	schemas := testSchemas(t)
	misfits := 0
	for i, schema := range schemas {
		g, err := ParseSchema([]byte(schema))
		if err != nil {
			t.Fatalf("%v in %s", err, schema)
		}
		r, c := validator(t, schema), Compile(g, v)
		random := rand.New(rand.NewPCG(3, uint64(i)))
		for range (n + len(schemas) - 1) / len(schemas) {
			if !checkAnswer(t, g, r, schema, generateRandomly(t, c, random, 256)) {
				misfits++
			}
		}
		// As short as can be, and shorter.
		least := c.NewMatcher().Shortest()
		text := generateRandomly(t, c, random, least)
		checkAnswer(t, g, r, schema, text)
		if err := c.NewMatcher().Mask(make([]uint32, v.Words()), least-1); least > 0 && !errors.Is(err, ErrBudget) {
			t.Errorf("%d tokens for %q: %v, want ErrBudget", least-1, text, err)
		}
	}
	t.Logf("%d answers or more, %d of them refused by Check", n, misfits)
}

// TestTightBudgets draws answers with little more than the shortest takes.
func TestTightBudgets(t *testing.T) {
	v := wordVocabulary()
	for i, schema := range testSchemas(t) {
		g, err := ParseSchema([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		r, c := validator(t, schema), Compile(g, v)
		random := rand.New(rand.NewPCG(4, uint64(i)))
		least := c.NewMatcher().Shortest()
		for more := range 6 {
			checkAnswer(t, g, r, schema, generateRandomly(t, c, random, least+more))
		}
	}
}

// TestForced: with what the shortest completion takes and no more, every mask has one bit.
func TestForced(t *testing.T) {
	c := compileSchema(t, `{"type":"object","properties":{"name":{"type":"string"},"list":{"type":"array","items":{"type":"integer"},"minItems":2}},"required":["name","list"]}`)
	m := c.NewMatcher()
	for left := m.Shortest(); left > 0; left-- {
		mask := make([]uint32, c.v.Words())
		if err := m.Mask(mask, left); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, word := range mask {
			n += bits.OnesCount32(word)
		}
		if n != 1 {
			t.Fatalf("%d tokens are allowed with %d left", n, left)
		}
		if err := m.Accept(firstAllowed(mask)); err != nil {
			t.Fatal(err)
		}
	}
	if !m.Done() {
		t.Error("the answer is not complete")
	}
}

// TestForgetting: masks are the same when the cache is emptied all the time, and when frames that are no longer in use are
// forgotten; matchers of one Compiled do not disturb each other.
func TestForgetting(t *testing.T) {
	for _, schema := range testSchemas(t) {
		kept, emptied := compileSchema(t, schema), compileSchema(t, schema)
		emptied.limit = 1
		m, n := kept.NewMatcher(), emptied.NewMatcher()
		random := rand.New(rand.NewPCG(5, 5))
		for left := 80; ; left-- {
			want, got := make([]uint32, kept.v.Words()), make([]uint32, kept.v.Words())
			if err := errors.Join(m.Mask(want, left), n.Mask(got, left)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: the masks differ with %d tokens left", schema, left)
			}
			id := pick(want, random)
			if slices.Contains(kept.v.eos, id) {
				break
			}
			if err := errors.Join(m.Accept(id), n.Accept(id)); err != nil {
				t.Fatal(err)
			}
			n.tidy()
			if used := len(n.w.a.frames); used > 4*80 {
				t.Fatalf("%d frames are kept", used)
			}
		}
		if held := emptied.cache.bytes; held > 1<<20 {
			t.Errorf("%s: the emptied cache holds %d bytes", schema, held)
		}
	}
}

func TestConcurrentMatchers(t *testing.T) {
	c := compileSchema(t, `{"type":"array","items":{"oneOf":[{"type":"integer"},{"type":"string"}]},"uniqueItems":true}`)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(6, uint64(i)))
			for range 20 {
				text := generateRandomly(t, c, random, 40)
				_ = c.g.Check(text) // whether it fits is not the question
			}
		})
	}
	group.Wait()
}

func compileSchema(t testing.TB, schema string) *Compiled {
	t.Helper()
	g, err := ParseSchema([]byte(schema))
	if err != nil {
		t.Fatalf("%v in %s", err, schema)
	}
	return Compile(g, wordVocabulary())
}

// TestSchemaAnswers says of single texts whether they fit.
func TestSchemaAnswers(t *testing.T) {
	for _, test := range []struct {
		schema  string
		yes, no []string
	}{
		{`{"type":"integer"}`, []string{"0", "-5", "123456789012345678"}, []string{"01", "1.0", "+1", "1234567890123456789", "", "1 "}},
		{`{"type":"integer","minimum":-17,"maximum":123}`, []string{"-17", "-9", "0", "99", "123"}, []string{"-18", "124", "1000", "-0", "-20", "007"}},
		{`{"type":"integer","minimum":95}`, []string{"95", "99", "100", "12345"}, []string{"94", "9", "0", "-95"}},
		{`{"type":"integer","multipleOf":7,"minimum":10}`, []string{"14", "21", "700", "7000007"}, []string{"7", "15", "70001"}},
		{`{"type":"number","minimum":0.5,"maximum":0.75}`, []string{"0.5", "0.62", "0.75", "0.7499"}, []string{"0.49", "0.76", "1", "0"}},
		{`{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1}`, []string{"0.1", "0.9999"}, []string{"0", "0.0", "1", "1.0"}},
		{`{"type":"number","minimum":0.0000001,"maximum":0.0000002}`, []string{"0.0000001", "0.0000002"}, []string{"0", "0.1"}},
		{`{"type":"number","multipleOf":0.01}`, []string{"0.01", "12.5", "3", "-0.07"}, []string{"0.001", "1.234"}},
		{`{"type":"string"}`, []string{`""`, `"é日"`, `"\n\u0001\\"`}, []string{`"`, "\"\n\"", `"\x"`, `"\u12"`}},
		{`{"type":"string","minLength":2,"maxLength":3}`, []string{`"ab"`, `"日本語"`, `"\n\n"`}, []string{`"a"`, `"abcd"`, `""`}},
		{`{"pattern":"^a+$","type":"string"}`, []string{`"a"`, `"aaa"`}, []string{`""`, `"b"`, `"ab"`}},
		{`{"pattern":"b","type":"string"}`, []string{`"b"`, `"abc"`}, []string{`""`, `"ac"`}},
		{`{"pattern":"^\\w+@\\w+\\.(com|org)$","type":"string","maxLength":9}`, []string{`"a@b.com"`, `"ab@c.org"`}, []string{`"a@b.net"`, `"abcd@ef.com"`}},
		{`{"type":"string","format":"date"}`, []string{`"2024-02-28"`, `"1999-12-31"`}, []string{`"2024-13-01"`, `"2024-04-31"`, `"2024-2-1"`}},
		{`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},"required":["b"]}`, []string{`{"b":null}`, `{"a":1,"b":null}`, `{"a": 1, "b": null}`}, []string{`{}`, `{"a":1}`, `{"b":null,"a":1}`, `{"b":null,}`, `{"b":null,"c":1}`, `{ "b":null}`}},
		{`{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"boolean"}}`, []string{`{}`, `{"a":1,"x":true}`, `{"ab":true,"c":false}`, `{"":true}`}, []string{`{"a":true}`, `{"x":1}`, `{"x":true,"a":1}`}},
		{`{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":{"type":"null"}}`, []string{`[]`, `[1]`, `[1,"a"]`, `[1,"a",null,null]`}, []string{`["a"]`, `[1,null]`, `[1,"a",2]`}},
		{`{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3}`, []string{`[1,2]`, `[1, 2, 3]`}, []string{`[]`, `[1]`, `[1,2,3,4]`}},
		{`{"$ref":"#/$defs/t","$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"}}}}`, []string{`[]`, `[[],[[]]]`}, []string{`[1]`, `[`}},
		{`{"$ref":"#t","$defs":{"x":{"$anchor":"t","const":1}}}`, []string{"1"}, []string{"2"}},
		{`{"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]},{"maximum":2}]}`, []string{"2"}, []string{"1", "3"}},
		{`{"enum":["a","b"],"type":"string","minLength":1}`, []string{`"a"`}, []string{`"c"`}},
		{`{"type":"object","patternProperties":{"^x":{"type":"integer"}},"additionalProperties":false}`, []string{`{}`, `{"x":1,"xy":2}`}, []string{`{"y":1}`, `{"x":null}`}},
		{`{"properties":{"a":false,"b":true},"type":"object"}`, []string{`{}`, `{"b":{"c":[1.5,null]}}`}, []string{`{"a":1}`}},
	} {
		c := compileSchema(t, test.schema)
		for _, text := range test.yes {
			if !accepts(c.NewMatcher(), text) {
				t.Errorf("%s refuses %s", test.schema, text)
			}
			if err := c.g.Check([]byte(text)); err != nil {
				t.Errorf("%s: %v", test.schema, err)
			}
		}
		for _, text := range test.no {
			if accepts(c.NewMatcher(), text) {
				t.Errorf("%s accepts %s", test.schema, text)
			}
		}
	}
}

func TestSchemaErrors(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 200) + "true" + strings.Repeat("}", 200)
	double := &bytes.Buffer{} // each definition refers to two of the next
	fmt.Fprint(double, `{"$ref":"#/$defs/0","$defs":{`)
	for i := range 40 {
		fmt.Fprintf(double, `"%d":{"allOf":[{"anyOf":[{"$ref":"#/$defs/%d"},{"type":"null"}]},{"anyOf":[{"$ref":"#/$defs/%d"},{"type":"integer"}]}]},`, i, i+1, i+1)
	}
	fmt.Fprint(double, `"40":{}}}`)
	for _, test := range []struct{ schema, want string }{
		{``, "the schema is no JSON"},
		{`{"type":"integer"} x`, "the schema is no JSON"},
		{`7`, "at the top: a schema is an object, true or false, not a number"},
		{`false`, "at the top: no answer fits: the schema is false"},
		{`{"enum":[]}`, "at /enum: enum is an array of at least one value"},
		{`{"type":"text"}`, `at /type: "text" is no type`},
		{`{"properties":{"a/b":{"type":[]}}}`, "at /properties/a~1b/type: the list of types is empty"},
		{`{"type":"integer","minimum":5,"maximum":4}`, "at the top: no answer fits: no number lies between the minimum and the maximum"},
		{`{"type":"integer","exclusiveMinimum":4,"exclusiveMaximum":5}`, "at the top: no answer fits: no number within the bounds"},
		{`{"type":"string","minLength":5,"maxLength":4}`, "at the top: no answer fits: at least 5 characters and at most 4 are asked for"},
		{`{"type":"string","pattern":"^abc$","maxLength":2}`, "no text matches the pattern and has the right length"},
		{`{"type":"array","minItems":3,"maxItems":1}`, "at least 3 items and at most 1 are asked for"},
		{`{"type":"object","required":["a"],"properties":{"a":false}}`, `the property "a" is required and forbidden`},
		{`{"type":"object","required":["a"],"additionalProperties":false}`, `the property "a" is required and forbidden`},
		{`{"type":"object","required":["a","b"],"maxProperties":1}`, "2 properties are required and at most 1 allowed"},
		{`{"type":"object","properties":{"x":{"enum":["a"],"type":"integer"}},"required":["x"]}`, "at /properties/x: no answer fits: none of the values of enum or const fits the rest"},
		{`{"allOf":[{"type":"string"},{"type":"integer"}]}`, "at the top: no answer fits: the types exclude each other"},
		{`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "every value would need another within it, for ever"},
		{`{"$ref":"#/$defs/x"}`, `at /$ref: the reference "#/$defs/x" leads nowhere`},
		{`{"$ref":"http://example.org/s"}`, "leads out of the schema"},
		{`{"$ref":"#"}`, `at /$ref: the reference "#" leads to itself`},
		{`{"not":{}}`, `at /not: the keyword "not" is not supported`},
		{`{"properties":{"a":{"if":{}}}}`, `at /properties/a/if: the keyword "if" is not supported`},
		{`{"type":"string","pattern":"(?=a)"}`, "column 1: lookahead is not supported"},
		{`{"type":"string","pattern":"\\bfoo"}`, `word borders (\b) are not supported`},
		{`{"type":"string","pattern":"(a)\\1"}`, `references to groups (\1) are not supported`},
		{`{"type":"string","pattern":"a("}`, `a "(" is not closed`},
		{`{"type":"string","pattern":"((a{1000}){1000}){1000}"}`, "the pattern is too large"},
		{`{"minLength":-1}`, "at /minLength: it is a whole number from 0 on"},
		{`{"minLength":1e99}`, "at /minLength: 1e99 is too large"},
		{`{"minimum":"a"}`, "at /minimum: minimum is a number"},
		{`{"multipleOf":0}`, "at /multipleOf: multipleOf is above 0"},
		{`{"type":"integer","multipleOf":1234567891234}`, "multipleOf is too large"},
		{`{"required":"a"}`, "at /required: it is an array of strings"},
		{`{"items":[{}]}`, "a list of schemas is called prefixItems"},
		{`{"anyOf":[]}`, "at /anyOf: it is an array of at least one schema"},
		{deep, "deep in itself"},
		{double.String(), "combinations of schemas"},
	} {
		_, err := ParseSchema([]byte(test.schema))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80s: %v, want %s", test.schema, err, test.want)
		}
	}
}

func TestSchemaNotes(t *testing.T) {
	g, err := ParseSchema([]byte(`{"type":"object","title":"t","properties":{"a":{"type":"string","format":"email"},"b":{"colour":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`the format "email" at /properties/a/format is not kept`, `the keyword "colour" at /properties/b is unknown and has no effect`}
	slices.Sort(g.Notes)
	if !slices.Equal(g.Notes, want) {
		t.Errorf("%q, want %q", g.Notes, want)
	}
}

// TestCheck: what the automaton can't see is found afterwards.
func TestCheck(t *testing.T) {
	for _, test := range []struct{ schema, text, want string }{
		{`{"oneOf":[{"type":"integer","multipleOf":3},{"type":"integer","multipleOf":5}]}`, "15", "2 branches of oneOf fit"},
		{`{"oneOf":[{"type":"integer","multipleOf":3},{"type":"integer","multipleOf":5}]}`, "9", ""},
		{`{"type":"array","items":{"type":"integer"},"uniqueItems":true}`, "[1,2,1]", "the items 0 and 2 of an array are the same"},
		{`{"type":"array","items":{"type":"integer"},"uniqueItems":true}`, "[1,2,3]", ""},
	} {
		g, err := ParseSchema([]byte(test.schema))
		if err != nil {
			t.Fatal(err)
		}
		err = g.Check([]byte(test.text))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s for %s: %v, want %q", test.text, test.schema, err, test.want)
		}
	}
}

func FuzzParseSchema(f *testing.F) {
	for _, s := range testSchemas(f) {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"type":"string","pattern":"((a{100}){100})*","maxLength":1000000000}`))
	f.Add([]byte(`{"type":"integer","multipleOf":9973,"maximum":1e90}`))
	v := wordVocabulary()
	f.Fuzz(func(t *testing.T, schema []byte) {
		g, err := ParseSchema(schema)
		if err != nil {
			return
		}
		c := Compile(g, v)
		least := c.NewMatcher().Shortest()
		if least > 2000 {
			return
		}
		text := generateRandomly(t, c, rand.New(rand.NewPCG(1, 1)), least+20)
		if !json.Valid(text) {
			t.Errorf("%q for %s", text, schema)
		}
	})
}
