package vk_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// What a device keeps is read back on the same device with the same shaders, and on no other terms.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	open := func(key string) *vk.Device {
		return vktest.OpenWith(t, vk.DeviceOptions{CacheDir: dir, CacheKey: key})
	}
	d := open("shaders")
	if got := d.Kept("tuning"); got != nil {
		t.Fatalf("kept before anything was: %q", got)
	}
	if err := d.Keep("tuning", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep("tuning", []byte("second")); err != nil {
		t.Fatal(err)
	}
	if got := string(open("shaders").Kept("tuning")); got != "second" {
		t.Errorf("read back: %q", got)
	}
	if got := open("other shaders").Kept("tuning"); got != nil {
		t.Errorf("read with other shaders: %q", got)
	}
	if got := d.Kept("other kind"); got != nil {
		t.Errorf("read of another kind: %q", got)
	}
	files, err := filepath.Glob(filepath.Join(dir, "tuning-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole { // each byte matters
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x40
		if err := os.WriteFile(files[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := d.Kept("tuning"); got != nil {
			t.Fatalf("with byte %d changed %q was read", i, got)
		}
		if err := os.WriteFile(files[0], whole[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := d.Kept("tuning"); got != nil {
			t.Fatalf("cut to %d bytes %q was read", i, got)
		}
	}
	if err := vktest.OpenWith(t, vk.DeviceOptions{CacheKey: "shaders"}).Keep("tuning", []byte("x")); err != nil {
		t.Errorf("without a folder: %v", err)
	}
}
