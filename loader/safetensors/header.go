package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// entry is a tensor as the header describes it.
type entry struct {
	name       string
	dtype      string
	shape      []uint64
	begin, end uint64
}

// maxDims bounds a shape; nothing known has more than five.
const maxDims = 32

// parseHeader reads the JSON. Its keys are read one by one and not into a struct, because
// encoding/json lets the last of two equal keys win and ignores their case: two readers could
// then see two different files.
func parseHeader(text []byte) (entries []entry, metadata map[string]string, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	err = object(d, func(name string) error {
		if name == "__metadata__" {
			metadata = map[string]string{}
			return object(d, func(key string) error {
				value, err := decode[*string](d)
				if err == nil && value == nil {
					err = errors.New("null is no text")
				}
				if err != nil {
					return fmt.Errorf("key %q: %w", key, err)
				}
				metadata[key] = *value
				return nil
			})
		}
		e := entry{name: name}
		if err := e.parse(d); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, nil, errors.New("something follows its closing '}'")
	}
	return entries, metadata, nil
}

// parse reads one tensor's object.
func (e *entry) parse(d *json.Decoder) error {
	var found int
	err := object(d, func(key string) (err error) {
		found++
		switch key {
		case "dtype":
			e.dtype, err = decode[string](d)
		case "shape":
			e.shape, err = list(d, maxDims)
		case "data_offsets":
			var offsets []uint64
			if offsets, err = list(d, 2); err == nil && len(offsets) != 2 {
				err = errors.New("two offsets are needed")
			}
			if err == nil {
				e.begin, e.end = offsets[0], offsets[1]
			}
		default:
			err = errors.New("unknown key")
		}
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		return nil
	})
	if err == nil && found != 3 {
		err = errors.New("dtype, shape and data_offsets are needed")
	}
	return err
}

// object reads a JSON object; value is called after each key to read what belongs to it.
// A key that comes twice is an error.
func object(d *json.Decoder, value func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	seen := map[string]struct{}{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return syntax(err)
		}
		key, ok := token.(string)
		if !ok {
			return errors.New("a key is no text") // Token refuses this already
		}
		if _, twice := seen[key]; twice {
			return fmt.Errorf("the key %q comes twice", key)
		}
		seen[key] = struct{}{}
		if err := value(key); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

// list reads an array of at most limit unsigned numbers.
func list(d *json.Decoder, limit int) ([]uint64, error) {
	if err := delim(d, '['); err != nil {
		return nil, err
	}
	var numbers []uint64
	for d.More() {
		if len(numbers) == limit {
			return nil, fmt.Errorf("more than %d numbers", limit)
		}
		n, err := decode[*uint64](d)
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, errors.New("null is no number")
		}
		numbers = append(numbers, *n)
	}
	return numbers, delim(d, ']')
}

func delim(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return syntax(err)
	}
	if token != want {
		return fmt.Errorf("'%v' is missing", want)
	}
	return nil
}

func decode[T any](d *json.Decoder) (value T, err error) {
	if err := d.Decode(&value); err != nil {
		return value, syntax(err)
	}
	return value, nil
}

// syntax makes a sentence of encoding/json's errors.
func syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("its JSON ends too early")
	}
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return fmt.Errorf("a %s stands where none is possible", t.Value)
	}
	return fmt.Errorf("its JSON is damaged: %w", err)
}
