package vk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Beside the compiled pipelines a device keeps what else was found out about it, in files that hold for the same device,
// driver and shaders. Their header is that of the pipelines with another magic.

const (
	keepMagic = "qwenvk measures 1.\n"
	maxKept   = 16 << 20 // bytes
)

func (d *Device) keepPath(kind string) string {
	if d.cache.path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(d.cache.path), kind+"-"+hex.EncodeToString(d.cache.identity[:8])+".bin")
}

// Keep writes data to DeviceOptions.CacheDir, from where Kept reads it on the
// same device with the same driver and shaders. The file appears whole or not at
// all. Without a cache folder nothing is kept.
func (d *Device) Keep(kind string, data []byte) error {
	path := d.keepPath(kind)
	if path == "" {
		return nil
	}
	sum := sha256.Sum256(data)
	out := bytes.NewBufferString(keepMagic)
	out.Write(d.cache.identity[:])
	out.Write(sum[:])
	out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(data))))
	out.Write(data)
	return writeCache(path, out.Bytes(), d.faults.CacheWrite)
}

// Kept returns what Keep wrote, nil where there is nothing or nothing that fits:
// a file that is cut short, damaged or of another device is a miss.
func (d *Device) Kept(kind string) []byte {
	path := d.keepPath(kind)
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	file, err := io.ReadAll(io.LimitReader(f, maxKept))
	if err == nil {
		var data []byte
		if data, err = decodeKept(file, d.cache.identity); err == nil {
			return data
		}
	}
	d.log.Debug("file ignored", "file", path, "reason", err)
	return nil
}

func decodeKept(file []byte, identity [sha256.Size]byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(file, []byte(keepMagic))
	if !ok || len(rest) < 2*sha256.Size+8 {
		return nil, errors.New("not of this version")
	}
	data := rest[2*sha256.Size+8:]
	sum := sha256.Sum256(data)
	switch {
	case !bytes.Equal(rest[:sha256.Size], identity[:]):
		return nil, errors.New("of another device, driver or set of shaders")
	case binary.LittleEndian.Uint64(rest[2*sha256.Size:]) != uint64(len(data)):
		return nil, errors.New("cut short")
	case !bytes.Equal(rest[sha256.Size:2*sha256.Size], sum[:]):
		return nil, errors.New("damaged")
	}
	return data, nil
}
