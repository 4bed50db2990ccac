package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// DefaultEndpoint is the address of the public hub.
const DefaultEndpoint = "https://huggingface.co"

// Client fetches models from one hub. The zero value, with Cache set, fetches from the public hub without a token. It is
// not safe for concurrent use.
type Client struct {
	Endpoint string // address of the hub; "": DefaultEndpoint
	Token    string // sent to the hub alone
	Cache    string // folder of the shared cache
	Parts    int    // ranges of a file that are fetched at the same time; 0: 4
	Log      *slog.Logger
	Progress func(Progress) // called from several goroutines, one at a time

	http      *http.Client
	pause     time.Duration // before the first retry; 0: one second
	stall     time.Duration // without a byte until a connection is given up; 0: one minute
	rangeSize int64         // bytes of a range; 0: 32 MiB
}

// Progress tells how far a Pull is. Done counts what was in the cache already.
type Progress struct {
	File        string
	Done, Total int64 // bytes of all files together
}

// Pulled is a model that lies in the cache.
type Pulled struct {
	Path    string // what a program opens: the snapshot's folder or a GGUF file in it
	Commit  string
	Files   int
	Bytes   int64
	Fetched int64 // bytes of Bytes that came over the network now
}

// Bounds of what a hub may answer.
const (
	maxListing  = 64 << 20 // bytes of a repository's listing
	maxFiles    = 100_000
	maxFileSize = 1 << 43 // 8 TiB
)

// Pull makes sure that the files of a model lie in the cache. revision is a branch, tag or commit; "": DefaultRevision.
// After an error, also that of a cancelled ctx, what arrived is kept and the next Pull goes on from there.
func (c *Client) Pull(ctx context.Context, n Name, revision string) (Pulled, error) {
	if revision == "" {
		revision = DefaultRevision
	}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = time.Minute
		c.http = &http.Client{Transport: t} // net/http drops the token where a redirect leaves the hub's domain
		defer t.CloseIdleConnections()
	}
	commit, files, err := c.list(ctx, n, revision)
	if err != nil {
		return Pulled{}, err
	}
	if files, err = choose(n, files); err != nil {
		return Pulled{}, err
	}
	for i := range files {
		if files[i].etag() == "" || files[i].Size < 0 {
			if files[i], err = c.head(ctx, n, commit, files[i]); err != nil {
				return Pulled{}, err
			}
		}
	}
	p := Pulled{Commit: commit, Files: len(files)}
	folder := c.path(n.folder())
	for _, f := range files {
		p.Bytes += f.Size
	}
	if err := c.checkSpace(folder, files); err != nil {
		return Pulled{}, err
	}
	t := &transfer{client: c, name: n, commit: commit, folder: folder, total: p.Bytes}
	for _, f := range files {
		if err := t.file(ctx, f); err != nil {
			return Pulled{}, fmt.Errorf("%s of %s: %w", f.Path, n.ID(), err)
		}
	}
	p.Fetched = t.fetched
	if err := writeWhole(c.path(n.folder(), "refs", DefaultRevision), []byte(commit)); err != nil {
		return Pulled{}, fmt.Errorf("the model cache cannot be written: %w", err)
	}
	p.Path, err = find(c.path(n.folder(), "snapshots", commit), n)
	return p, err
}

// request makes a request to the hub, with the token.
func (c *Client) request(ctx context.Context, method string, parts ...string) (*http.Request, error) {
	base := c.Endpoint
	if base == "" {
		base = DefaultEndpoint
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("the hub's address %q is no http or https address", base)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.JoinPath(parts...).String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "qwenvk")
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	return r, nil
}

// listing is what a hub tells of a repository: api/models/ID/revision/REVISION?blobs=true.
type listing struct {
	SHA      string `json:"sha"`
	Siblings []struct {
		Path   string `json:"rfilename"`
		Size   *int64 `json:"size"`
		BlobID string `json:"blobId"`
		LFS    *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
	} `json:"siblings"`
}

// list returns the commit of a revision and its files.
func (c *Client) list(ctx context.Context, n Name, revision string) (commit string, files []File, err error) {
	r, err := c.request(ctx, http.MethodGet, "api", "models", n.Owner, n.Repo, "revision", url.PathEscape(revision))
	if err != nil {
		return "", nil, err
	}
	r.URL.RawQuery = "blobs=true"
	var body []byte
	err = c.retry(ctx, func() error {
		answer, err := c.http.Do(r)
		if err != nil {
			return c.unreachable(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if err := c.status(answer, n.ID(), revision); err != nil {
			return err
		}
		body, err = io.ReadAll(io.LimitReader(answer.Body, maxListing+1))
		if err != nil {
			return temporary{err, 0}
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	var l listing
	if len(body) > maxListing || json.Unmarshal(body, &l) != nil {
		return "", nil, fmt.Errorf("the hub at %s does not answer as a hub does: its listing of %s is not the JSON expected; check the address", r.URL.Host, n.ID())
	}
	if !commitForm.MatchString(l.SHA) {
		return "", nil, fmt.Errorf("the hub's listing of %s names %q as its commit, which is none", n.ID(), l.SHA)
	}
	if len(l.Siblings) > maxFiles {
		return "", nil, fmt.Errorf("the hub's listing of %s has %d files; at most %d are read", n.ID(), len(l.Siblings), maxFiles)
	}
	for _, s := range l.Siblings {
		f := File{Path: s.Path, Size: -1, GitID: s.BlobID}
		if s.Size != nil {
			f.Size = *s.Size
		}
		if s.LFS != nil {
			f.SHA256, f.Size = s.LFS.SHA256, s.LFS.Size
		}
		if err := f.check(n); err != nil {
			return "", nil, err
		}
		files = append(files, f)
	}
	return l.SHA, files, nil
}

// check refuses what would leave the cache or could not be.
func (f File) check(n Name) error {
	local := f.Path != "" && !path.IsAbs(f.Path) && path.Clean(f.Path) == f.Path && f.Path != ".." && !strings.HasPrefix(f.Path, "../") &&
		!strings.ContainsAny(f.Path, "\\:\x00") && len(f.Path) < 4096
	digest := func(s string, n int) bool { return s == "" || len(s) == n && commitForm.MatchString(s) }
	switch {
	case !local:
		return fmt.Errorf("the hub's listing of %s has a file %q, which would lie outside of the model's folder; do not trust this hub", n.ID(), f.Path)
	case !digest(f.SHA256, 64) || !digest(f.GitID, 40):
		return fmt.Errorf("the hub's listing of %s has a wrong digest for %s", n.ID(), f.Path)
	case f.Size > maxFileSize || f.Size < -1:
		return fmt.Errorf("the hub's listing of %s says that %s has %d bytes, which cannot be", n.ID(), f.Path, f.Size)
	}
	return nil
}

// head asks for size and digest of one file, for hubs whose listings lack them. Redirects are not followed: the hub's own
// answer has both (X-Linked-Etag and X-Linked-Size for large files, else ETag and Content-Length).
func (c *Client) head(ctx context.Context, n Name, commit string, f File) (File, error) {
	r, err := c.resolve(ctx, http.MethodHead, n, commit, f)
	if err != nil {
		return f, err
	}
	r.Header.Set("Accept-Encoding", "identity") // the length of the content itself
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	err = c.retry(ctx, func() error {
		answer, err := client.Do(r)
		if err != nil {
			return c.unreachable(err)
		}
		_ = answer.Body.Close() // of a HEAD: empty
		if answer.StatusCode >= 400 {
			return c.status(answer, n.ID(), commit)
		}
		return f.fromHeader(answer.Header)
	})
	if err != nil {
		return f, err
	}
	return f, f.check(n)
}

// fromHeader reads a file's size and digest from the hub's answer.
func (f *File) fromHeader(h http.Header) error {
	tag, size := h.Get("X-Linked-Etag"), h.Get("X-Linked-Size")
	if tag == "" {
		tag = h.Get("ETag")
	}
	if size == "" {
		size = h.Get("Content-Length")
	}
	tag = strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || len(tag) != 64 && len(tag) != 40 {
		return fmt.Errorf("the hub tells neither size nor digest of %s, so it could not be checked", f.Path)
	}
	f.Size, f.SHA256, f.GitID = n, "", ""
	if len(tag) == 64 {
		f.SHA256 = tag
	} else {
		f.GitID = tag
	}
	return nil
}

func (c *Client) resolve(ctx context.Context, method string, n Name, commit string, f File) (*http.Request, error) {
	return c.request(ctx, method, n.Owner, n.Repo, "resolve", commit, (&url.URL{Path: f.Path}).EscapedPath())
}

// status turns an HTTP status into an error; nil where there is content.
func (c *Client) status(answer *http.Response, id, revision string) error {
	switch code := answer.StatusCode; {
	case code == http.StatusOK || code == http.StatusPartialContent:
		return nil
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		if c.Token == "" {
			return fmt.Errorf("the hub does not show %s without a token: it is private, needs its licence accepted, or does not exist; set HF_TOKEN", id)
		}
		return fmt.Errorf("the hub does not show %s to the owner of this token: accept its licence on its page, or use another token", id)
	case code == http.StatusNotFound:
		if revision == DefaultRevision {
			return fmt.Errorf("the hub has no model %s", id)
		}
		return fmt.Errorf("the hub has no model %s with a revision %s", id, revision)
	case code == http.StatusTooManyRequests || code >= 500:
		return temporary{fmt.Errorf("the hub answers %s", answer.Status), retryAfter(answer.Header)}
	default:
		return fmt.Errorf("the hub answers %s", answer.Status)
	}
}

func (c *Client) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address stands in the sentence already
	}
	base := c.Endpoint
	if base == "" {
		base = DefaultEndpoint
	}
	return temporary{fmt.Errorf("the hub at %s cannot be reached: %w", base, err), 0}
}
