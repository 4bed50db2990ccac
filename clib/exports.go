package main

// #include "bridge.h"
import "C"

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"unsafe"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
)

// runtime, model and talk are what handles name.
type runtime struct {
	*qwenvk.Runtime
	log *logLines
}

type model struct {
	*qwenvk.Model
	owners []uint64 // handles of the runtime and of the model itself
	log    *logLines
}

type talk struct {
	*qwenvk.Chat
	owners []uint64
	log    *logLines

	mu        sync.Mutex
	added     []chat.Message // to be sent with the next text
	answer    *job           // the last one
	job       uint64         // its handle
	cancelled bool
}

//export go_qwenvk_refuse
func go_qwenvk_refuse(what *C.char, out *C.qwenvk_error) C.qwenvk_status {
	return tell(fmt.Errorf("%w: %s", errUsage, C.GoString(what)), out)
}

//export go_qwenvk_small
func go_qwenvk_small(needed C.size_t, out *C.qwenvk_error) C.qwenvk_status {
	return tell(fmt.Errorf("%w: %d are needed", errSmall, uint64(needed)), out)
}

//export go_qwenvk_open
func go_qwenvk_open(o *C.qwenvk_options) C.uint64_t {
	return start(func() (*job, error) {
		options, log, err := runtimeOptions(o)
		if err != nil {
			return nil, err
		}
		return begin(log, nil, func(j *job) error {
			rt, err := qwenvk.Open(options)
			if err == nil {
				j.handle = table.add(kindRuntime, &runtime{rt, log})
			}
			return err
		}), nil
	})
}

//export go_qwenvk_close
func go_qwenvk_close(handle C.uint64_t, what C.int32_t) C.uint64_t {
	return start(func() (*job, error) {
		v, err := table.take(uint64(handle), kind(what))
		if err != nil {
			return nil, err
		}
		var log *logLines
		var end func() error
		switch v := v.(type) {
		case *runtime:
			log, end = v.log, v.Close
		case *model:
			log, end = v.log, v.Close
		case *talk:
			log, end = v.log, v.end
		}
		return begin(log, nil, func(*job) error {
			err := end()
			stopJobs(uint64(handle)) // those that wait to be fetched have to see that it is closed
			if kind(what) == kindRuntime {
				debug.FreeOSMemory() // nobody else uses this heap
			}
			return err
		}), nil
	})
}

//export go_qwenvk_count_devices
func go_qwenvk_count_devices(handle C.uint64_t, count *C.size_t, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		rt, err := named[*runtime](uint64(handle), kindRuntime)
		if err == nil {
			*count = C.size_t(len(rt.Devices()))
		}
		return err
	})
}

//export go_qwenvk_device
func go_qwenvk_device(handle C.uint64_t, i C.size_t, d *C.qwenvk_device, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		rt, err := named[*runtime](uint64(handle), kindRuntime)
		if err != nil {
			return err
		}
		devices := rt.Devices()
		if uint64(i) >= uint64(len(devices)) {
			return fmt.Errorf("the runtime is %w", qwenvk.ErrClosed)
		}
		fillDevice(d, devices[i])
		return nil
	})
}

//export go_qwenvk_load
func go_qwenvk_load(handle C.uint64_t, path *C.char, data unsafe.Pointer, size C.size_t, o *C.qwenvk_load_options) C.uint64_t {
	return start(func() (*job, error) {
		rt, err := named[*runtime](uint64(handle), kindRuntime)
		if err != nil {
			return nil, err
		}
		name, err := text("the path", path)
		if err != nil {
			return nil, err
		}
		options, err := loadOptions(o)
		if err != nil {
			return nil, err
		}
		return begin(rt.log, []uint64{uint64(handle)}, func(j *job) error {
			options.Progress = j.progress
			var m *qwenvk.Model
			if data == nil {
				m, err = rt.Load(j.ctx, name, options)
			} else {
				m, err = rt.LoadGGUF(j.ctx, name, unsafe.Slice((*byte)(data), int(size)), options)
			}
			if err != nil {
				return err
			}
			w := &model{Model: m, log: rt.log}
			j.handle = table.add(kindModel, w)
			w.owners = []uint64{uint64(handle), j.handle}
			return nil
		}), nil
	})
}

//export go_qwenvk_describe
func go_qwenvk_describe(handle C.uint64_t, i *C.qwenvk_model_info, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		m, err := named[*model](uint64(handle), kindModel)
		if err == nil {
			fillInfo(i, m.Info())
		}
		return err
	})
}

//export go_qwenvk_tokenize
func go_qwenvk_tokenize(handle C.uint64_t, words *C.char, ids *C.int32_t, capacity C.size_t, count *C.size_t, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		m, err := named[*model](uint64(handle), kindModel)
		if err != nil {
			return err
		}
		t, err := text("the text", words)
		if err != nil {
			return err
		}
		list, err := m.Tokenize(t)
		if err != nil {
			return err
		}
		*count = C.size_t(len(list))
		if uint64(len(list)) > uint64(capacity) {
			return fmt.Errorf("%w: it holds %d tokens, the text has %d", errSmall, uint64(capacity), len(list))
		}
		for i, to := 0, array(ids, capacity); i < len(list); i++ {
			to[i] = C.int32_t(list[i])
		}
		return nil
	})
}

//export go_qwenvk_detokenize
func go_qwenvk_detokenize(handle C.uint64_t, ids *C.int32_t, count C.size_t, to *C.char, capacity C.size_t, size *C.size_t, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		m, err := named[*model](uint64(handle), kindModel)
		if err != nil {
			return err
		}
		list := make([]int32, 0, int(min(count, 1<<24)))
		for _, id := range array(ids, count) {
			list = append(list, int32(id))
		}
		t, err := m.Detokenize(list)
		if err != nil {
			if !isClosed(err) {
				err = usage(err)
			}
			return err
		}
		*size = C.size_t(len(t))
		if uint64(len(t)) >= uint64(capacity) {
			return fmt.Errorf("%w: it holds %d bytes, the text takes %d and a zero byte", errSmall, uint64(capacity), len(t))
		}
		copyText(array(to, capacity), t)
		return nil
	})
}

//export go_qwenvk_embed
func go_qwenvk_embed(handle C.uint64_t, texts **C.char, count C.size_t, instruct *C.char, to *C.float, capacity C.size_t, values *C.size_t, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		m, err := named[*model](uint64(handle), kindModel)
		if err != nil {
			return err
		}
		task, err := text("the instruction", instruct)
		if err != nil {
			return err
		}
		var list []string
		for i, s := range array(texts, count) {
			t, err := text(fmt.Sprintf("text %d", i+1), s)
			if err != nil {
				return err
			}
			list = append(list, t)
		}
		*values = C.size_t(len(list) * m.Info().Hidden)
		if *values > capacity {
			return fmt.Errorf("%w: it holds %d values, the vectors have %d", errSmall, uint64(capacity), uint64(*values))
		}
		vectors, err := m.Embed(context.Background(), list, qwenvk.EmbedOptions{Instruct: task})
		if err != nil {
			return err
		}
		into := array(to, capacity)
		for _, v := range vectors {
			for i, x := range v {
				into[i] = C.float(x)
			}
			into = into[len(v):]
		}
		return nil
	})
}

//export go_qwenvk_generate
func go_qwenvk_generate(handle C.uint64_t, prompt *C.char, o *C.qwenvk_generate_options) C.uint64_t {
	return start(func() (*job, error) {
		m, err := named[*model](uint64(handle), kindModel)
		if err != nil {
			return nil, err
		}
		t, err := text("the prompt", prompt)
		if err != nil {
			return nil, err
		}
		options, err := generateOptions(m.Model, o)
		if err != nil {
			return nil, err
		}
		return begin(m.log, m.owners, func(j *job) error {
			ids, err := m.Tokenize(t)
			if err != nil {
				return err
			}
			s, err := m.NewSession()
			if err != nil {
				return err
			}
			defer s.Close()
			for tok, err := range s.Generate(j.ctx, ids, options) {
				if err != nil {
					return err
				}
				if tok.Text != "" {
					j.emit(delta{kind: C.QWENVK_TEXT, text: tok.Text})
				}
			}
			r := s.Result()
			j.result = &r
			return nil
		}), nil
	})
}
