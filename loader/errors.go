package loader

import (
	"errors"
	"fmt"
	"strings"
)

// What an error of this package is about, for errors.Is.
var (
	ErrNotFound         = errors.New("model not found")
	ErrCorrupt          = errors.New("model file damaged")
	ErrUnsupportedModel = errors.New("model not supported")
)

// Error is a model that cannot be opened: one sentence with what, where and what to do.
type Error struct {
	File    string // the file or folder it is about
	Problem string
	Advice  string // what to do, may be empty
	Kind    error  // ErrNotFound, ErrCorrupt, ErrUnsupportedModel, or nil
	Err     error  // the cause, or nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File + ": " + e.Problem)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

const downloadAgain = "download it again"

func corrupt(file string, err error) error {
	return &Error{File: file, Problem: "the file is damaged or incomplete", Advice: downloadAgain, Kind: ErrCorrupt, Err: err}
}

func unsupported(file, problem, advice string) error {
	return &Error{File: file, Problem: problem, Advice: advice, Kind: ErrUnsupportedModel}
}

// missingKey is a configuration that lacks a value which nothing else can give.
func missingKey(key string) error { return fmt.Errorf("key %q is missing", key) }

// inFile says which file an error is about: a refusal keeps its kind, anything else is damage.
func inFile(file string, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		e.File = file
		return e
	}
	return corrupt(file, err)
}
