package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// File is what one run of the bench wrote.
type File struct {
	Name string // of the file, without folder and ".json"
	Rows []Row
}

// Bounds of a file that somebody hands over.
const (
	maxFileBytes  = 32 << 20
	maxFileRows   = 10_000
	maxFileRuns   = 100_000
	maxTextLength = 1000
)

// ReadFile reads what `bench -o json` wrote. The error is one sentence that names the file.
func ReadFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		var cause *os.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return File{}, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	defer f.Close()
	file, err := Read(f)
	if err != nil {
		return File{}, fmt.Errorf("%s is no measurement of qwenvk bench -o json: %w", path, err)
	}
	base := filepath.Base(path)
	file.Name = printable(strings.TrimSuffix(base, filepath.Ext(base)))
	return file, nil
}

// Read reads a document, or the tests of a report that scripts/gpu_report.sh led to; see ReadFile.
func Read(r io.Reader) (File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	switch {
	case err != nil:
		return File{}, err
	case len(text) > maxFileBytes:
		return File{}, fmt.Errorf("it has more than %d bytes", maxFileBytes)
	}
	var file File
	var report struct {
		Version int   `json:"qwenvk_report"`
		Bench   []Row `json:"bench"`
	}
	err = json.Unmarshal(text, &file.Rows)
	if err != nil && json.Unmarshal(text, &report) == nil && report.Version > 0 {
		file.Rows, err = report.Bench, nil
	}
	if err != nil {
		var kind *json.UnmarshalTypeError
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &kind) && kind.Field != "":
			err = fmt.Errorf("field %q is of type %s", kind.Field, kind.Value)
		case errors.As(err, &kind):
			err = fmt.Errorf("it is JSON of type %s, and a list of tests is expected", kind.Value)
		case errors.As(err, &syntax):
			err = fmt.Errorf("it is not JSON at byte %d", syntax.Offset)
		}
		return File{}, err
	}
	if len(file.Rows) == 0 {
		return File{}, errors.New("it has no tests")
	}
	if len(file.Rows) > maxFileRows {
		return File{}, fmt.Errorf("it has %d tests, more than %d", len(file.Rows), maxFileRows)
	}
	for i := range file.Rows {
		if err := file.Rows[i].checkRead(); err != nil {
			return File{}, fmt.Errorf("test %d: %w", i+1, err)
		}
	}
	return file, nil
}

// checkRead refuses a row that no run wrote, takes control characters out of its texts, and completes what files of
// earlier versions lack.
func (r *Row) checkRead() error {
	for name, text := range map[string]*string{
		"test": &r.Test, "model": &r.Model, "type": &r.Type, "device": &r.Device, "driver": &r.Driver, "qwenvk": &r.Program, "arch": &r.Arch,
	} {
		if len(*text) > maxTextLength {
			return fmt.Errorf("field %q has %d bytes", name, len(*text))
		}
		*text = printable(*text)
	}
	switch {
	case r.Test == "":
		return errors.New(`field "test" is missing`)
	case len(r.TPS) > maxFileRuns:
		return fmt.Errorf("it has %d runs", len(r.TPS))
	case r.Depth < 0 || r.Depth > 1<<30 || r.Batch < 0 || r.Prompt < 0 || r.Gen < 0 || r.Bytes < 0 || r.Params < 0:
		return errors.New("it has a negative or unheard-of size")
	}
	for _, v := range append([]float64{r.TPSMean}, r.TPS...) {
		if !(v >= 0) || v > 1e12 {
			return fmt.Errorf("%g tokens per second are not possible", v)
		}
	}
	if len(r.TPS) == 0 && r.TPSMean > 0 {
		r.TPS = []float64{r.TPSMean}
	}
	for _, list := range [][]Kernel{r.Kernels, r.Profile} {
		if err := checkKernels(list); err != nil {
			return err
		}
	}
	r.TPSMean, r.TPSStd = meanAndSpread(r.TPS)
	r.TPSMid = median(r.TPS)
	for _, p := range []**float64{&r.BandwidthShare, &r.BandwidthGBPS, &r.CopyGBPS, &r.Limits.CopyGBPS, &r.Limits.ReadGBPS, &r.Limits.FP32GFLOPS, &r.Limits.FP16GFLOPS, &r.Limits.INT8GOPS, &r.Limits.MatrixGF} {
		if *p != nil && (math.Abs(**p) > 1e12) {
			*p = nil
		}
	}
	return nil
}

// printable takes out what would steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s)
}

// checkKernels bounds a list of kernels and cleans its texts.
func checkKernels(list []Kernel) error {
	if len(list) > maxFileRows {
		return fmt.Errorf("it has %d kernels, more than %d", len(list), maxFileRows)
	}
	for i := range list {
		k := &list[i]
		for _, text := range []*string{&k.Kernel, &k.For, &k.Shape, &k.Group, &k.Limit} {
			if len(*text) > maxTextLength {
				return fmt.Errorf("a text of kernel %d has %d bytes", i+1, len(*text))
			}
			*text = printable(*text)
		}
		if k.Share != nil && !(*k.Share >= 0 && *k.Share < 1e6) {
			k.Share = nil
		}
	}
	return nil
}
