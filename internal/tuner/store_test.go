package tuner

import (
	"errors"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	ab := []string{"a", "b"}
	table, err := ReadTable(nil)
	if err != nil {
		t.Fatal(err)
	}
	table.Put([]Verdict{
		{Choice: Choice{Key: "measured", Candidates: ab}, Best: 1, Measured: true, Times: []time.Duration{3000, 2000}, Excluded: []error{nil, nil}},
		{Choice: Choice{Key: "cut short", Candidates: ab}, Times: []time.Duration{0, 0}, Excluded: []error{nil, nil}},
		{Choice: Choice{Key: "one failed", Candidates: ab}, Best: 1, Times: []time.Duration{0, 0}, Excluded: []error{errors.New("lost"), nil}},
	})
	read, err := ReadTable(table.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"measured": "b", "cut short": "a", "one failed": "b", "unknown": ""} {
		if got := read.Best(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if got := read.Times("measured"); got["a"] != 3 || got["b"] != 2 {
		t.Errorf("times %v", got)
	}
	if read.Len() != 3 {
		t.Errorf("%d rows were kept, want 3", read.Len())
	}
}

func TestBadTable(t *testing.T) {
	for _, bad := range []string{"{", "[]", `{"k":3}`, "\x00\x01", `{"k":{"best":7}}`} {
		table, err := ReadTable([]byte(bad))
		if err == nil || table.Len() != 0 {
			t.Errorf("%q was read as %d rows", bad, table.Len())
		}
	}
}
