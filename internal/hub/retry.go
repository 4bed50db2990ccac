package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// temporary is a failure that may be gone in a moment.
type temporary struct {
	error
	wait time.Duration // as the hub asks; 0: our own
}

func (t temporary) Unwrap() error { return t.error }

const (
	tries    = 6           // of one request, without a byte of progress
	longWait = time.Minute // a hub that asks for more is not waited for
)

// retry calls do until it succeeds, fails for good, or has failed often enough. The pause doubles each time.
func (c *Client) retry(ctx context.Context, do func() error) error {
	pause := c.pause
	if pause == 0 {
		pause = time.Second
	}
	for try := 1; ; try++ {
		err := do()
		var t temporary
		if err == nil || !errors.As(err, &t) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := t.wait
		if wait == 0 {
			wait = pause + rand.N(pause/2+1)
			pause *= 2
		}
		if try == tries || wait > longWait {
			return t.error
		}
		if c.Log != nil {
			c.Log.Debug("trying again", "err", t.error, "in", wait.Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// retryAfter reads the pause that a server asks for, in seconds or as a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
