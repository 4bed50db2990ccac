package qwenvk

import (
	"context"
	"fmt"
	"sync"
)

// lifetime lets something be closed while others use it: uses that began are waited for, later ones are refused.
type lifetime struct {
	name string // in errors
	mu   sync.Mutex
	done bool
	uses sync.WaitGroup
	stop context.CancelFunc // of the uses' contexts
	ctx  context.Context
	over chan struct{} // closed when close has done its work
}

func newLifetime(name string) *lifetime {
	l := &lifetime{name: name, over: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// err is ErrClosed once close was called.
func (l *lifetime) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return fmt.Errorf("the %s is %w", l.name, ErrClosed)
	}
	return nil
}

// begin announces a use, which end ends. Its context is cancelled by close.
func (l *lifetime) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil, nil, fmt.Errorf("the %s is %w", l.name, ErrClosed)
	}
	l.uses.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(l.ctx, cancel)
	return ctx, func() {
		forget()
		cancel()
		l.uses.Done()
	}, nil
}

// close ends the lifetime: it cancels the uses, waits for their end and calls release, once. Who calls it again, or
// meanwhile, waits for that.
func (l *lifetime) close(release func() error) error {
	l.mu.Lock()
	again := l.done
	l.done = true
	l.mu.Unlock()
	if again {
		<-l.over
		return nil
	}
	defer close(l.over)
	l.stop()
	l.uses.Wait()
	return release()
}
