package chat

// ChatML is the form of Qwen's chats before models brought their own template: each message between <|im_start|>, with
// its role, and <|im_end|>; a conversation without a system message begins with Qwen's own (Qwen-7B-Chat and Qwen1.5).
// It knows neither tools nor thinking.
func ChatML() *Template {
	t, err := NewTemplate(chatML)
	if err != nil {
		panic("BUG: chat: " + err.Error())
	}
	return t
}

const chatML = `{%- if not messages or messages[0].role != 'system' %}
{{- '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\n' }}
{%- endif %}`

// The control tokens that a vocabulary must have for [ChatML]; the second ends an answer.
const (
	ChatMLStart = "<|im_start|>"
	ChatMLEnd   = "<|im_end|>"
)
