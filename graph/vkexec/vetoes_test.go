package vkexec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

func TestVetoesAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	caps := &vk.Caps{Name: "card", DriverName: "driver", DriverVersion: 7}
	m, err := shaders.Find("rms_norm", shaders.Variant{}, func(m *shaders.Module) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	v := OpenVetoes(dir, caps)
	v.Add(m.File, "wrong by 3", "2026-01-02T03:04:05Z")
	if err := v.Save(); err != nil {
		t.Fatal(err)
	}
	again := OpenVetoes(dir, caps)
	if reason, yes := again.Forbids(m); !yes || reason != "wrong by 3" {
		t.Errorf("forbidden %t: %q", yes, reason)
	}
	if list := again.List(); len(list) != 1 || list[0].Found != "2026-01-02T03:04:05Z" {
		t.Errorf("list %+v", list)
	}
	changed := *m
	changed.Code = append([]byte{0}, m.Code...)
	if _, yes := again.Forbids(&changed); yes {
		t.Error("a kernel that was changed since is still forbidden")
	}
	newer := *caps
	newer.DriverVersion++
	if _, yes := OpenVetoes(dir, &newer).Forbids(m); yes {
		t.Error("another version of the driver is forbidden the kernel")
	}
	if _, yes := OpenVetoes("", caps).Forbids(m); yes {
		t.Error("without a folder there is a veto")
	}
	if n, err := again.Forget(); n != 1 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
	if _, yes := OpenVetoes(dir, caps).Forbids(m); yes {
		t.Error("forgotten and still forbidden")
	}
}

// Whatever stands in the file, at worst there are no vetoes.
func TestVetoFileDamaged(t *testing.T) {
	dir := t.TempDir()
	caps := &vk.Caps{Name: "card"}
	m, err := shaders.Find("rms_norm", shaders.Variant{}, func(m *shaders.Module) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	good := OpenVetoes(dir, caps)
	good.Add(m.File, "wrong", "")
	if err := good.Save(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good.Path())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "half": string(data[:len(data)/2]), "no JSON": "\x00\x01", "a list": "[]",
		"another device's": strings.Replace(string(data), good.identity(), strings.Repeat("0", 64), 1),
	} {
		if err := os.WriteFile(good.Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, yes := OpenVetoes(dir, caps).Forbids(m); yes {
			t.Errorf("%s: there is a veto", name)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	if err := good.Save(); err == nil {
		t.Error("saved to a folder that is a file")
	}
}

func TestDriverFaults(t *testing.T) {
	old := driverFaults
	defer func() { driverFaults = old }()
	driverFaults = []driverFault{{driver: "bad", least: 5, most: 9, kernel: "mul_mat_vec.q4", evidence: "an issue"}}
	for _, test := range []struct {
		driver  string
		version uint32
		module  string
		want    bool
	}{
		{"bad", 5, "mul_mat_vec.q4.t1.spv", true},
		{"bad", 9, "mul_mat_vec.q4.t0.spv", true},
		{"bad", 4, "mul_mat_vec.q4.t1.spv", false},
		{"bad", 10, "mul_mat_vec.q4.t1.spv", false},
		{"good", 7, "mul_mat_vec.q4.t1.spv", false},
		{"bad", 7, "mul_mat_vec.q4k.t1.spv", false},
		{"bad", 7, "mul_mat.q4.t1.spv", false},
	} {
		v := OpenVetoes("", &vk.Caps{DriverName: test.driver, DriverVersion: test.version})
		if _, yes := v.Forbids(&shaders.Module{File: test.module}); yes != test.want {
			t.Errorf("%+v: forbidden %t", test, yes)
		}
	}
}

// A forbidden module's place is taken by the next tier; where there is none, that is said in a way that can be told from
// a kernel that does not exist.
func TestChooseWithoutForbidden(t *testing.T) {
	forbidden := map[string]bool{"rms_norm.t1.spv": true}
	c := chooser{
		caps: &vk.Caps{SubgroupOps: vk.SubgroupArithmetic}, find: shaders.Find,
		vetoed: func(m *shaders.Module) bool { return forbidden[m.File] },
	}
	m, err := c.module(kernel{name: "rms_norm"})
	if err != nil || m.Tier != 0 {
		t.Errorf("tier 1 is forbidden, chosen is %+v (%v)", m, err)
	}
	forbidden["rms_norm.t0.spv"] = true
	if _, err := c.module(kernel{name: "rms_norm"}); !errors.Is(err, ErrFaulty) || !strings.Contains(err.Error(), "rms_norm") {
		t.Errorf("both are forbidden: %v", err)
	}
	if _, err := c.choose([]kernel{{name: "rms_norm"}}); !errors.Is(err, ErrFaulty) {
		t.Errorf("no candidate is left: %v", err)
	}
	if _, err := c.module(kernel{name: "no such"}); err == nil || errors.Is(err, ErrFaulty) {
		t.Errorf("a kernel that does not exist: %v", err)
	}
}
