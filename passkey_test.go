package qwenvk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// passkey is a line of testdata/demo-model/passkey-*.jsonl: a number hidden in so many tokens of filler.
type passkey struct {
	Prompt, Expected string
	Tokens           int
}

func readPasskeys(t *testing.T, length int) []passkey {
	t.Helper()
	var keys []passkey
	lines := bufio.NewScanner(bytes.NewReader(testkit.Read(t, fmt.Sprintf("demo-model/passkey-%d.jsonl", length))))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var k passkey
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return keys
}

var allPasskeys = flag.Bool("all-passkeys", false, "TestPasskeys: all 20 prompts of each length, not a part")

// fewPasskeys is how many prompts run without -all-passkeys: as few as can tell something. The cases that are not here say
// nothing with fewer than nearly all.
var fewPasskeys = map[string]int{
	"512 tokens, YaRN factor 4": 5, "1024 tokens, YaRN factor 4": 5, "2048 tokens, YaRN factor 4": 7, "2048 tokens, no YaRN": 2,
}

// TestPasskeys hides a number in prompts of one, two and four times the demo model's trained context and asks for it,
// with and without YaRN. Each count of right answers is within one prompt of what transformers had, which the model's
// README and expected.json tell. Of a part of the prompts, as many are right as there must be: those that the reference
// had wrong may all be in it, or all those that it had right.
func TestPasskeys(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests leave the long prompts out")
	}
	var reference struct{ Passkey map[string]string }
	if err := json.Unmarshal(testkit.Read(t, "demo-model/expected.json"), &reference); err != nil {
		t.Fatal(err)
	}
	for _, yarn := range []bool{true, false} {
		for _, length := range []int{2048, 1024, 512} {
			name := fmt.Sprintf("%d tokens, no YaRN", length)
			o := LoadOptions{Context: 2304} // beyond what it was trained for, because it is asked for
			if yarn {
				name = fmt.Sprintf("%d tokens, YaRN factor 4", length)
				o.RoPEScaling, o.RoPEFactor, o.RoPEOrigContext = "yarn", 4, 512
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel() // so small a model leaves cores idle
				var want, of int
				if _, err := fmt.Sscanf(reference.Passkey[name], "%d/%d", &want, &of); err != nil {
					t.Fatalf("expected.json has %q: %v", reference.Passkey[name], err)
				}
				keys := readPasskeys(t, length)
				if len(keys) != of {
					t.Fatalf("%d prompts, the reference counted %d", len(keys), of)
				}
				if !*allPasskeys {
					if keys = keys[:fewPasskeys[name]]; len(keys) == 0 {
						t.Skip("a part of the prompts cannot tell in this series: -all-passkeys runs them all")
					}
				}
				got, n := recall(t, keys, o), len(keys)
				t.Logf("%d of %d right, the reference had %d of %d", got, n, want, of)
				if least, most := max(0, want-(of-n)), min(n, want); got < least-1 || got > most+1 {
					t.Errorf("%d of %d right, want %d to %d, and one more or less", got, n, least, most)
				}
			})
		}
	}
}

// recall counts the prompts whose number is in the answer of 16 tokens at most.
func recall(t *testing.T, keys []passkey, o LoadOptions) (right int) {
	t.Helper()
	m := loadTest(t, openUnchecked(t), testkit.Path(t, "demo-model/qwenvk-demo"), o)
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, k := range keys {
		ids, err := m.Tokenizer().Encode(k.Prompt, tokenizer.EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) != k.Tokens {
			t.Fatalf("the prompt of %s has %d tokens, the reference counted %d", k.Expected, len(ids), k.Tokens)
		}
		answer, _ := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 16})
		if strings.Contains(answer, k.Expected) {
			right++
		}
	}
	return right
}
