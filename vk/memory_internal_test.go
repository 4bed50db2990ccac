package vk

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSpans runs random takes and gives against an array that says who owns
// each byte.
func TestSpans(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		const size = 4096
		s := newSpans(size)
		owner := make([]int, size)
		type piece struct{ offset, size uint64 }
		live := map[int]piece{}
		for step := 1; step <= 400; step++ {
			if len(live) > 0 && r.IntN(5) < 2 {
				for id, p := range live { // any one
					s.give(p.offset, p.size)
					for i := p.offset; i < p.offset+p.size; i++ {
						owner[i] = 0
					}
					delete(live, id)
					break
				}
			} else {
				n, align := uint64(1+r.IntN(300)), uint64(1)<<r.IntN(9)
				offset, ok := s.take(n, align)
				if !ok {
					if fits(owner, n, align) {
						t.Fatalf("seed %d step %d: %d bytes at %d were refused though there is room", seed, step, n, align)
					}
					continue
				}
				if offset%align != 0 || offset+n > size {
					t.Fatalf("seed %d step %d: %d bytes at %d: got offset %d", seed, step, n, align, offset)
				}
				for i := offset; i < offset+n; i++ {
					if owner[i] != 0 {
						t.Fatalf("seed %d step %d: byte %d is given twice", seed, step, i)
					}
					owner[i] = step
				}
				live[step] = piece{offset, n}
			}
			checkSpans(t, s, owner)
		}
		for _, p := range live {
			s.give(p.offset, p.size)
		}
		if s.used != 0 || !slices.Equal(s.holes, []span{{0, size}}) {
			t.Fatalf("seed %d: after everything was given back: %d used, holes %v", seed, s.used, s.holes)
		}
	}
}

// fits looks for a free aligned run the slow way.
func fits(owner []int, n, align uint64) bool {
	for at := uint64(0); at+n <= uint64(len(owner)); at += align {
		if !slices.ContainsFunc(owner[at:at+n], func(id int) bool { return id != 0 }) {
			return true
		}
	}
	return false
}

// checkSpans checks that holes are sorted, apart, and exactly the free bytes.
func checkSpans(t *testing.T, s *spans, owner []int) {
	t.Helper()
	free := make([]bool, len(owner))
	end := uint64(0)
	for i, h := range s.holes {
		if h.size == 0 || i > 0 && h.offset <= end {
			t.Fatalf("holes %v", s.holes)
		}
		end = h.offset + h.size
		for j := h.offset; j < end; j++ {
			free[j] = true
		}
	}
	used := uint64(0)
	for i := range owner {
		if free[i] == (owner[i] != 0) {
			t.Fatalf("byte %d: free %v, owner %d", i, free[i], owner[i])
		}
		if owner[i] != 0 {
			used++
		}
	}
	if used != s.used {
		t.Fatalf("%d bytes used, counted %d", used, s.used)
	}
}

// TestCandidates checks the choice of memory on the machines that exist.
func TestCandidates(t *testing.T) {
	const gib = 1 << 30
	device := MemoryType{DeviceLocal: true}
	host := MemoryType{Heap: 1, HostVisible: true, HostCoherent: true}
	cached := MemoryType{Heap: 1, HostVisible: true, HostCoherent: true, HostCached: true}
	bar := MemoryType{Heap: 2, DeviceLocal: true, HostVisible: true, HostCoherent: true}
	wholeBAR := MemoryType{Heap: 0, DeviceLocal: true, HostVisible: true, HostCoherent: true}
	all := MemoryType{Heap: 0, DeviceLocal: true, HostVisible: true, HostCoherent: true, HostCached: true}
	loose := MemoryType{Heap: 1, HostVisible: true, HostCached: true}
	special := MemoryType{Heap: 0, DeviceLocal: true, HostVisible: true, HostCoherent: true, Special: true}

	card := Caps{
		Heaps: []MemoryHeap{{8 * gib, true}, {32 * gib, false}, {gib / 4, true}},
		Types: []MemoryType{device, host, cached, bar}, DeviceBytes: 8 * gib,
	}
	resized := Caps{
		Heaps: []MemoryHeap{{24 * gib, true}, {32 * gib, false}},
		Types: []MemoryType{device, wholeBAR, host, cached}, DeviceBytes: 24 * gib,
	}
	software := Caps{Heaps: []MemoryHeap{{16 * gib, true}}, Types: []MemoryType{all}, DeviceBytes: 16 * gib}
	odd := Caps{
		Heaps: []MemoryHeap{{gib, true}, {gib, false}},
		Types: []MemoryType{special, device, loose}, DeviceBytes: gib,
	}
	for _, test := range []struct {
		name string
		caps *Caps
		kind MemoryKind
		want []int
	}{
		{"card", &card, DeviceLocal, []int{0, 3}},
		{"card", &card, HostToDevice, []int{3, 1, 2}},
		{"card", &card, DeviceToHost, []int{2, 1, 3}},
		{"card", &card, hostStaging, []int{1, 2, 3}},
		{"card with a resized BAR", &resized, DeviceLocal, []int{1, 0}},
		{"card with a resized BAR", &resized, HostToDevice, []int{1, 2, 3}},
		{"software", &software, DeviceLocal, []int{0}},
		{"software", &software, DeviceToHost, []int{0}},
		{"software", &software, hostStaging, []int{0}},
		{"special and incoherent types", &odd, DeviceLocal, []int{1}},
		{"special and incoherent types", &odd, HostToDevice, []int{2}},
		{"special and incoherent types", &odd, DeviceToHost, []int{2}},
	} {
		if got := test.kind.candidates(test.caps, ^uint32(0)); !slices.Equal(got, test.want) {
			t.Errorf("%s, kind %d: types %v, want %v", test.name, test.kind, got, test.want)
		}
	}
	if got := DeviceLocal.candidates(&card, 0b0110); len(got) != 0 {
		t.Errorf("types that the buffer does not allow were chosen: %v", got)
	}
}

func TestBytesString(t *testing.T) {
	for n, want := range map[Bytes]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 3 << 30: "3.0 GiB", 1 << 62: "4194304.0 TiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d: %q, want %q", uint64(n), got, want)
		}
	}
}
