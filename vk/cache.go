package vk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// pipelineCache is the driver's cache of compiled pipelines and its file.
//
// Drivers take whatever bytes they are given, so the file has a header of its
// own: a magic, a digest of what the pipelines depend on (device, driver, key
// of the shaders), a digest of the payload, its length, then the driver's
// data. Anything that does not fit is a miss, never an error.
type pipelineCache struct {
	handle   core.Handle
	path     string // "" keeps no file
	identity [sha256.Size]byte
	mu       sync.Mutex
	saved    [sha256.Size]byte // of the payload on disk
	warned   bool
}

const (
	cacheMagic  = "qwenvk pipelines 1\n"
	cacheHeader = len(cacheMagic) + 2*sha256.Size + 8
	maxCache    = 256 << 20 // bytes; more is no cache of ours
)

// openCache makes the driver's cache, with the contents of the file if it is
// good.
func (d *Device) openCache(dir, key string) error {
	c := &d.cache
	c.identity = cacheIdentity(&d.caps, key)
	var payload []byte
	if dir != "" {
		c.path = filepath.Join(dir, "pipelines-"+hex.EncodeToString(c.identity[:8])+".bin")
		payload = c.load(d)
	}
	handle, err := d.newCache(payload)
	if err != nil && payload != nil {
		handle, err = d.newCache(nil)
	}
	c.handle = handle
	return err
}

func (d *Device) newCache(payload []byte) (core.Handle, error) {
	var arena core.Arena
	defer arena.Free()
	info := vgo.PipelineCacheCreateInfo{SType: vgo.StructureTypePipelineCacheCreateInfo}
	if data := core.Slice(&arena, payload); data != nil {
		info.InitialDataSize, info.PInitialData = uint(len(data)), unsafe.Pointer(&data[0])
	}
	var handle vgo.PipelineCache
	r := vgo.CreatePipelineCache(d.handle, &info, nil, &handle)
	info.Free()
	return core.HandleOf(handle), d.result(core.Result(r), "vkCreatePipelineCache", "opening the pipeline cache")
}

func (d *Device) closeCache() {
	if d.cache.handle != 0 {
		vgo.DestroyPipelineCache(d.handle, core.ToBinding[vgo.PipelineCache](d.cache.handle), nil)
	}
}

// cacheIdentity digests everything that a compiled pipeline depends on beside
// its own description.
func cacheIdentity(c *Caps, key string) [sha256.Size]byte {
	h := sha256.New()
	for _, part := range []string{
		c.UUID.String(), c.DriverUUID.String(), c.CacheUUID.String(),
		fmt.Sprint(c.VendorID, c.DeviceID, c.DriverVersion, uint32(c.APIVersion)),
		c.Name, c.DriverName, c.DriverInfo, key,
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// load returns the payload of the file, nil if there is none that fits.
func (c *pipelineCache) load(d *Device) []byte {
	f, err := os.Open(c.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCache))
	if err != nil {
		return nil
	}
	payload, err := decodeCache(data, c.identity, &d.caps)
	if err != nil {
		d.log.Debug("pipeline cache ignored", "file", c.path, "reason", err)
		return nil
	}
	c.saved = sha256.Sum256(payload)
	return payload
}

// encodeCache puts the header before the driver's data.
func encodeCache(payload []byte, identity [sha256.Size]byte) []byte {
	sum := sha256.Sum256(payload)
	out := make([]byte, 0, cacheHeader+len(payload))
	out = append(out, cacheMagic...)
	out = append(out, identity[:]...)
	out = append(out, sum[:]...)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(payload)))
	return append(out, payload...)
}

// decodeCache returns the driver's data in a file, or why it does not fit. The
// data's own header (VkPipelineCacheHeaderVersionOne) is checked too, since
// drivers are known not to.
func decodeCache(data []byte, identity [sha256.Size]byte, c *Caps) ([]byte, error) {
	rest, ok := bytes.CutPrefix(data, []byte(cacheMagic))
	if !ok || len(data) < cacheHeader {
		return nil, errors.New("no pipeline cache of this version")
	}
	if !bytes.Equal(rest[:sha256.Size], identity[:]) {
		return nil, errors.New("of another device, driver or set of shaders")
	}
	sum := rest[sha256.Size : 2*sha256.Size]
	payload := data[cacheHeader:]
	if n := binary.LittleEndian.Uint64(rest[2*sha256.Size:]); n != uint64(len(payload)) {
		return nil, errors.New("cut short")
	}
	if got := sha256.Sum256(payload); !bytes.Equal(got[:], sum) {
		return nil, errors.New("damaged")
	}
	if len(payload) < 32 {
		return nil, errors.New("too short for a driver's data")
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(payload[4*i:]) }
	if word(0) < 32 || word(1) != 1 || word(2) != c.VendorID || word(3) != c.DeviceID || !bytes.Equal(payload[16:32], c.CacheUUID[:]) {
		return nil, errors.New("the driver's data is of another device")
	}
	return payload, nil
}

// SaveCache writes the compiled pipelines to DeviceOptions.CacheDir, if they
// changed. The file appears whole or not at all. A write that fails is logged,
// once, and is no error: the cache saves time and nothing depends on it.
func (d *Device) SaveCache() error {
	if err := d.check("saving the pipeline cache", ""); err != nil {
		return err
	}
	c := &d.cache
	if c.path == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	payload, err := d.cacheData()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(payload)
	if sum == c.saved {
		return nil
	}
	if err := writeCache(c.path, encodeCache(payload, c.identity), d.faults.CacheWrite); err != nil {
		if !c.warned {
			d.log.Warn("compiled pipelines could not be kept; the next start compiles them again", "file", c.path, "reason", err)
		}
		c.warned = true
		return nil
	}
	c.saved = sum
	return nil
}

// cacheData reads the driver's cache.
func (d *Device) cacheData() ([]byte, error) {
	handle := core.ToBinding[vgo.PipelineCache](d.cache.handle)
	const incomplete = 5 // VK_INCOMPLETE: it grew meanwhile
	for {
		var n uint
		if err := d.result(core.Result(vgo.GetPipelineCacheData(d.handle, handle, &n, nil)), "vkGetPipelineCacheData", "saving the pipeline cache"); err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, nil
		}
		data := make([]byte, n)
		r := core.Result(vgo.GetPipelineCacheData(d.handle, handle, &n, unsafe.Pointer(&data[0])))
		if err := d.result(r, "vkGetPipelineCacheData", "saving the pipeline cache"); err != nil {
			return nil, err
		}
		if r != incomplete {
			return data[:n], nil
		}
	}
}

// writeCache writes beside path and renames, so that a reader, or a crash,
// never sees half a file. fault makes the write fail half-way.
func writeCache(path string, data []byte, fault error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".pipelines-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	half := len(data) / 2
	if _, err = f.Write(data[:half]); err == nil && fault != nil {
		err = fault
	}
	if err == nil {
		_, err = f.Write(data[half:])
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
