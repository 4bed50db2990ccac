package engine

import (
	"strings"
	"testing"
)

func TestStopMatcher(t *testing.T) {
	cases := []struct {
		stops  []string
		pieces []string
		want   string // pieces as passed on, one "|" between them
		stop   bool
	}{
		{nil, []string{"a", "b"}, "a|b|", false},
		{[]string{"STOP"}, []string{"abSTOPcd"}, "ab", true},
		{[]string{"STOP"}, []string{"abS", "TO", "Pcd"}, "ab||", true},
		{[]string{"STOP"}, []string{"abS", "TO", "x"}, "ab||STOx|", false},
		{[]string{"STOP"}, []string{"abST"}, "ab|ST", false},
		{[]string{"ab", "b"}, []string{"xab"}, "x", true},
		{[]string{"aab"}, []string{"aa", "ab"}, "|a", true},
		{[]string{"\n\n", ","}, []string{"x\n", "y,", "z"}, "x|\ny", true},
		{[]string{""}, []string{"x"}, "x|", false},
		{[]string{"。"}, []string{"中", "。", "x"}, "中|", true},
	}
	for _, c := range cases {
		m := newStopMatcher(c.stops)
		var got []string
		stopped := false
		for _, p := range c.pieces {
			var text string
			text, stopped = m.push(p)
			got = append(got, text)
			if stopped {
				break
			}
		}
		if !stopped {
			got = append(got, m.rest())
		}
		if s := strings.Join(got, "|"); s != c.want || stopped != c.stop {
			t.Errorf("stops %q, pieces %q: got %q, stopped %v; want %q, %v", c.stops, c.pieces, s, stopped, c.want, c.stop)
		}
	}
}
