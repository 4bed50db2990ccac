package tokenizer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// configJSON is the part of tokenizer_config.json that concerns this package.
type configJSON struct {
	Added map[string]addedJSON `json:"added_tokens_decoder"` // id to token

	BOS nameJSON `json:"bos_token"`
	EOS nameJSON `json:"eos_token"`
	Pad nameJSON `json:"pad_token"`
	Unk nameJSON `json:"unk_token"`
}

// nameJSON is a token's text, written as a string, as an object with "content", or null.
type nameJSON string

func (n *nameJSON) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err == nil {
		if s != nil {
			*n = nameJSON(*s)
		}
		return nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*n = nameJSON(object.Content)
	return nil
}

// configure reads tokenizer_config.json into v: the special tokens, and with added set the
// added tokens as well.
func (v *vocabulary) configure(config []byte, added bool) error {
	if config == nil {
		return nil
	}
	var c configJSON
	if err := json.Unmarshal(config, &c); err != nil {
		return fmt.Errorf("tokenizer_config.json: %w", err)
	}
	if added {
		for key, a := range c.Added {
			id, err := strconv.ParseInt(key, 10, 32)
			if err != nil {
				return fmt.Errorf("tokenizer_config.json: added_tokens_decoder: %q is no id", key)
			}
			v.added = append(v.added, a.token(int32(id)))
		}
		// A map has no order; errors about the tokens should not depend on it.
		slices.SortFunc(v.added, func(a, b AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	}
	v.special = make(map[string]int32)
	for part, name := range map[string]nameJSON{"bos": c.BOS, "eos": c.EOS, "pad": c.Pad, "unk": c.Unk} {
		for _, a := range v.added {
			if name != "" && a.Content == string(name) {
				v.special[part] = a.ID
			}
		}
	}
	return nil
}
