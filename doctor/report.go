package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/vk"
)

// Report is what an examination found. Its JSON form is for programs and bug reports.
type Report struct {
	Version string   `json:"qwenvk"`
	Device  Device   `json:"device"`
	Host    Host     `json:"host"`
	Speed   Speed    `json:"speed"`
	Model   string   `json:"model,omitempty"`
	Checks  []*Check `json:"checks"`

	Found       []string      `json:"found"`        // kernels that this examination switched off
	SwitchedOff []SwitchedOff `json:"switched_off"` // all that are, with the reason
	Unusable    []string      `json:"unusable"`     // operations that the device has no right kernel for
	Skipped     []string      `json:"skipped"`      // what could not be examined, and why

	OK      bool     `json:"ok"`
	Verdict string   `json:"verdict"`
	Advice  []string `json:"advice"`
}

// Device is what the driver says of itself.
type Device struct {
	Index         int      `json:"index"`
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	VendorID      uint32   `json:"vendor_id"`
	Driver        string   `json:"driver"`
	DriverVersion string   `json:"driver_version"`
	APIVersion    string   `json:"api_version"`
	UUID          string   `json:"uuid"`
	MemoryBytes   uint64   `json:"memory_bytes"`
	FreeBytes     uint64   `json:"free_bytes"`
	Tier          int      `json:"tier"`
	TierReason    string   `json:"tier_reason"`
	Capabilities  []string `json:"capabilities"`
	SubgroupSize  uint32   `json:"subgroup_size"`
	BindingBytes  uint64   `json:"binding_bytes"` // that a shader can see at a time
	MappedBytes   uint64   `json:"mapped_bytes"`  // of the device's own memory, that the host can write to
	MatrixShapes  []string `json:"matrix_shapes"` // M×N×K of its matrix units, half precision summed in float32
	Timestamps    bool     `json:"has_timestamps"`
}

// Check is what one operation came to.
type Check struct {
	Examinee  string   `json:"examinee"`
	Kernels   []string `json:"kernels"`
	Operation string   `json:"operation"`
	Shape     string   `json:"shape"`
	Cache     string   `json:"cache"`
	Columns   []int    `json:"columns"`
	Values    int      `json:"values"` // compared
	Worst     float64  `json:"worst"`  // largest error, as a share of what is allowed
	OK        bool     `json:"ok"`
	Wrong     string   `json:"wrong,omitempty"`
	Skipped   string   `json:"skipped,omitempty"`
}

// SwitchedOff is a kernel that is not used on this driver.
type SwitchedOff struct {
	Module string `json:"kernel"`
	Digest string `json:"digest"`
	Reason string `json:"reason"`
	Found  string `json:"found,omitempty"`
}

func describe(d qwenvk.Device, c *vk.Caps) Device {
	out := Device{
		Index: d.Index, Name: d.Name, Type: d.Type, VendorID: d.VendorID, Driver: d.Driver, DriverVersion: d.DriverVersion,
		APIVersion: d.APIVersion, UUID: d.UUID, MemoryBytes: d.MemoryBytes, FreeBytes: d.FreeBytes, Tier: d.Tier, TierReason: d.TierReason,
		Capabilities: []string{}, MatrixShapes: []string{}, SubgroupSize: c.SubgroupSize, BindingBytes: c.MaxStorageBufferRange,
		Timestamps: c.TimestampBits > 0,
	}
	for _, name := range vk.Capabilities() {
		if c.Has(name) {
			out.Capabilities = append(out.Capabilities, string(name))
		}
	}
	for _, m := range c.CooperativeMatrix {
		if m.A == vk.Float16 && m.C == vk.Float32 && m.Subgroup {
			out.MatrixShapes = append(out.MatrixShapes, fmt.Sprintf("%d×%d×%d", m.M, m.N, m.K))
		}
	}
	mapped := map[int]bool{}
	for _, t := range c.Types {
		if t.DeviceLocal && t.HostVisible && !t.Special && !mapped[t.Heap] {
			mapped[t.Heap] = true
			out.MappedBytes += c.Heaps[t.Heap].Size
		}
	}
	return out
}

// judge draws the conclusions.
func (r *Report) judge() {
	var wrong []string
	for _, c := range r.Checks {
		if c.Wrong != "" && !slices.ContainsFunc(c.Kernels, func(k string) bool { return slices.Contains(r.Found, k) }) && !r.known(c) {
			wrong = append(wrong, c.Wrong)
		}
	}
	for _, list := range []*[]string{&r.Found, &r.Unusable, &r.Skipped} {
		if *list == nil {
			*list = []string{}
		}
	}
	if r.SwitchedOff == nil {
		r.SwitchedOff = []SwitchedOff{}
	}
	r.OK = len(wrong) == 0 && len(r.Found) == 0 && len(r.Unusable) == 0
	switch {
	case len(r.Unusable) > 0:
		r.Verdict = fmt.Sprintf("%s cannot be used: its driver computes wrongly, and there is no other kernel for it: %s.", r.Device.Name, r.Unusable[0])
		r.advise("Update the driver (%s %s); until then choose another device with --device.", r.Device.Driver, r.Device.DriverVersion)
	case len(r.Found) > 0:
		r.Verdict = fmt.Sprintf("The driver computes %s wrongly. From now on other kernels take its place on this device and driver, and they are right.", strings.Join(r.Found, ", "))
		r.advise("Nothing needs to be done; an update of the driver (%s %s) may bring the faster kernels back. qwenvk doctor --forget tries them again.", r.Device.Driver, r.Device.DriverVersion)
	case len(wrong) > 0:
		r.Verdict = fmt.Sprintf("Something is wrong with %s: %s.", r.Device.Name, wrong[0])
	case len(r.SwitchedOff) > 0:
		r.Verdict = fmt.Sprintf("All is right with what is used. %d kernels stay switched off, because this driver computed them wrongly.", len(r.SwitchedOff))
		r.advise("qwenvk doctor --forget examines them again.")
	default:
		r.Verdict = "All is right."
	}
	r.adviseOnHost()
}

// known tells a check that an operation failed, and passed with another kernel later.
func (r *Report) known(c *Check) bool {
	return slices.ContainsFunc(r.SwitchedOff, func(s SwitchedOff) bool { return slices.Contains(c.Kernels, s.Module) })
}

func (r *Report) advise(format string, args ...any) {
	r.Advice = append(r.Advice, fmt.Sprintf(format, args...))
}
