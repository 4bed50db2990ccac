package loader

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math"
	"slices"
)

// Digest tells models apart: it is made of the architecture, the configuration, and each tensor's name, type, shape and
// two of its rows. Reading all of a large model would take minutes; weights that were trained on differ in every row.
func (c *Checkpoint) Digest() (string, error) {
	config := c.config
	config.Generation = Generation{} // advice, which changes no number
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", c.arch, text)
	names := c.Names()
	slices.Sort(names)
	for _, name := range names {
		t := c.tensors[name]
		if err := digestTensor(h, &t); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Digest tells adapters apart, as Checkpoint.Digest does models.
func (a *Adapter) Digest() (string, error) {
	h := sha256.New()
	for _, t := range a.targets {
		fmt.Fprintf(h, "%s\n%d\n%x\n", t.Weight, t.Rank, math.Float64bits(t.Factor))
		for _, m := range []*Tensor{&t.A, &t.B} {
			if err := digestTensor(h, m); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digestTensor(h hash.Hash, t *Tensor) error {
	fmt.Fprintf(h, "%s\n%s\n%d\n", t.Name, t.TypeName, t.Shape)
	row := make([]float32, t.Cols)
	for _, i := range []int{0, t.Rows / 2} {
		if t.Rows == 0 || t.Cols == 0 {
			return nil
		}
		if err := t.Source().Values(row, i, 1); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		if err := binary.Write(h, binary.LittleEndian, row); err != nil {
			return err
		}
	}
	return nil
}
