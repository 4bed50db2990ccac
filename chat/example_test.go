package chat_test

import (
	"context"
	"fmt"

	"github.com/qwenvk/qwenvk/chat"
)

func ExampleTemplate_Render() {
	template, err := chat.NewTemplate("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt, err := template.Render(context.Background(), chat.RenderOptions{
		Messages:            []chat.Message{{Role: "user", Content: "What is 17 + 25?"}},
		AddGenerationPrompt: true,
	})
	fmt.Println(prompt, err)
	// Output:
	// <|user|>What is 17 + 25?
	// <|assistant|> <nil>
}

func ExampleParser() {
	p := chat.NewParser(false)
	for _, piece := range []string{"<thi", "nk>\n17 + 25", " = 42\n</think>", "\n\nIt is ", "42."} {
		for _, d := range p.Push(piece) {
			fmt.Printf("%q %q\n", d.Reasoning, d.Text)
		}
	}
	for _, d := range p.Flush() {
		fmt.Printf("%q %q\n", d.Reasoning, d.Text)
	}
	// Output:
	// "17 + 25" ""
	// " = 42" ""
	// "" "It is"
	// "" " 42."
}
