package bench

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// csvColumns are the fields of a row's JSON that fit a cell, in their order.
var csvColumns = []string{
	"test", "n_prompt", "n_gen", "depth", "batch", "reps", "tps_mean", "tps_std", "tps_median", "tps_drift", "tps", "model", "arch", "layers", "params", "bytes",
	"type", "device", "driver", "tier", "dispatches_per_token", "barriers_per_token", "submits_per_token", "host_us_per_token",
	"weight_bytes_per_token", "bandwidth_gbps", "bandwidth_share", "measured_copy_gbps", "vram_bytes", "qwenvk",
}

// CSV writes rows with the field names of their JSON as header. What is null there is empty; the runs of a test are
// separated by spaces. Texts that a spreadsheet would take for a formula get an apostrophe in front.
func CSV(rows []Row) (string, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(csvColumns); err != nil {
		return "", err
	}
	for _, r := range rows {
		fields, err := fieldsOf(r)
		if err != nil {
			return "", err
		}
		cells := make([]string, len(csvColumns))
		for i, name := range csvColumns {
			cells[i] = csvCell(fields[name])
		}
		if err := w.Write(cells); err != nil {
			return "", err
		}
	}
	w.Flush()
	return b.String(), w.Error()
}

// fieldsOf is a row by the names of its JSON.
func fieldsOf(r Row) (map[string]any, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // as they were written
	var fields map[string]any
	return fields, d.Decode(&fields)
}

func csvCell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = fmt.Sprint(e)
		}
		return strings.Join(parts, " ")
	case string:
		if v != "" && slices.Contains([]byte("=+-@\t\r"), v[0]) {
			return "'" + v
		}
		return v
	}
	return fmt.Sprint(value)
}
