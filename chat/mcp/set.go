package mcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/qwenvk/qwenvk/chat"
)

// Options bound the servers.
type Options struct {
	StartTimeout time.Duration // until a server has said what it offers; 0: one minute
	Reserved     []string      // names that tools of other origin have
	Version      string        // of this program, for the servers
	Warn         func(message string)
}

func (o Options) warn(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

// Tool is a tool of a server.
type Tool struct {
	chat.Tool
	Server  string
	Allowed bool // the configuration says that it needs no approval
}

// Set is a number of running servers.
type Set struct {
	sessions []*session
	tools    []Tool
}

// Start starts all servers at the same time and returns those that answer. The error tells of the others, a sentence
// for each; the Set is usable all the same and must be closed.
func Start(ctx context.Context, servers []Server, o Options) (*Set, error) {
	if o.StartTimeout <= 0 {
		o.StartTimeout = time.Minute
	}
	sessions, errs := make([]*session, len(servers)), make([]error, len(servers))
	var all sync.WaitGroup
	for i, server := range servers {
		if server.Disabled {
			continue
		}
		all.Go(func() {
			limited, cancel := context.WithTimeout(ctx, o.StartTimeout)
			defer cancel()
			sessions[i], errs[i] = connect(limited, server, o)
			switch {
			case errs[i] == nil:
			case ctx.Err() == nil && errors.Is(errs[i], context.DeadlineExceeded):
				errs[i] = fmt.Errorf("the tool server %s does not answer within %v", server.Name, o.StartTimeout)
			default:
				errs[i] = fmt.Errorf("the tool server %s cannot be used: %w", server.Name, errs[i])
			}
		})
	}
	all.Wait()
	set := &Set{}
	for i, s := range sessions {
		if errs[i] == nil && s != nil {
			set.sessions = append(set.sessions, s)
		}
	}
	set.name(o.Reserved)
	return set, errors.Join(errs...)
}

// notInNames is what a server's name must not bring into a tool's.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// name gives each tool a name of its own: the server's, or server__tool where two servers have the same.
func (s *Set) name(reserved []string) {
	uses := map[string]int{}
	for _, name := range reserved {
		uses[name]++
	}
	for _, one := range s.sessions {
		for _, t := range one.tools {
			uses[t.Name]++
		}
	}
	taken := map[string]bool{}
	for _, one := range s.sessions {
		for _, t := range one.tools {
			allowed := slices.Contains(one.server.AlwaysAllow, t.Name)
			renamed := uses[t.Name] > 1
			if renamed {
				t.Name = notInNames.ReplaceAllString(one.server.Name, "_") + "__" + t.Name
			}
			base := t.Name
			for n := 2; taken[t.Name] || renamed && uses[t.Name] > 0; n++ {
				renamed = true
				t.Name = fmt.Sprintf("%s_%d", base, n)
			}
			taken[t.Name] = true
			s.tools = append(s.tools, Tool{Tool: t, Server: one.server.Name, Allowed: allowed})
		}
	}
}

// Tools lists what the servers offer, in the order of the configuration.
func (s *Set) Tools() []Tool { return slices.Clone(s.tools) }

// Close ends the servers and all that they have started.
func (s *Set) Close() error {
	var all sync.WaitGroup
	for _, one := range s.sessions {
		all.Go(one.close)
	}
	all.Wait()
	return nil
}

// Kill ends the servers at once, for a program that has no time left.
func (s *Set) Kill() {
	for _, one := range s.sessions {
		if one.process != nil {
			one.process.kill()
		}
	}
}
