package hub

import (
	"fmt"
	"regexp"
	"strings"
)

// DefaultRevision is the branch that is fetched when none is named.
const DefaultRevision = "main"

// Name is the name of a published model: owner/name, and for a repository of GGUF files the type of the one that is
// meant ("Q4_K_M"), "" for none.
type Name struct{ Owner, Repo, Type string }

var nameForm = regexp.MustCompile(`^([A-Za-z0-9][\w.-]{0,95})/([A-Za-z0-9][\w.-]{0,95})(?::([\w.-]{1,32}))?$`)

// ParseName reads "owner/name" or "owner/name:TYPE".
func ParseName(s string) (Name, error) {
	m := nameForm.FindStringSubmatch(s)
	if m == nil || strings.Contains(m[1]+m[2], "--") || strings.Contains(m[1]+m[2], "..") {
		return Name{}, fmt.Errorf("%q is no name of a published model: write owner/name, or owner/name:TYPE for one of several GGUF files", s)
	}
	return Name{m[1], m[2], m[3]}, nil
}

// ID is the repository's name on the hub: "owner/name".
func (n Name) ID() string { return n.Owner + "/" + n.Repo }

func (n Name) String() string {
	if n.Type == "" {
		return n.ID()
	}
	return n.ID() + ":" + n.Type
}

// folder is the repository's folder in the cache.
func (n Name) folder() string { return "models--" + n.Owner + "--" + n.Repo }
