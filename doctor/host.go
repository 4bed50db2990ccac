package doctor

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/internal/inside"
	"github.com/qwenvk/qwenvk/vk"
)

// Host is what of the machine around the device matters.
type Host struct {
	OS          string   `json:"os"`
	CPUs        int      `json:"cpus"`
	MemoryBytes uint64   `json:"memory_bytes"` // 0: not known
	Drivers     []string `json:"drivers"`      // files by which Vulkan's loader finds drivers
	Nodes       []Node   `json:"device_nodes"`
	CacheDir    string   `json:"cache_dir"` // "": nothing is kept
	CacheReason string   `json:"cache_reason,omitempty"`
	NotKept     string   `json:"not_kept,omitempty"` // why what was switched off could not be written down
}

// Node is a file that drivers open to reach a device.
type Node struct {
	Path   string `json:"path"`
	Usable bool   `json:"usable"` // by who runs this program
}

func examineHost(in inside.Runtime) Host {
	h := hostAlone()
	h.CacheDir = in.CacheDir
	if h.CacheDir != "" {
		h.CacheReason = unwritable(h.CacheDir)
	}
	return h
}

// hostAlone is what can be told without a device.
func hostAlone() Host {
	return Host{
		OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), MemoryBytes: memoryBytes(),
		Drivers: driverFiles(os.Getenv), Nodes: deviceNodes(),
	}
}

// unwritable says why a file cannot be made in the folder; "" if it can.
func unwritable(dir string) string {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err.Error()
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err.Error()
	}
	_, err = f.Write([]byte("written by qwenvk doctor"))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if removed := os.Remove(f.Name()); err == nil {
		err = removed
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// driverFiles are the manifests that the loader reads: those that its variables name, or those of its folders.
func driverFiles(getenv func(string) string) []string {
	for _, name := range []string{"VK_DRIVER_FILES", "VK_ICD_FILENAMES"} {
		if value := getenv(name); value != "" {
			return filepath.SplitList(value)
		}
	}
	if runtime.GOOS == "windows" {
		return []string{} // they stand in the registry
	}
	folders := []string{"/etc/vulkan", "/usr/share/vulkan", "/usr/local/share/vulkan", "/usr/local/etc/vulkan", "/opt/homebrew/share/vulkan"}
	if home := getenv("XDG_DATA_HOME"); home != "" {
		folders = append(folders, filepath.Join(home, "vulkan"))
	} else if home := getenv("HOME"); home != "" {
		folders = append(folders, filepath.Join(home, ".local/share/vulkan"))
	}
	files := []string{}
	for _, folder := range folders {
		found, _ := filepath.Glob(filepath.Join(folder, "icd.d", "*.json"))
		files = append(files, found...)
	}
	return files
}

// deviceNodes are those of Linux; elsewhere there are none to look at.
func deviceNodes() []Node {
	nodes := []Node{}
	for _, pattern := range []string{"/dev/dri/renderD*", "/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/dxg"} {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				f.Close()
			}
			nodes = append(nodes, Node{path, err == nil})
		}
	}
	return nodes
}

// adviseOnHost says what of the machine is in the way.
func (r *Report) adviseOnHost() {
	d, h := &r.Device, &r.Host
	if d.Type == vk.Software.String() {
		r.advise("%s computes on the CPU, which is slow: no graphics card is used.", d.Name)
		r.adviseOnDrivers()
	}
	if d.Type == vk.Discrete.String() && d.MappedBytes < d.MemoryBytes {
		r.advise("The host can write to %d MB of the card's memory only: switch on Resizable BAR in the firmware's setup, and models load faster.", d.MappedBytes>>20)
	}
	if h.CacheReason != "" {
		r.advise("The folder for compiled kernels cannot be written to (%s): each start compiles again, and what is found wrong is forgotten. Set XDG_CACHE_HOME to a folder of yours.", h.CacheReason)
	}
	if h.NotKept != "" {
		r.advise("What was switched off could not be written down (%s): the next start uses it again.", h.NotKept)
	}
	if len(r.Skipped) > 0 {
		r.advise("Not everything could be examined: %s.", r.Skipped[0])
	}
	for _, c := range r.Checks {
		if c.Skipped != "" {
			r.advise("%s could not be compared: %s.", c.Operation, c.Skipped)
			break
		}
	}
}

// adviseOnDrivers says why a card that may be there does not show.
func (r *Report) adviseOnDrivers() {
	h := &r.Host
	var closed []string
	for _, n := range h.Nodes {
		if !n.Usable {
			closed = append(closed, n.Path)
		}
	}
	hardware := slices.ContainsFunc(h.Drivers, func(path string) bool {
		name := filepath.Base(path)
		return !strings.Contains(name, "lvp") && !strings.Contains(name, "swiftshader")
	})
	switch {
	case len(closed) > 0:
		r.advise("%s cannot be opened by this user: add the user to the group that owns it (ls -l %s; often render or video), and log in again.", strings.Join(closed, ", "), closed[0])
	case len(h.Nodes) > 0 && !hardware:
		r.advise("A card is there (%s), but no Vulkan driver for it: install mesa-vulkan-drivers for AMD and Intel, or the vendor's driver for NVIDIA.", h.Nodes[0].Path)
	case len(h.Nodes) == 0 && r.Host.OS == "linux/amd64":
		r.advise("This system shows no graphics card (nothing in /dev/dri): in a container, pass it on (--device /dev/dri, or --gpus all for NVIDIA).")
	}
}

// WithoutDevice is the report where no device could be opened; reason is the error.
func WithoutDevice(version string, reason error) *Report {
	r := &Report{
		Version: version, Host: hostAlone(), Checks: []*Check{}, Found: []string{}, SwitchedOff: []SwitchedOff{}, Unusable: []string{}, Skipped: []string{},
		Verdict: "There is no device to compute on: " + reason.Error(),
	}
	r.Device.Capabilities, r.Device.MatrixShapes = []string{}, []string{}
	r.adviseOnDrivers()
	return r
}
