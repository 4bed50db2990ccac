package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// transfer fetches the files of one Pull.
type transfer struct {
	client *Client
	name   Name
	commit string
	folder string // of the repository in the cache

	mu      sync.Mutex
	done    int64 // bytes there, of all files
	fetched int64
	total   int64
}

func (t *transfer) advance(file string, n, fetched int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += n
	t.fetched += fetched
	if t.client.Progress != nil {
		t.client.Progress(Progress{File: file, Done: t.done, Total: t.total})
	}
}

// file makes sure that a file's blob is there and linked.
func (t *transfer) file(ctx context.Context, f File) error {
	blob := filepath.Join(t.folder, "blobs", f.etag())
	info, err := os.Stat(blob)
	switch {
	case err == nil && info.Size() == f.Size:
		t.advance(f.Path, f.Size, 0)
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if err := t.fetch(ctx, f, blob); err != nil {
			return err
		}
	default:
		return err
	}
	return link(blob, filepath.Join(t.folder, "snapshots", t.commit, filepath.FromSlash(f.Path)))
}

// partial is a file that is on its way: the bytes beside a note of which are there. The names are ours alone, because
// other tools take the length of their partial files for what has arrived.
type partial struct {
	file  *os.File
	note  string
	f     File
	chunk int64

	whole  sync.Mutex // held by who reads an answer without ranges
	mu     sync.Mutex
	ranges []int64 // bytes that each range has from its beginning
	saved  time.Time
}

const defaultRange = 32 << 20

// fetch downloads a file and makes it a blob.
func (t *transfer) fetch(ctx context.Context, f File, blob string) (err error) {
	if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
		return err
	}
	p, err := t.open(f, blob+".qwenvk-part")
	if err != nil {
		return err
	}
	defer func() {
		if p.file != nil {
			err = errors.Join(err, p.save(), p.file.Close())
		}
	}()
	for _, n := range p.ranges {
		t.advance(f.Path, n, 0)
	}
	if err := t.ranges(ctx, p); err != nil {
		return err
	}
	if err := p.verify(ctx); err != nil {
		return errors.Join(err, p.discard())
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	name := p.file.Name()
	if err := p.file.Close(); err != nil {
		return err
	}
	p.file = nil
	if err := os.Rename(name, blob); err != nil {
		return err
	}
	return removeIfThere(p.note)
}

// open opens the partial file of an earlier try, or begins one.
func (t *transfer) open(f File, path string) (*partial, error) {
	p := &partial{note: path + ".json", f: f, chunk: t.client.rangeSize}
	if p.chunk == 0 {
		p.chunk = defaultRange
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if !lock(file) {
		return nil, errors.Join(errors.New("another program is downloading it; wait for that one"), file.Close())
	}
	p.file = file
	p.ranges = make([]int64, (f.Size+p.chunk-1)/p.chunk)
	p.resume()
	return p, nil
}

// note is the file beside a partial file.
type note struct {
	Size   int64   `json:"size"`
	Chunk  int64   `json:"chunk"`
	Ranges []int64 `json:"ranges"`
}

// resume takes over what an earlier try left, if it is of the same file.
func (p *partial) resume() {
	var n note
	text, err := os.ReadFile(p.note)
	if err != nil || json.Unmarshal(text, &n) != nil || n.Size != p.f.Size || n.Chunk != p.chunk || len(n.Ranges) != len(p.ranges) {
		return
	}
	info, err := p.file.Stat()
	if err != nil {
		return
	}
	for i, have := range n.Ranges {
		begin, end := p.bounds(i)
		if have >= 0 && have <= end-begin && (have == 0 || info.Size() >= begin+have) {
			p.ranges[i] = have
		}
	}
}

func (p *partial) bounds(i int) (begin, end int64) {
	begin = int64(i) * p.chunk
	return begin, min(begin+p.chunk, p.f.Size)
}

// save notes what is there.
func (p *partial) save() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := json.Marshal(note{p.f.Size, p.chunk, p.ranges})
	if err != nil {
		return err
	}
	p.saved = time.Now()
	return writeWhole(p.note, text)
}

func (p *partial) discard() error {
	name := p.file.Name()
	err := errors.Join(p.file.Close(), removeIfThere(p.note), removeIfThere(name))
	p.file = nil
	return err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ranges fetches what is missing, several ranges at the same time. The first failure ends the others.
func (t *transfer) ranges(ctx context.Context, p *partial) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := t.client.Parts
	if workers <= 0 {
		workers = 4
	}
	work := make(chan int)
	var all sync.WaitGroup
	for range min(workers, max(1, len(p.ranges))) {
		all.Go(func() {
			for i := range work {
				if err := t.oneRange(ctx, p, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range p.ranges {
		select {
		case work <- i:
		case <-ctx.Done():
		}
	}
	close(work)
	all.Wait()
	return context.Cause(ctx)
}

// oneRange fetches the rest of a range. A try that brought bytes is no failed one.
func (t *transfer) oneRange(ctx context.Context, p *partial, i int) error {
	begin, end := p.bounds(i)
	for {
		had := p.have(i)
		if begin+had == end {
			return ctx.Err()
		}
		err := t.client.retry(ctx, func() error {
			err := t.request(ctx, p, i)
			if err != nil && p.have(i) > had {
				return nil // some of it came: begin the count of tries anew
			}
			return err
		})
		if err != nil {
			return err
		}
	}
}

func (p *partial) have(i int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ranges[i]
}

// request asks once for the rest of range i and writes what comes.
func (t *transfer) request(ctx context.Context, p *partial, i int) error {
	begin, end := p.bounds(i)
	from := begin + p.have(i)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := t.client.resolve(ctx, http.MethodGet, t.name, t.commit, p.f)
	if err != nil {
		return err
	}
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, end-1))
	answer, err := t.client.http.Do(r)
	if err != nil {
		return t.client.unreachable(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := t.client.status(answer, t.name.ID(), t.commit); err != nil {
		return err
	}
	body := io.Reader(answer.Body)
	if answer.StatusCode == http.StatusOK {
		return t.wholeFile(p, i, body, cancel)
	}
	if got := answer.Header.Get("Content-Range"); got != fmt.Sprintf("bytes %d-%d/%d", from, end-1, p.f.Size) {
		return fmt.Errorf("the hub was asked for bytes %d to %d of %d and sends %q; the file has changed, or the hub is broken", from, end-1, p.f.Size, got)
	}
	return t.copy(p, i, body, end-from, cancel)
}

// wholeFile takes the answer of a server that does not know ranges: all of the file from its beginning. One goroutine
// reads it for all ranges; the others wait and find theirs done.
func (t *transfer) wholeFile(p *partial, i int, body io.Reader, giveUp func()) error {
	p.whole.Lock()
	defer p.whole.Unlock()
	if begin, end := p.bounds(i); begin+p.have(i) == end {
		return nil
	}
	at := int64(0)
	for j := range p.ranges {
		begin, end := p.bounds(j)
		from := begin + p.have(j)
		if _, err := io.CopyN(io.Discard, body, from-at); err != nil {
			return temporary{fmt.Errorf("the connection broke: %w", err), 0}
		}
		if err := t.copy(p, j, body, end-from, giveUp); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// copy writes n bytes of body to the place of range i. A connection without a byte for a while is given up.
func (t *transfer) copy(p *partial, i int, body io.Reader, n int64, giveUp func()) error {
	stall := t.client.stall
	if stall == 0 {
		stall = time.Minute
	}
	watch := time.AfterFunc(stall, giveUp)
	defer watch.Stop()
	begin, _ := p.bounds(i)
	buf := make([]byte, 256<<10)
	for n > 0 {
		got, err := body.Read(buf[:min(int64(len(buf)), n)])
		if got > 0 {
			watch.Reset(stall)
			if _, err := p.file.WriteAt(buf[:got], begin+p.have(i)); err != nil {
				return fmt.Errorf("it cannot be written: %w", err)
			}
			n -= int64(got)
			due := p.add(i, int64(got))
			t.advance(p.f.Path, int64(got), int64(got))
			if due {
				if err := p.save(); err != nil {
					return err
				}
			}
		}
		if err != nil && n > 0 {
			return temporary{fmt.Errorf("the connection broke: %w", err), 0}
		}
	}
	return nil
}

// add counts bytes of a range; due asks for the note to be saved.
func (p *partial) add(i int, n int64) (due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ranges[i] += n
	return time.Since(p.saved) > 2*time.Second
}

// verify holds the whole file against the digest that the hub promised.
func (p *partial) verify(ctx context.Context) error {
	want, kind := p.f.SHA256, "SHA-256"
	var h hash.Hash = sha256.New()
	if want == "" {
		want, kind, h = p.f.GitID, "git", sha1.New()
		_, _ = fmt.Fprintf(h, "blob %d\x00", p.f.Size) // hashes never fail
	}
	if err := p.file.Truncate(p.f.Size); err != nil {
		return err
	}
	if _, err := io.Copy(h, &ctxReader{ctx, io.NewSectionReader(p.file, 0, p.f.Size)}); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("its %s digest is %s, and the hub promised %s; it was damaged on the way or the hub is wrong, and what arrived was thrown away: pull it again", kind, got, want)
	}
	return nil
}

// ctxReader ends with the context: hashing many gigabytes takes a while.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
