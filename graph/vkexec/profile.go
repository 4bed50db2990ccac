package vkexec

import "sort"

// OpTime is the device time of one kind of dispatch, summed over steps and layers.
type OpTime struct {
	Op         string  // kernel
	Label      string  // what it computes, layer numbers aside: "attn_qkv"
	Dispatches int     // how many were timed
	NS         float64 // device nanoseconds, all together
	Bytes      uint64  // weight bytes read, all together
	Moved      float64 // bytes of weights, cache and activations that had to move at least, all together
	FLOPs      float64 // all together
}

// GBps is the rate at which the weights were read.
func (t OpTime) GBps() float64 {
	if t.NS == 0 {
		return 0
	}
	return float64(t.Bytes) / t.NS
}

// profile collects the times of the plans that ran.
type profile map[[2]string]*OpTime

// note adds the times of the parts of one submission. past is the mean number of tokens that the step's sequences had in the
// cache before it.
func (p profile) note(stages []stage, parts []part, ns []float64, past float64) {
	for i, part := range parts {
		if i >= len(ns) {
			return
		}
		s := stages[part.dispatch]
		key := [2]string{s.op, trimLayer(s.label)}
		t := p[key]
		if t == nil {
			t = &OpTime{Op: key[0], Label: key[1]}
			p[key] = t
		}
		t.NS += ns[i]
		if part.first != [3]uint32{} { // the first part counts for all
			continue
		}
		t.Dispatches++
		t.Bytes += s.bytes
		moved, flops := s.work.at(past)
		t.Moved += moved
		t.FLOPs += flops
	}
}

// trimLayer takes the layer off a label: "blk.12.attn_qkv" becomes "attn_qkv".
func trimLayer(label string) string {
	const prefix = "blk."
	if len(label) > len(prefix) && label[:len(prefix)] == prefix {
		for i := len(prefix); i < len(label); i++ {
			if label[i] == '.' {
				return label[i+1:]
			}
		}
	}
	return label
}

// Profile returns the times since the last call, longest first; empty without Options.Profile.
func (e *Executor) Profile() []OpTime {
	var times []OpTime
	for _, t := range e.times {
		times = append(times, *t)
	}
	e.times = profile{}
	sort.Slice(times, func(i, j int) bool {
		return times[i].NS > times[j].NS || times[i].NS == times[j].NS && times[i].Label < times[j].Label
	})
	return times
}
