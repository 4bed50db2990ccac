package gguf_test

import (
	"runtime"
	"testing"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

// FuzzGGUF: whatever the bytes, Parse and every decoder return, with memory in proportion to the
// bytes, and tensors stay inside the file.
func FuzzGGUF(f *testing.F) {
	f.Add([]byte("GGUF"))
	f.Add(newBuilder().bytes())
	f.Add(newBuilder().
		key("general.architecture", gguf.String, text("qwen3")).
		key("list", gguf.Array, u32(uint32(gguf.String)), u64(2), text("a"), text("b")).
		key("deep", gguf.Array, u32(uint32(gguf.Array)), u64(1), u32(uint32(gguf.Bool)), u64(1), []byte{1}).
		key("x", gguf.Float32, u32(0)).
		tensor("a", 8, make([]byte, 68), 32, 2).
		tensor("b", 14, make([]byte, 210), 256).bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := gguf.Parse(data)
		if err == nil {
			total := 0
			for _, tensor := range file.Tensors {
				total += len(tensor.Data)
			}
			if total > len(data) {
				t.Errorf("%d bytes of tensors in %d bytes", total, len(data))
			}
			for _, key := range file.Keys {
				v, ok := file.Lookup(key)
				if !ok || v.String() == "" {
					t.Errorf("key %q is lost", key)
				}
				_, _ = v.Int()
				_, _ = v.Float()
				_, _ = v.Texts()
				_, _ = v.Int32s()
			}
		}
		runtime.ReadMemStats(&after)
		// The rest of the test binary allocates a little as well, hence the constant.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(100*len(data)+1<<20) {
			t.Errorf("%d bytes of input made %d bytes of memory", len(data), grown)
		}
	})
}
