package qwenvk_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/grammar"
	"github.com/qwenvk/qwenvk/sampler"
)

// prompt is a question in the form that the demo model knows, as ids.
func prompt(question string) []int32 {
	ids, err := demoModel().Tokenize("<|im_start|>user\n" + question + "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
	check(err)
	return ids
}

// newSession opens a session of the demo model.
func newSession() *qwenvk.Session {
	session, err := demoModel().NewSession()
	check(err)
	return session
}

// LogProbs tell what else might have come.
func ExampleSession_Generate_logProbs() {
	session := newSession()
	defer session.Close()
	for token, err := range session.Generate(context.Background(), prompt("What is 17 + 25?"), qwenvk.GenerateOptions{MaxTokens: 1, LogProbs: 2}) {
		check(err)
		var best qwenvk.TopToken = token.Top[0]
		fmt.Println(token.Text, "is the likeliest:", best.ID == token.ID && best.LogProb == token.LogProb)
	}
	// Output: 1 is the likeliest: true
}

// Result says how an answer ended and what it took.
func ExampleSession_Result() {
	session := newSession()
	defer session.Close()
	for _, err := range session.Generate(context.Background(), prompt("What is 17 + 25?"), qwenvk.GenerateOptions{Sampling: sampler.Params{}}) {
		check(err)
	}
	var (
		result  qwenvk.Result  = session.Result()
		usage   qwenvk.Usage   = result.Usage
		timings qwenvk.Timings = result.Timings
		counts  qwenvk.Counts  = result.Counts
	)
	fmt.Println(result.FinishReason, len(result.IDs) == usage.CompletionTokens)
	fmt.Println(timings.DecodeTPS > 0, counts.Dispatches > 0, counts.Submits)
	fmt.Println("room for", session.Context(), "tokens; operations were not timed:", len(session.Profile()) == 0)
	session.Reset() // the next prompt is computed from its first token
	// Output:
	// stop true
	// true true 1
	// room for 512 tokens; operations were not timed: true
}

// With Options.Profile every operation is timed.
func ExampleSession_Profile() {
	rt, err := qwenvk.Open(qwenvk.Options{Profile: true})
	check(err)
	defer rt.Close()
	model, err := rt.Load(context.Background(), "testdata/golden/qwen3-dense-tied", qwenvk.LoadOptions{Context: 64})
	check(err)
	session, err := model.NewSession()
	check(err)
	for _, err := range session.Generate(context.Background(), []int32{1, 2, 3}, qwenvk.GenerateOptions{MaxTokens: 3, IgnoreEOS: true}) {
		check(err)
	}
	var times []qwenvk.OpTime = session.Profile()
	fmt.Println("operations:", len(times) > 5)
	// Output: operations: true
}

// Logits and hidden states are for programs that do their own sums.
func ExampleSession_Logits() {
	session := newSession()
	defer session.Close()
	ids := prompt("What is 17 + 25?")
	rows := 0
	check(session.Logits(context.Background(), ids, qwenvk.LogitsOptions{All: true, From: len(ids) - 2}, func(row int, logits []float32) error {
		rows++
		if row == len(ids)-1 {
			best := slices.Index(logits, slices.Max(logits))
			text, err := demoModel().Detokenize([]int32{int32(best)})
			fmt.Printf("%q comes next\n", text)
			return err
		}
		return nil
	}))
	check(session.Hidden(context.Background(), ids, qwenvk.HiddenOptions{}, func(row int, hidden []float32) error {
		fmt.Println(rows, "rows of logits, and", len(hidden), "values of a hidden state")
		return nil
	}))
	// Output:
	// "1" comes next
	// 2 rows of logits, and 256 values of a hidden state
}

// Beam takes the model's sessions for its beams.
func ExampleSession_Beam() {
	session := newSession()
	defer session.Close()
	var found []qwenvk.Hypothesis
	found, err := session.Beam(context.Background(), prompt("What is 17 + 25?"), qwenvk.BeamOptions{
		Beams: min(2, qwenvk.MaxBeams), LengthPenalty: 1, MaxTokens: 20,
		EarlyStopping: qwenvk.StopEnough, // or StopUnlikely, StopHopeless
	})
	check(err)
	text, err := demoModel().Detokenize(found[0].IDs)
	check(err)
	fmt.Println(text, found[0].Score >= found[len(found)-1].Score)
	for _, how := range []qwenvk.EarlyStopping{qwenvk.StopUnlikely, qwenvk.StopHopeless} {
		_, err := session.Beam(context.Background(), prompt("What is 17 + 25?"), qwenvk.BeamOptions{Beams: 1, EarlyStopping: how, MaxTokens: 1})
		check(err)
	}
	// Output: 17+25=42<|im_end|> true
}

// A session's cache outlives the session in a file.
func ExampleSession_Save() {
	ctx := context.Background()
	session := newSession()
	ids := prompt("What is 17 + 25?")
	for _, err := range session.Generate(ctx, ids, qwenvk.GenerateOptions{MaxTokens: 2}) {
		check(err)
	}
	var whole, beginning bytes.Buffer
	check(session.Save(ctx, &whole))
	check(session.SavePrefix(ctx, &beginning, 8))
	check(session.Close())
	fmt.Println("a file of saved sessions:", bytes.HasPrefix(whole.Bytes(), []byte(qwenvk.StateMagic)), whole.Len() > beginning.Len())

	session = newSession()
	defer session.Close()
	note, err := session.Restore(ctx, &beginning)
	check(err)
	fmt.Printf("%q\n", note)
	for _, err := range session.Generate(ctx, ids, qwenvk.GenerateOptions{MaxTokens: 2}) {
		check(err)
	}
	fmt.Println(session.Result().Usage.CachedTokens, "tokens were not computed again")
	// Output:
	// a file of saved sessions: true true
	// ""
	// 8 tokens were not computed again
}

// A Shift lets an answer go on when the context is full: of a text its beginning is left out, of a conversation the oldest turns.
func ExampleShiftText() {
	model, err := demoRuntime().LoadGGUF(context.Background(), "demo.gguf", demo.GGUF(), qwenvk.LoadOptions{Context: 64})
	check(err)
	defer model.Close()
	session, err := model.NewSession()
	check(err)
	text := prompt("What is 17 + 25?")
	var shift qwenvk.Shift = qwenvk.ShiftText(text, 4, 64)
	for _, err := range session.Generate(context.Background(), text, qwenvk.GenerateOptions{MaxTokens: 80, IgnoreEOS: true, Shift: shift}) {
		check(err)
	}
	fmt.Println("there was room made:", session.Result().Shifts > 0)

	turns := model.ShiftTurns(chat.RenderOptions{
		Messages: []chat.Message{{Role: "user", Content: "a"}, {Role: "assistant", Content: "b"}, {Role: "user", Content: "c"}}, AddGenerationPrompt: true,
	}, 64, func(messages int) { fmt.Println(messages, "messages are left out") })
	_, err = turns(context.Background(), nil)
	check(err)
	// Output:
	// there was room made: true
	// 2 messages are left out
}

// A grammar of the program's own becomes a constraint of any model.
func ExampleModel_NewConstraint() {
	rules, err := grammar.Parse(`root ::= [0-9]+`)
	check(err)
	digits, err := demoModel().NewConstraint(rules)
	check(err)
	session := newSession()
	defer session.Close()
	only := true
	for token, err := range session.Generate(context.Background(), prompt("What is 17 + 25?"), qwenvk.GenerateOptions{MaxTokens: 4, Constraint: digits}) {
		check(err)
		for _, c := range token.Text {
			only = only && c >= '0' && c <= '9'
		}
	}
	fmt.Println("digits alone:", only)
	// Output: digits alone: true
}

// A batch computes several answers in one reading of the weights: for servers, evaluations, and several drafts of one text.
func ExampleModel_NewBatch() {
	ctx := context.Background()
	var batch *qwenvk.Batch = demoModel().NewBatch()
	answers := make([]string, 2)
	for _, question := range []string{"What is 17 + 25?", "What is 17 + 26?"} {
		session := newSession()
		defer session.Close()
		_, err := batch.Add(ctx, session, prompt(question), qwenvk.GenerateOptions{})
		check(err)
	}
	for token, err := range batch.Run(ctx) {
		check(err)
		var t qwenvk.BatchToken = token
		answers[t.Index] += t.Text
	}
	fmt.Println(answers)
	// Output: [17+25=42 17+26=43]
}

// Speculate guesses what comes next, from the text or from a smaller model, and checks several guesses in one step.
func ExampleSpeculate() {
	session := newSession()
	defer session.Close()
	var answer string
	for token, err := range session.Generate(context.Background(), prompt("Please reverse: fox bird ball"), qwenvk.GenerateOptions{
		Speculate: qwenvk.Speculate{NGram: true, MaxDraft: min(3, qwenvk.MaxDraft)},
	}) {
		check(err)
		answer += token.Text
	}
	fmt.Println(answer)
	// Output: ball bird fox
}
