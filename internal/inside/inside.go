// Package inside lets packages of this repository see what a runtime of the public API is made of, without the API showing
// it to everybody: package doctor examines the very device, with the very kernels, that models would run on.
package inside

import (
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/vk"
)

// Runtime is what a *qwenvk.Runtime has.
type Runtime struct {
	Device   *vk.Device
	Vetoes   *vkexec.Vetoes
	Disabled func(kernel string) bool
	Prefer   func(kernel string) bool // nil: none
	Tuning   vkexec.Tuning
	Int8     vkexec.Int8Use
	CacheDir string // "": nothing is kept
}

// Open looks into a *qwenvk.Runtime, Storage into a qwenvk.LoadOptions. The root package sets both.
var (
	Open    func(runtime any) Runtime
	Storage func(options any) (model.Options, vkexec.KVType, error)
)
