package vkexec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// ErrFaulty reports a device that computes an operation wrongly in every form that there is of it, so that no answer of it
// can be trusted.
var ErrFaulty = errors.New("the device computes wrongly")

// Veto takes one module of a kernel away from the device and driver that were seen to compute it wrongly. The others of the
// same operation, of a lower tier or another kernel, take its place.
type Veto struct {
	Module string `json:"module"`          // name of the SPIR-V: "mul_mat_vec.q4.t1.spv"
	Digest string `json:"digest"`          // of the SPIR-V: a kernel that was changed since is tried again; "": of any
	Reason string `json:"reason"`          // in words
	Found  string `json:"found,omitempty"` // RFC 3339; "" for what this program knows of
}

// driverFault is a row of the table of what is known of drivers.
type driverFault struct {
	driver      string // VkDriverId's name as Caps.DriverName has it
	least, most uint32 // packed driver versions, both included
	kernel      string // module name, or its beginning up to a dot: "mul_mat_vec", "mul_mat_vec.q4"
	evidence    string // what was seen, where and when
}

// driverFaults is what is known beforehand. A row needs evidence: a doctor's report of the driver, or its issue. There is
// none yet.
var driverFaults []driverFault

func (f *driverFault) concerns(caps *vk.Caps) bool {
	return f.driver == caps.DriverName && caps.DriverVersion >= f.least && caps.DriverVersion <= f.most
}

// Vetoes are the modules that a device must not run: those known beforehand, and those that an examination found and kept
// in a file. A nil *Vetoes forbids nothing. It is safe for concurrent use.
type Vetoes struct {
	caps *vk.Caps
	path string // "": nothing is kept
	mu   sync.Mutex
	list []Veto
}

// vetoFile is what is kept. Device and Driver are for whoever looks into it.
type vetoFile struct {
	Device   string `json:"device"`
	Driver   string `json:"driver"`
	Identity string `json:"identity"`
	Vetoes   []Veto `json:"vetoes"`
}

// maxVetoFile bounds what is read; every module with a long reason is less.
const maxVetoFile = 4 << 20

// OpenVetoes reads what was kept in the folder for the device and its driver; "" keeps nothing. A file that is damaged,
// or another device's, counts as none.
func OpenVetoes(dir string, caps *vk.Caps) *Vetoes {
	v := &Vetoes{caps: caps}
	if dir == "" {
		return v
	}
	v.path = filepath.Join(dir, "vetoes-"+v.identity()[:16]+".json")
	v.list = v.read()
	return v
}

// identity stands for the device and everything of its driver that has a version.
func (v *Vetoes) identity() string {
	c := v.caps
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %d %d %d %q %q %q",
		c.UUID, c.DriverUUID, c.CacheUUID, c.VendorID, c.DeviceID, c.DriverVersion, c.Name, c.DriverName, c.DriverInfo))
	return hex.EncodeToString(sum[:])
}

func (v *Vetoes) read() []Veto {
	info, err := os.Stat(v.path)
	if err != nil || info.Size() > maxVetoFile {
		return nil
	}
	data, err := os.ReadFile(v.path)
	if err != nil {
		return nil
	}
	var f vetoFile
	if json.Unmarshal(data, &f) != nil || f.Identity != v.identity() {
		return nil
	}
	return f.Vetoes
}

// Forbids tells whether the device must not run the module, and why.
func (v *Vetoes) Forbids(m *shaders.Module) (reason string, yes bool) {
	if v == nil {
		return "", false
	}
	for _, f := range driverFaults {
		if f.concerns(v.caps) && (m.File == f.kernel || strings.HasPrefix(m.File, f.kernel+".")) {
			return f.evidence, true
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, veto := range v.list {
		if veto.Module == m.File && (veto.Digest == "" || veto.Digest == moduleDigest(m)) {
			return veto.Reason, true
		}
	}
	return "", false
}

// List are the vetoes that hold for this build's kernels, by module.
func (v *Vetoes) List() []Veto {
	var list []Veto
	for _, m := range shaders.Modules() {
		if reason, yes := v.Forbids(&m); yes {
			veto := Veto{Module: m.File, Digest: moduleDigest(&m), Reason: reason}
			v.mu.Lock()
			if i := slices.IndexFunc(v.list, func(k Veto) bool { return k.Module == m.File && k.Reason == reason }); i >= 0 {
				veto = v.list[i]
			}
			v.mu.Unlock()
			list = append(list, veto)
		}
	}
	return list
}

// Add forbids a module of this build from now on. Save keeps it.
func (v *Vetoes) Add(module, reason, found string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	veto := Veto{Module: module, Reason: reason, Found: found}
	for _, m := range shaders.Modules() {
		if m.File == module {
			veto.Digest = moduleDigest(&m)
		}
	}
	v.list = append(slices.DeleteFunc(v.list, func(k Veto) bool { return k.Module == module }), veto)
}

// Drop takes back what was added for the module.
func (v *Vetoes) Drop(module string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = slices.DeleteFunc(v.list, func(k Veto) bool { return k.Module == module })
}

// Save writes the file, whole or not at all; with nothing to keep there is none.
func (v *Vetoes) Save() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.path == "" {
		return nil
	}
	if len(v.list) == 0 {
		if err := os.Remove(v.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	slices.SortFunc(v.list, func(a, b Veto) int { return strings.Compare(a.Module, b.Module) })
	data, err := json.MarshalIndent(vetoFile{
		Device: v.caps.Name, Driver: v.caps.DriverName + " " + v.caps.DriverInfo, Identity: v.identity(), Vetoes: v.list,
	}, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(v.path, append(data, '\n'))
}

// Forget takes back everything that was found on this machine, and says how much that was.
func (v *Vetoes) Forget() (n int, err error) {
	v.mu.Lock()
	n, v.list = len(v.list), nil
	v.mu.Unlock()
	return n, v.Save()
}

// Path is the file that Save writes, "" for none.
func (v *Vetoes) Path() string { return v.path }

// replaceFile writes beside the path and renames: a reader, or a crash, never sees half of it.
func replaceFile(path string, data []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".vetoes-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func moduleDigest(m *shaders.Module) string {
	sum := sha256.Sum256(m.Code)
	return hex.EncodeToString(sum[:8])
}

// faulty says that an operation has no module left because of vetoes; nil where vetoes are not the reason.
func (c *chooser) faulty(k kernel) error {
	if c.vetoed == nil {
		return nil
	}
	without := *c
	without.vetoed = nil
	m, err := without.module(k)
	if err != nil {
		return nil
	}
	return fmt.Errorf("%s computes wrongly with this driver, and there is nothing in its place: %w", m.File, ErrFaulty)
}
