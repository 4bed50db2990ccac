package main

// #include "bridge.h"
import "C"

import (
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
)

//export go_qwenvk_chat_new
func go_qwenvk_chat_new(handle C.uint64_t, o *C.qwenvk_chat_options, to *C.qwenvk_chat, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		m, err := named[*model](uint64(handle), kindModel)
		if err != nil {
			return err
		}
		options, err := chatOptions(m.Model, o)
		if err != nil {
			return err
		}
		c, err := m.NewChat(options)
		if err != nil {
			return err
		}
		t := &talk{Chat: c, log: m.log}
		h := table.add(kindChat, t)
		t.owners = append(slices.Clone(m.owners), h)
		*to = C.qwenvk_chat(h)
		return nil
	})
}

//export go_qwenvk_chat_add
func go_qwenvk_chat_add(handle C.uint64_t, role, id, content *C.char, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		t, err := named[*talk](uint64(handle), kindChat)
		if err != nil {
			return err
		}
		var m chat.Message
		for _, part := range []struct {
			what string
			from *C.char
			to   *string
		}{{"the role", role, &m.Role}, {"the id", id, &m.ToolCallID}, {"the content", content, &m.Content}} {
			if *part.to, err = text(part.what, part.from); err != nil {
				return err
			}
		}
		if !slices.Contains([]string{"user", "assistant", "tool"}, m.Role) {
			return fmt.Errorf("%w: a message's role is user, assistant or tool, not %q", errUsage, m.Role)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.added = append(t.added, m)
		return nil
	})
}

//export go_qwenvk_chat_send
func go_qwenvk_chat_send(handle C.uint64_t, words *C.char) C.uint64_t {
	var began uint64
	failed := func(err error) C.uint64_t { return start(func() (*job, error) { return nil, err }) }
	err := guard(func() error {
		t, err := named[*talk](uint64(handle), kindChat)
		if err != nil {
			return err
		}
		question, err := text("the text", words)
		if err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.free(); err != nil {
			return err
		}
		messages := slices.Clone(t.added)
		if words != nil {
			messages = append(messages, chat.Message{Role: "user", Content: question})
		}
		if len(messages) == 0 {
			return fmt.Errorf("%w: there is nothing to answer: give a text, or add messages first", errUsage)
		}
		added := len(t.added)
		t.answer = begin(t.log, t.owners, func(j *job) error { return t.run(j, messages, added) })
		t.job, t.cancelled = table.add(kindJob, t.answer), false
		began = t.job
		return nil
	})
	if err != nil {
		return failed(err)
	}
	return C.uint64_t(began)
}

// run is the work of an answer.
func (t *talk) run(j *job, messages []chat.Message, added int) error {
	for d, err := range t.Continue(j.ctx, messages...) {
		switch {
		case err != nil:
			return err
		case d.ToolCall != nil:
			j.emit(delta{kind: C.QWENVK_TOOL_CALL, text: string(d.ToolCall.Arguments), name: d.ToolCall.Name, id: d.ToolCall.ID})
		case d.Reasoning != "":
			j.emit(delta{kind: C.QWENVK_REASONING, text: d.Reasoning})
		case d.Text != "":
			j.emit(delta{kind: C.QWENVK_TEXT, text: d.Text})
		}
	}
	r := t.Result()
	j.result = &r
	t.mu.Lock()
	defer t.mu.Unlock()
	t.added = t.added[added:]
	return nil
}

// free refuses while an answer is under way. One that was cancelled and came to its end makes way, whether or not the call that
// began it still exists. The lock is held.
func (t *talk) free() error {
	if _, err := named[*job](t.job, kindJob); err != nil {
		return nil // finished
	}
	if !t.cancelled || !t.answer.over() {
		return fmt.Errorf("the chat is %w: its answer is not at its end; qwenvk_chat_cancel ends it", qwenvk.ErrBusy)
	}
	abandon(t.job)
	return nil
}

//export go_qwenvk_chat_cancel
func go_qwenvk_chat_cancel(handle C.uint64_t, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		t, err := named[*talk](uint64(handle), kindChat)
		if err != nil {
			return err
		}
		t.mu.Lock()
		j := t.answer
		t.cancelled = true
		t.mu.Unlock()
		if j != nil {
			j.stop()
			<-j.ended // at most a step
		}
		return nil
	})
}

//export go_qwenvk_chat_reset
func go_qwenvk_chat_reset(handle C.uint64_t, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		t, err := named[*talk](uint64(handle), kindChat)
		if err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.free(); err != nil {
			return err
		}
		t.added = nil
		t.Reset()
		return nil
	})
}

// end closes the chat.
func (t *talk) end() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.Close()
	if t.cancelled && t.free() == nil {
		t.answer = nil
	}
	return err
}
