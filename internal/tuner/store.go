package tuner

import (
	"encoding/json"
	"fmt"
)

// Table holds the verdicts of one device, driver and set of kernels, as they are kept from run to run.
type Table struct {
	rows map[string]row
}

// row is a verdict as it is stored.
type row struct {
	Best     string             `json:"best"`
	Micros   map[string]float64 `json:"us,omitempty"` // median by candidate
	Excluded []string           `json:"excluded,omitempty"`
}

// maxRows bounds a table that is read from a file.
const maxRows = 4096

// ReadTable reads what Bytes wrote. The error says why data is none; the table is empty then.
func ReadTable(data []byte) (*Table, error) {
	t := &Table{rows: map[string]row{}}
	if len(data) == 0 {
		return t, nil
	}
	rows := map[string]row{}
	if err := json.Unmarshal(data, &rows); err != nil {
		return t, fmt.Errorf("a table of measurements: %w", err)
	}
	if len(rows) > maxRows {
		return t, fmt.Errorf("a table of %d measurements; at most %d are possible", len(rows), maxRows)
	}
	t.rows = rows
	return t, nil
}

// Bytes is the table in the form of a file.
func (t *Table) Bytes() []byte {
	data, err := json.MarshalIndent(t.rows, "", " ")
	if err != nil {
		panic("BUG: tuner: " + err.Error())
	}
	return append(data, '\n')
}

// Len is the number of choices that the table decides.
func (t *Table) Len() int { return len(t.rows) }

// Put notes the verdicts. Those for which the budget did not suffice count as well: nobody waits for them again until the
// table is forgotten.
func (t *Table) Put(verdicts []Verdict) {
	for _, v := range verdicts {
		r := row{Best: v.Candidates[v.Best]}
		for i, err := range v.Excluded {
			if err != nil {
				r.Excluded = append(r.Excluded, v.Candidates[i])
			}
		}
		for i, d := range v.Times {
			if d > 0 {
				if r.Micros == nil {
					r.Micros = map[string]float64{}
				}
				r.Micros[v.Candidates[i]] = float64(d.Nanoseconds()) / 1000
			}
		}
		t.rows[v.Key] = r
	}
}

// Best is the candidate that was the fastest for the choice of that key, "" where the table does not know.
func (t *Table) Best(key string) string { return t.rows[key].Best }

// Times are the medians in microseconds of the choice's candidates, by name; nil where it was not measured.
func (t *Table) Times(key string) map[string]float64 { return t.rows[key].Micros }

// Forget empties the table.
func (t *Table) Forget() { clear(t.rows) }
