package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// ErrBusy reports that something is still in use.
var ErrBusy = errors.New("in use")

// AdapterUse is an adapter of the engine and how strongly it acts: 1 as it was trained, 0 not at all.
type AdapterUse struct {
	Adapter *graph.Adapter
	Scale   float64
}

// adapterSet is a choice of adapters on the device. Sessions share it; each has scales of its own.
type adapterSet struct {
	list   []*graph.Adapter // by name
	device *vkexec.Adapters
	users  int
	used   uint64 // when a session last chose it
}

// maxIdleSets is how many sets stay on the device that no session uses, so that going back and forth costs nothing.
const maxIdleSets = 3

// AddAdapter makes an adapter known; source finds its matrices by the names that graph.Adapter gives them.
func (e *Engine) AddAdapter(a *graph.Adapter, source vkexec.Source) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sources[a] = source
}

// RemoveAdapter forgets an adapter and the device memory that it takes. Error: ErrBusy while a session uses it.
func (e *Engine) RemoveAdapter(a *graph.Adapter) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, set := range e.sets {
		if !e.closed && set.users > 0 && slices.Contains(set.list, a) {
			return fmt.Errorf("the adapter is %w by %d sessions: choose others for them first", ErrBusy, set.users)
		}
	}
	e.sets = slices.DeleteFunc(e.sets, func(set *adapterSet) bool {
		gone := slices.Contains(set.list, a)
		if gone && !e.closed && !e.away {
			e.exec().ReleaseAdapters(set.device)
		}
		return gone
	})
	delete(e.sources, a)
	return nil
}

// SetAdapters chooses the adapters that act on the session from now on; none: the model as it is. The first choice of
// a set uploads it, later ones and changes of scale cost nothing. What the cache holds was computed with other
// adapters, so any change forgets it.
//
// The same adapter named twice acts with the sum of both scales. Errors: those of the device, and a scale that is not
// finite. Not to be called while an answer of the session is running.
func (s *Session) SetAdapters(ctx context.Context, uses []AdapterUse) error {
	if err := s.e.present(ctx); err != nil {
		return err
	}
	defer s.e.mu.Unlock()
	if err := s.ready(); err != nil {
		return fmt.Errorf("adapters cannot be chosen: %w", err)
	}
	list, scales, err := ordered(uses)
	if err != nil {
		return err
	}
	if s.adapters != nil && slices.Equal(s.adapters.list, list) {
		if !slices.Equal(s.scales, scales) {
			s.scales, s.cached = scales, s.cached[:0]
		}
		return nil
	}
	if s.adapters == nil && len(list) == 0 {
		return nil
	}
	set, err := s.e.set(ctx, list)
	if err != nil {
		return err
	}
	s.dropAdapters()
	if set != nil {
		set.users++
	}
	s.adapters, s.scales, s.cached = set, scales, s.cached[:0]
	return nil
}

// dropAdapters ends the session's use of its set.
func (s *Session) dropAdapters() {
	if s.adapters != nil {
		s.adapters.users--
	}
	s.adapters, s.scales = nil, nil
}

// ordered brings uses into the order of the adapters' names, so that a set is the same in whatever order it is named.
func ordered(uses []AdapterUse) (list []*graph.Adapter, scales []float64, err error) {
	sums := map[*graph.Adapter]float64{}
	for _, u := range uses {
		if math.IsNaN(u.Scale) || math.Abs(u.Scale) > math.MaxFloat32 {
			return nil, nil, fmt.Errorf("an adapter's scale cannot be %g", u.Scale)
		}
		if _, ok := sums[u.Adapter]; !ok {
			list = append(list, u.Adapter)
		}
		sums[u.Adapter] += u.Scale
	}
	slices.SortFunc(list, func(a, b *graph.Adapter) int { return cmp.Compare(a.Name, b.Name) })
	for _, a := range list {
		scales = append(scales, sums[a])
	}
	return list, scales, nil
}

// set finds a set on the device, or uploads it. No adapters: nil.
func (e *Engine) set(ctx context.Context, list []*graph.Adapter) (*adapterSet, error) {
	if len(list) == 0 {
		return nil, nil
	}
	e.clock++
	for _, set := range e.sets {
		if slices.Equal(set.list, list) {
			set.used = e.clock
			return set, nil
		}
	}
	for _, a := range list {
		if e.sources[a] == nil {
			return nil, errors.New("the adapter belongs to another model, or was closed")
		}
	}
	e.dropIdle(maxIdleSets - 1)
	device, err := e.exec().NewAdapters(ctx, graph.NewAdapters(list...), e.adapterSource(list))
	if err != nil && e.dropIdle(0) { // the memory of others may do
		device, err = e.exec().NewAdapters(ctx, graph.NewAdapters(list...), e.adapterSource(list))
	}
	if err != nil {
		return nil, fmt.Errorf("adapters: %w", err)
	}
	set := &adapterSet{list: list, device: device, used: e.clock}
	e.sets = append(e.sets, set)
	return set, nil
}

// adapterSource finds the matrices of a set.
func (e *Engine) adapterSource(list []*graph.Adapter) vkexec.Source {
	sources := map[string]vkexec.Source{}
	for _, a := range list {
		sources[a.Name] = e.sources[a]
	}
	return vkexec.AdapterSource(sources)
}

// dropIdle releases the sets that no session uses, those used last excepted. It reports whether there were any.
func (e *Engine) dropIdle(keep int) bool {
	var idle []*adapterSet
	for _, set := range e.sets {
		if set.users == 0 {
			idle = append(idle, set)
		}
	}
	if len(idle) <= keep {
		return false
	}
	slices.SortFunc(idle, func(a, b *adapterSet) int { return cmp.Compare(b.used, a.used) })
	for _, set := range idle[keep:] {
		e.exec().ReleaseAdapters(set.device)
		e.sets = slices.DeleteFunc(e.sets, func(s *adapterSet) bool { return s == set })
	}
	return true
}
