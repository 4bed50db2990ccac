package qwenvk

import (
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Tuning says whether a load measures which kernels, constants and plans are the fastest on the device. What was measured is
// kept in the cache folder for this device, its driver and this version's kernels; measuring takes three seconds at most.
type Tuning = vkexec.Tuning

// The ways to tune. The empty Tuning is TuningAuto.
const (
	// TuningAuto measures on hardware what is not known yet; software devices compute as the table of this version says.
	TuningAuto = vkexec.TuningAuto
	// TuningOff computes as the table says, whatever was measured.
	TuningOff = vkexec.TuningOff
	// TuningForce measures everything again, on software devices too.
	TuningForce = vkexec.TuningForce
)

func checkTuning(t Tuning) error {
	if !slices.Contains([]Tuning{"", TuningAuto, TuningOff, TuningForce}, t) {
		return fmt.Errorf("tuning %q does not exist: use auto, off or force", t)
	}
	return nil
}

// noteTuning tells the log what was measured.
func (m *Model) noteTuning() {
	if t := m.exec.Tuned(); t.Choices > 0 {
		m.runtime.log.Info("measured which kernels are the fastest", "choices", t.Choices, "measured", t.Measured, "took", t.Took)
	}
}

// int8 says which products read activations as bytes: where it pays, or everywhere if tier 2 was asked for by name.
func (r *Runtime) int8() vkexec.Int8Use {
	if t := r.options.Tier; t != nil && *t == 2 {
		return vkexec.Int8Always
	}
	return vkexec.Int8Auto
}
