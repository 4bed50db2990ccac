package vk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// driverData is what a driver's cache looks like: its header and some bytes.
func driverData(c *Caps) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 32)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, c.VendorID)
	b = binary.LittleEndian.AppendUint32(b, c.DeviceID)
	b = append(b, c.CacheUUID[:]...)
	return append(b, "compiled pipelines"...)
}

func TestDecodeCache(t *testing.T) {
	caps := &Caps{VendorID: 0x10de, DeviceID: 7, CacheUUID: UUID{1, 2, 3}, UUID: UUID{9}}
	other := &Caps{VendorID: 0x10de, DeviceID: 8, CacheUUID: UUID{1, 2, 3}, UUID: UUID{9}}
	id := cacheIdentity(caps, "shaders 1")
	good := encodeCache(driverData(caps), id)
	if got, err := decodeCache(good, id, caps); err != nil || !bytes.Equal(got, driverData(caps)) {
		t.Fatalf("good cache: %q, %v", got, err)
	}
	// Whatever byte changes, and wherever the file ends, it is a miss.
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		if _, err := decodeCache(bad, id, caps); err == nil {
			t.Errorf("byte %d of %d changed: taken for good", i, len(good))
		}
		if _, err := decodeCache(good[:i], id, caps); err == nil {
			t.Errorf("cut to %d of %d bytes: taken for good", i, len(good))
		}
	}
	for name, data := range map[string][]byte{
		"longer":                        append(bytes.Clone(good), 0),
		"empty payload":                 encodeCache(nil, id),
		"other shaders":                 encodeCache(driverData(caps), cacheIdentity(caps, "shaders 2")),
		"other device":                  encodeCache(driverData(other), cacheIdentity(other, "shaders 1")),
		"our header, other driver data": encodeCache(driverData(other), id),
	} {
		if _, err := decodeCache(data, id, caps); err == nil {
			t.Errorf("%s: taken for good", name)
		}
	}
	if cacheIdentity(caps, "ab") == cacheIdentity(&Caps{VendorID: 0x10de, DeviceID: 7, CacheUUID: UUID{1, 2, 3}, UUID: UUID{9}, DriverInfo: "a"}, "b") {
		t.Error("parts of the identity run into each other")
	}
}

func TestWriteCache(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deeper", "cache.bin")
	if err := writeCache(path, []byte("first"), nil); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left on device")
	if err := writeCache(path, []byte("second"), full); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "first" {
		t.Errorf("after a failed write: %q, %v", got, err)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
		t.Errorf("files left behind: %v", list)
	}
}
