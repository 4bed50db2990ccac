package grammar

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// byteVocabulary has a token for each byte, some of several bytes, and an end token, the last.
func byteVocabulary(words ...string) (*Vocabulary, int32) {
	var pieces []string
	for b := range 256 {
		pieces = append(pieces, string([]byte{byte(b)}))
	}
	pieces = append(pieces, words...)
	eos := int32(len(pieces))
	return NewVocabulary(func(id int32) []byte {
		if id >= eos {
			return nil
		}
		return []byte(pieces[id])
	}, len(pieces)+1, []int32{eos}), eos
}

// parseRules parses and keeps the expressions for the oracle.
func parseRules(t testing.TB, text string) (*Grammar, []rule, int) {
	t.Helper()
	p := &parser{text: text, names: map[string]int{}}
	if err := p.parse(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	g, err := Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return g, p.rules, p.names["root"]
}

// accepts follows a text byte by byte.
func accepts(m *Matcher, text string) bool {
	for i := range len(text) {
		if !m.step(text[i]) {
			return false
		}
	}
	return m.Done()
}

var grammars = []struct {
	name, text string
	yes, no    []string
}{
	{"literal", `root ::= "yes" | "no"`, []string{"yes", "no"}, []string{"", "y", "yesno", "nop", "YES"}},
	{"empty", `root ::= ""`, []string{""}, []string{"a"}},
	{"class", `root ::= [a-c0-2_-]+`, []string{"a", "c0_-", "210"}, []string{"", "d", "a3"}},
	{"negated class", "root ::= [^\\\"\\\\\\n]*", []string{"", "abc", "äöü", "日本語", "🙂"}, []string{"\"", "a\\", "a\nb", "\xff", "\xc3", "日\xe6"}},
	{"dot", `root ::= . .`, []string{"ab", "日本", "🙂\n"}, []string{"a", "abc", "\xe6\x97"}},
	{"escapes", `root ::= "\x41\u00e9\U0001F642\t\r\n\"\\"`, []string{"Aé🙂\t\r\n\"\\"}, []string{"A"}},
	{"unicode range", `root ::= [а-яё]+ | [\u4e00-\u9fff]{2} | [\U00010000-\U0010ffff]`, []string{"привет", "ёж", "中文", "🙂"}, []string{"Привет", "中", "中文字", "z", "中\xe6"}},
	{"range across lengths", `root ::= [\x7e-\u0801]`, []string{"~", "\x7f", "\u0080", "ÿ", "\u07ff", "\u0800", "\u0801"}, []string{"}", "\u0802", "\uffff", "\x80"}},
	{"groups", `root ::= ("a" | "b" ("c" | "d")?)* "e"`, []string{"e", "abe", "bcbde"}, []string{"", "ce", "bb"}},
	{"counts", `root ::= "a"{2} "b"{1,3} "c"{2,} "d"{,2} "e"{0}`, []string{"aabcc", "aabbbccccdd"}, []string{"abcc", "aabbbbcc", "aabc", "aabccddd", "aabcce"}},
	{"counted group", `root ::= ("ab" | "a"){2,3} "!"`, []string{"aa!", "aba!", "ababab!", "aaab!"}, []string{"a!", "aaaa!", "abab"}},
	{"large count", `root ::= [a-z]{0,1000000} "."`, []string{".", "abc."}, []string{"abc", "A."}},
	{"nullable bodies", `root ::= ("a"*)* ("b"?){2,4} ("c"*)+ "d"`, []string{"d", "aaabbcd", "bbbbd"}, []string{"bbbbbd", "ba"}},
	{"nullable counted", `root ::= ("x"* "y"?){3} "z"`, []string{"z", "xyz", "xyyxxyz", "xxxxxz"}, []string{"yyyyz", "xyxyxyyz"}},
	{"recursion", "root ::= value\nvalue ::= \"[\" (value (\",\" value)*)? \"]\" | num # a number\nnum ::= [0-9]+", []string{"[]", "[1,[2,[]],34]", "7"}, []string{"[", "[,]", "[1,]", "]"}},
	{"right recursion", "root ::= \"a\" root | \"b\"", []string{"b", "aaab"}, []string{"", "a", "ba"}},
	{"palindromes", `root ::= "a" root "a" | "b" root "b" | "c"`, []string{"c", "abcba", "aacaa"}, []string{"abc", "abcab"}},
	{"ambiguous", "root ::= s\ns ::= \"a\" s? \"b\"? | \"ab\" s", []string{"a", "ab", "aabb", "aaa", "aba"}, []string{"", "b", "ba", "abb"}},
	{"lines", "root ::= \"a\"\n  | \"b\" # one\n  | \"c\"\n\nother ::= \"d\"", []string{"a", "b", "c"}, []string{"d"}},
	{"ends within ends", "root ::= x \"!\"\nx ::= y \"a\"?\ny ::= \"b\" \"c\"?", []string{"b!", "bc!", "ba!", "bca!"}, []string{"!", "b", "ca!"}},
	{"count and long tokens", `root ::= [a-c]{0,9} "."`, []string{".", "abcabcabc."}, []string{"abcabcabca."}},
	{"counts and long tokens", `root ::= ("ab" | [a-c]){20,25} "!"`, []string{"aaaaaaaaaaaaaaaaaaaa!"}, []string{"aaaaa!"}},
	{"dead end beside a way out", "root ::= \"x\" loop | \"y\"\nloop ::= \"z\" loop", []string{"y"}, []string{"x", "xz"}},
}

func TestParse(t *testing.T) {
	for _, test := range grammars {
		t.Run(test.name, func(t *testing.T) {
			g, rules, root := parseRules(t, test.text)
			v, _ := byteVocabulary()
			c := Compile(g, v)
			for _, text := range test.yes {
				if !accepts(c.NewMatcher(), text) {
					t.Errorf("%q is refused", text)
				}
				if !fits(rules, root, text, false) {
					t.Errorf("the oracle refuses %q", text)
				}
			}
			for _, text := range test.no {
				if accepts(c.NewMatcher(), text) {
					t.Errorf("%q is accepted", text)
				}
				if fits(rules, root, text, false) {
					t.Errorf("the oracle accepts %q", text)
				}
			}
		})
	}
}

// TestMasks compares each bit of the masks along random answers with the oracle.
func TestMasks(t *testing.T) {
	words := []string{"ab", "abc", "aa", "ba", "[1", "],", "]]", "[[", "yes", "no", "日本", "日", "本\"", "é", "bb", "bc", "cc", "xy", "yz", "xx", "aba", "cba", "1,", ".", "привет", "ya", "ccd", "aab", "\xa5\xe6", "b!", "bc!", "ca!", "+aa", "aaaa", "abcabc", "abcabcabcabc", "cc."}
	v, eos := byteVocabulary(words...)
	for _, test := range grammars {
		if test.name == "dead end beside a way out" { // the oracle can't tell one
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			g, rules, root := parseRules(t, test.text)
			c := Compile(g, v)
			random := rand.New(rand.NewPCG(1, 2))
			for range 4 {
				m, text := c.NewMatcher(), ""
				for range 8 {
					mask := make([]uint32, v.Words())
					if err := m.Mask(mask, 1<<30); err != nil {
						t.Fatal(err)
					}
					var allowed []int32
					for id := range int32(v.n) {
						got := mask[id/32]>>(id%32)&1 == 1
						want := id == eos && fits(rules, root, text, false) ||
							id != eos && fits(rules, root, text+string(v.piece(id)), true)
						if got != want {
							t.Fatalf("behind %q: token %q is allowed: %v, want %v", text, v.piece(id), got, want)
						}
						if got && id != eos {
							allowed = append(allowed, id)
						}
					}
					if len(allowed) == 0 {
						break
					}
					id := allowed[random.IntN(len(allowed))]
					if random.IntN(2) == 0 { // rather a long one
						id = allowed[len(allowed)-1-random.IntN(min(len(allowed), 6))]
					}
					if err := m.Accept(id); err != nil {
						t.Fatal(err)
					}
					text += string(v.piece(id))
				}
			}
		})
	}
}

// TestCounts compares the masks behind each number of iterations with the oracle: counts that a token cannot tell apart
// share them.
func TestCounts(t *testing.T) {
	v, eos := byteVocabulary("aa", "aaa", "aaaa", "aaaaaa", "a!", "aaaa!", "aaaaaa!")
	for _, text := range []string{`root ::= "a"{0,30} "!"`, `root ::= "a"{12,} "!"`, `root ::= "a"{12,15} "!"`} {
		g, rules, root := parseRules(t, text)
		c := Compile(g, v)
		m, before := c.NewMatcher(), ""
		for range 31 {
			mask := make([]uint32, v.Words())
			if err := m.Mask(mask, 1<<30); err != nil {
				t.Fatal(err)
			}
			for id := range eos {
				got, want := mask[id/32]>>(id%32)&1 == 1, fits(rules, root, before+string(v.piece(id)), true)
				if got != want {
					t.Fatalf("%s behind %q: token %q is allowed: %v, want %v", text, before, v.piece(id), got, want)
				}
			}
			if before += "a"; !m.step('a') {
				break
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{``, `there is no rule "root"`},
		{`a ::= "b"`, `there is no rule "root"`},
		{"root ::= foo", `line 1, column 10: the rule "foo" is not defined`},
		{"root ::= \"a\"\nroot ::= \"b\"", `line 2, column 1: the rule "root" is defined twice`},
		{"root ::= root \"a\" | \"b\"", `line 1, column 10: the rule "root" comes back to itself before anything is read (left recursion)`},
		{"root ::= a\na ::= \"\" b\nb ::= \"x\"? a", `line 3, column 12: the rule "a" comes back to itself`},
		{"root ::= \"a\" root", `line 1, column 1: the rule "root" never ends`},
		{"root = 1", `line 1, column 6: "::=" must follow`},
		{"root ::= \"a", `line 1, column 10: this '"' is not closed on its line`},
		{"root ::= \"a\n\"", `this '"' is not closed on its line`},
		{"root ::= [a", `line 1, column 10: this "[" is not closed`},
		{"root ::= []", `line 1, column 10: this class has no character`},
		{"root ::= [z-a]", `the range 'z'-'a' runs backwards`},
		{"root ::= (\"a\"", `line 1, column 10: this "(" is not closed`},
		{"root ::= \"a\")", `line 1, column 13: ')' has no meaning here`},
		{"root ::= *", `'*' has nothing before it to repeat`},
		{"root ::= \"a\"{3,2}", `the count {3,2} asks for at least 3 and at most 2`},
		{"root ::= \"a\"{x}", `a count is {m}, {m,}, {,n} or {m,n}`},
		{"root ::= \"a\"{99999999999}", `the count 99999999999 is too large`},
		{"root ::= \"\\q\"", `line 1, column 11: \q is no escape`},
		{"root ::= \"\\u12\"", `the escape needs 4 hexadecimal digits`},
		{"root ::= \"\\ud800\"", `there is no character U+D800`},
		{"root ::= [\\ud7ff-\\udfff]", `there is no character U+DFFF`},
		{"# é\n é ::= 1", `line 2, column 2: a rule begins with its name`},
		{"root ::= \"\xff\"", `line 1, column 11: the byte 0xff is not UTF-8`},
		{"root ::= " + strings.Repeat("(", 300) + "\"a\"" + strings.Repeat(")", 300), `line 1, column 210: groups lie more than 200 deep`},
		{"root ::= \"a\"*****", `more than 4 repetitions follow each other`},
		{"root ::= ~", `line 1, column 10: '~' has no meaning here`},
		{strings.Repeat(" ", 1<<20) + "x", "more than 1048576"},
	} {
		_, err := Parse(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.60q: %v, want %s", test.text, err, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, g := range grammars {
		f.Add(g.text)
	}
	f.Add(`root ::= ((("a"{0,1000000}){0,1000000}){1,1000000})* "b"`)
	f.Add("root ::= " + strings.Repeat("(", 150) + "\"a\"" + strings.Repeat("*)+", 150))
	v, _ := byteVocabulary("ab", "abc")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text)
		if err != nil {
			return
		}
		m := Compile(g, v).NewMatcher()
		budget := m.Shortest()
		mask := make([]uint32, v.Words())
		for i := range 3 {
			if budget > 1<<20 {
				return
			}
			clear(mask)
			if err := m.Mask(mask, budget-i); err != nil {
				t.Fatalf("%v with %d tokens in\n%s", err, budget-i, text)
			}
			id := firstAllowed(mask)
			if id < 0 {
				t.Fatalf("no token is allowed in\n%s", text)
			}
			if id == int32(v.n-1) {
				return
			}
			if err := m.Accept(id); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func firstAllowed(mask []uint32) int32 {
	for i, word := range mask {
		for b := range 32 {
			if word>>b&1 == 1 {
				return int32(32*i + b)
			}
		}
	}
	return -1
}

func ExampleParse_error() {
	_, err := Parse("root ::= \"a\" |\n  missing")
	fmt.Println(err)
	// Output: line 2, column 3: the rule "missing" is not defined
}
