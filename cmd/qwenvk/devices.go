package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

func (p *program) devicesCommand() *cli.Command {
	return &cli.Command{
		Name: "devices", Usage: "list the Vulkan devices of this machine",
		Description: "The star marks the device that is used when none is named.",
		Flags:       append([]cli.Flag{onOff(outputFlags, "json", "print one JSON document")}, logFlags()...),
		Action:      p.devices,
	}
}

// deviceDocument is an element of what devices --json prints.
type deviceDocument struct {
	Index         int    `json:"index"`
	Name          string `json:"name"`
	Type          string `json:"type"`
	VendorID      uint32 `json:"vendor_id"`
	Driver        string `json:"driver"`
	DriverVersion string `json:"driver_version"`
	APIVersion    string `json:"api_version"`
	UUID          string `json:"uuid"`
	MemoryBytes   uint64 `json:"memory_bytes"`
	FreeBytes     uint64 `json:"free_bytes"`
	Tier          int    `json:"tier"`
	Default       bool   `json:"default"`
}

func (p *program) devices(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	devices, err := qwenvk.ListDevices(qwenvk.Options{Log: p.logger()})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		documents := []deviceDocument{}
		for _, d := range devices {
			documents = append(documents, deviceDocument{
				d.Index, d.Name, d.Type, d.VendorID, d.Driver, d.DriverVersion, d.APIVersion, d.UUID,
				d.MemoryBytes, d.FreeBytes, d.Tier, d.Default,
			})
		}
		return writeJSON(p.out, documents)
	}
	var b strings.Builder
	for _, d := range devices {
		mark := " "
		if d.Default {
			mark = "*"
		}
		fmt.Fprintf(&b, "%s %d  %s\n", mark, d.Index, d.Name)
		fmt.Fprintf(&b, "     type    %s\n", d.Type)
		fmt.Fprintf(&b, "     driver  %s %s, Vulkan %s\n", d.Driver, d.DriverVersion, d.APIVersion)
		fmt.Fprintf(&b, "     memory  %s, %s free\n", size(d.MemoryBytes), size(d.FreeBytes))
		fmt.Fprintf(&b, "     tier    %d: %s\n", d.Tier, d.TierReason)
		if n := len(d.SwitchedOff); n > 0 {
			fmt.Fprintf(&b, "     off     %d kernels that this driver computes wrongly: see qwenvk doctor\n", n)
		}
		fmt.Fprintf(&b, "     uuid    %s\n", d.UUID)
	}
	_, err = fmt.Fprint(p.out, b.String())
	return err
}

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version of this program",
		Flags: logFlags(),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			_, err := fmt.Fprintln(p.out, "qwenvk "+version())
			return err
		},
	}
}

// version is the module's version where the program was installed by one, else the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
