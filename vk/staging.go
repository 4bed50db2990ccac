package vk

import (
	"context"
	"fmt"
	"sync"
)

const (
	defaultStaging = 64 << 20
	stagingSlots   = 4
	// directPiece bounds what one call of an upload's source fills in mapped
	// memory, so that a cancelled context is noticed.
	directPiece = 16 << 20
)

// staging is the bounded memory through which the host reaches buffers that it
// cannot map: a ring of slots that are filled while earlier ones are copied.
// It is made by the first transfer that needs it.
type staging struct {
	d     *Device
	bytes uint64

	mu    sync.Mutex // guards the fields below
	users int        // transfers under way
	slots chan *slot // free ones, oldest first; nil until needed
	back  *Buffer    // for downloads
	busy  sync.Mutex // holds back: one download at a time
}

type slot struct {
	buffer  *Buffer
	pending *upload // the copy that last used it
}

// upload is one copy from a slot.
type upload struct {
	commands *Commands
	ticket   *Ticket
}

func (s *staging) init(d *Device, bytes uint64) {
	if bytes == 0 {
		bytes = defaultStaging
	}
	s.d, s.bytes = d, bytes
}

// slotSize returns the bytes of one slot.
func (s *staging) slotSize() uint64 {
	c := &s.d.caps
	size := max(s.bytes/stagingSlots, OffsetAlign)
	return min(size, c.MaxAllocationSize, c.MaxBufferSize) &^ (OffsetAlign - 1)
}

// acquire makes the ring unless it is there.
func (s *staging) acquire() (chan *slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		slots := make(chan *slot, stagingSlots)
		for i := range stagingSlots {
			b, err := s.d.newBuffer(fmt.Sprintf("staging %d", i), s.slotSize(), hostStaging)
			if err != nil {
				close(slots)
				for made := range slots {
					made.buffer.Close()
				}
				return nil, err
			}
			slots <- &slot{buffer: b}
		}
		s.slots = slots
	}
	s.users++
	return s.slots, nil
}

func (s *staging) leave() {
	s.mu.Lock()
	s.users--
	s.mu.Unlock()
}

// FreeStaging gives back the memory of the staging ring. While a transfer is
// under way it does nothing. The next transfer makes a new ring.
func (d *Device) FreeStaging() {
	s := &d.staging
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users > 0 {
		return
	}
	if s.slots != nil {
		close(s.slots)
		for made := range s.slots {
			made.pending.close()
			made.buffer.Close()
		}
		s.slots = nil
	}
	s.back.Close()
	s.back = nil
}

func (u *upload) close() {
	if u != nil {
		u.commands.Close()
	}
}

// Upload fills dst with what src writes. src is called with consecutive pieces
// p of dst, off bytes from dst's start; all but the last have a multiple of 256
// bytes. It must write all of p, in order, and not read it: p may be memory that
// is slow to read. Upload returns when the data is there for later submits.
//
// Commands that use dst must not be running. Several uploads may run at once.
func (d *Device) Upload(ctx context.Context, dst Range, src func(p []byte, off uint64) error) error {
	if err := d.check("upload", ""); err != nil {
		return err
	}
	if err := dst.check(); err != nil {
		return fmt.Errorf("vk: upload: %w", err)
	}
	if dst.Buffer.bytes != nil {
		return d.uploadMapped(ctx, dst, src)
	}
	slots, err := d.staging.acquire()
	if err != nil {
		return err
	}
	defer d.staging.leave()
	var started []*upload
	var failed error
	for off := uint64(0); off < dst.Size && failed == nil; {
		n := min(d.staging.slotSize(), dst.Size-off)
		var u *upload
		if u, failed = d.uploadPiece(ctx, slots, dst, off, n, src); failed == nil {
			started = append(started, u)
		}
		off += n
	}
	for _, u := range started {
		err := u.ticket.Wait(ctx)
		if err == nil {
			u.close()
		} else if failed == nil {
			failed = err // its slot closes it once it is done
		}
	}
	return failed
}

// uploadPiece fills a slot and starts its copy.
func (d *Device) uploadPiece(ctx context.Context, slots chan *slot, dst Range, off, n uint64, src func([]byte, uint64) error) (*upload, error) {
	var s *slot
	select {
	case <-ctx.Done():
	case s = <-slots:
	}
	if s == nil || ctx.Err() != nil { // both may have been ready
		if s != nil {
			slots <- s
		}
		return nil, fmt.Errorf("vk: upload to buffer %q: %w", dst.Buffer.name, ctx.Err())
	}
	defer func() { slots <- s }()
	if s.pending != nil {
		if err := s.pending.ticket.Wait(ctx); err != nil {
			return nil, err
		}
		s.pending.close()
		s.pending = nil
	}
	if err := src(s.buffer.Bytes()[:n], off); err != nil {
		return nil, err
	}
	if err := s.buffer.Flush(0, n); err != nil {
		return nil, err
	}
	r := d.NewRecorder()
	r.Copy(dst.Buffer.Range(dst.Offset+off, n), s.buffer.Range(0, n))
	c, err := r.finish("upload to " + dst.Buffer.name)
	if err != nil {
		return nil, err
	}
	t, err := d.Submit(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	s.pending = &upload{c, t}
	return s.pending, nil
}

func (d *Device) uploadMapped(ctx context.Context, dst Range, src func([]byte, uint64) error) error {
	p := dst.Buffer.bytes[dst.Offset : dst.Offset+dst.Size]
	for off := uint64(0); off < dst.Size; off += directPiece {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("vk: upload to buffer %q: %w", dst.Buffer.name, err)
		}
		end := min(off+directPiece, dst.Size)
		if err := src(p[off:end:end], off); err != nil {
			return err
		}
	}
	return dst.Buffer.Flush(dst.Offset, dst.Size)
}

// UploadBytes fills dst, of the same size, with data.
func (d *Device) UploadBytes(ctx context.Context, dst Range, data []byte) error {
	if uint64(len(data)) != dst.Size {
		return fmt.Errorf("vk: upload of %d bytes to a range of %d", len(data), dst.Size)
	}
	return d.Upload(ctx, dst, func(p []byte, off uint64) error {
		copy(p, data[off:])
		return nil
	})
}

// Download reads src, of the same size, into dst. It sees what submits that
// are already done, or started before it, wrote.
func (d *Device) Download(ctx context.Context, dst []byte, src Range) error {
	if err := d.check("download", ""); err != nil {
		return err
	}
	if err := src.check(); err != nil {
		return fmt.Errorf("vk: download: %w", err)
	}
	if uint64(len(dst)) != src.Size {
		return fmt.Errorf("vk: download of %d bytes from a range of %d", len(dst), src.Size)
	}
	if b := src.Buffer; b.bytes != nil && d.caps.Types[b.slab.typ].HostCached {
		if err := d.runOnce(ctx, "download", func(r *Recorder) {
			r.Barriers([]Barrier{{ShaderWrite | TransferWrite, HostRead, src}})
		}); err != nil {
			return err
		}
		copy(dst, b.bytes[src.Offset:])
		return nil
	}
	return d.downloadStaged(ctx, dst, src)
}

func (d *Device) downloadStaged(ctx context.Context, dst []byte, src Range) error {
	s := &d.staging
	s.busy.Lock()
	defer s.busy.Unlock()
	s.mu.Lock()
	var err error
	if s.back == nil {
		s.back, err = d.NewBuffer("staging back", s.slotSize(), DeviceToHost)
	}
	back := s.back
	if err == nil {
		s.users++
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer s.leave()
	for off := uint64(0); off < src.Size; off += back.size {
		n := min(back.size, src.Size-off)
		if err := d.runOnce(ctx, "download", func(r *Recorder) {
			r.Copy(back.Range(0, n), src.Buffer.Range(src.Offset+off, n))
			r.Barriers([]Barrier{{TransferWrite, HostRead, back.Range(0, n)}})
		}); err != nil {
			return err
		}
		copy(dst[off:], back.Bytes()[:n])
	}
	return nil
}

// runOnce records, runs and closes. Closing waits for the work, even where ctx
// ended, since its buffers must outlive it.
func (d *Device) runOnce(ctx context.Context, name string, record func(*Recorder)) error {
	r := d.NewRecorder()
	record(r)
	c, err := r.finish(name)
	if err != nil {
		return err
	}
	defer c.Close()
	return d.Run(ctx, c)
}
