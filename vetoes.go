package qwenvk

import (
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/internal/inside"
	"github.com/qwenvk/qwenvk/model"
)

func init() {
	inside.Open = func(runtime any) inside.Runtime {
		r := runtime.(*Runtime)
		return inside.Runtime{Device: r.device(), Vetoes: r.vetoes, Disabled: r.disabled, Prefer: r.preferred(), Tuning: r.options.Tuning, Int8: r.int8(), CacheDir: cacheDir(r.options.CacheDir, r.log)}
	}
	inside.Storage = func(options any) (model.Options, vkexec.KVType, error) { return options.(LoadOptions).storage() }
}

// SwitchedOff is a kernel that is not used on a device, because its driver was seen to compute it wrongly (by `qwenvk
// doctor`, or by others before). Another form of it takes its place.
type SwitchedOff struct {
	Kernel string // the name of its SPIR-V: kernel, type and tier
	Reason string
}

func switchedOff(v *vkexec.Vetoes) []SwitchedOff {
	var list []SwitchedOff
	for _, veto := range v.List() {
		list = append(list, SwitchedOff{veto.Module, veto.Reason})
	}
	return list
}
