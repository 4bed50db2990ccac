package vk

import (
	"errors"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	const gib = 1 << 30
	cards := []*Caps{
		{Index: 0, Name: "Intel(R) Arc Graphics", Type: Integrated, DeviceBytes: 64 * gib, UUID: UUID{0xaa}},
		{Index: 1, Name: "NVIDIA GeForce RTX 4060", Type: Discrete, DeviceBytes: 8 * gib, UUID: UUID{0xbb}},
		{Index: 2, Name: "NVIDIA GeForce RTX 4090", Type: Discrete, DeviceBytes: 24 * gib, UUID: UUID{0xcc}},
		{Index: 3, Name: "llvmpipe (LLVM 15)", Type: Software, DeviceBytes: 512 * gib, UUID: UUID{0xdd}},
		{Index: 4, Name: "Virtio-GPU Venus", Type: Virtual, DeviceBytes: 128 * gib, UUID: UUID{0xee}},
	}
	pick := func(n ...int) (out []*Caps) {
		for _, i := range n {
			out = append(out, cards[i])
		}
		return out
	}
	for _, test := range []struct {
		why      string
		list     []*Caps
		selector string
		want     int // Caps.Index, -1 for an error
	}{
		{"a card before everything, the larger first", cards, "", 2},
		{"integrated before virtual and software, whatever the memory", pick(0, 3, 4), "", 0},
		{"virtual before software", pick(3, 4), "", 4},
		{"the only one", pick(3), "", 3},
		{"index", cards, "3", 3},
		{"index of Devices, not of the list", pick(3, 4), "4", 4},
		{"index that is not there", cards, "9", -1},
		{"part of a name", cards, "arc", 0},
		{"part of a name in another case", cards, "LLVMPIPE", 3},
		{"a name that fits two", cards, "nvidia", -1},
		{"a longer part decides", cards, "rtx 4060", 1},
		{"an index before a name that contains it", cards, "4", 4},
		{"UUID", cards, "BB000000-0000-0000-0000-000000000000", 1},
		{"nothing like it", cards, "radeon", -1},
		{"no device", nil, "", -1},
	} {
		i, err := choose(test.list, test.selector)
		switch {
		case test.want < 0 && !errors.Is(err, ErrNoDevice):
			t.Errorf("%s: error %v, want ErrNoDevice", test.why, err)
		case test.want < 0 && len(test.list) > 0 && !strings.Contains(err.Error(), "Arc Graphics"):
			t.Errorf("%s: the error does not list the devices: %v", test.why, err)
		case test.want >= 0 && err != nil:
			t.Errorf("%s: %v", test.why, err)
		case test.want >= 0 && test.list[i].Index != test.want:
			t.Errorf("%s: chose %d, want %d", test.why, test.list[i].Index, test.want)
		}
	}
}

func TestTier(t *testing.T) {
	one := Caps{Storage16: true, Storage8: true, Float16: true, SubgroupOps: SubgroupBasic | SubgroupArithmetic}
	dot := Caps{DotProduct: true, DotProductAccelerated: true}
	emulated := Caps{DotProduct: true}
	matrix := Caps{SubgroupSize: 32, CooperativeMatrix: []MatrixShape{{M: 16, N: 16, K: 16, C: Float32, R: Float32, Subgroup: true}}}
	for _, test := range []struct {
		name string
		caps Caps
		want int
	}{
		{"nothing", Caps{}, 0},
		{"group 1", one, 1},
		{"dot product without half floats", dot, 2},
		{"an emulated dot product is none", emulated, 0},
		{"matrices alone", matrix, 3},
	} {
		if got, why := test.caps.Tier(); got != test.want {
			t.Errorf("%s: tier %d (%s), want %d", test.name, got, why, test.want)
		}
	}
	if _, why := (&Caps{Storage16: true, Float16: true}).Tier(); why != "lacks storage8, subgroup-arithmetic" {
		t.Errorf("why = %q", why)
	}
}

func TestMask(t *testing.T) {
	strong := Caps{
		Name: "strong", Storage16: true, Storage8: true, Float16: true, Int8: true, DotProduct: true,
		SubgroupOps: 0xff, SubgroupSize: 32, MinSubgroupSize: 32, MaxSubgroupSize: 64, SubgroupSizeControl: true, FullSubgroups: true,
		CooperativeMatrix:     []MatrixShape{{M: 16, N: 16, K: 16, C: Float32, R: Float32, Subgroup: true}},
		MaxStorageBufferRange: 1 << 30, MaxAllocationSize: 1 << 30, StorageAlign: 16,
	}
	masked := func(m Mask) Caps {
		t.Helper()
		c := strong.clone()
		if err := m.apply(&c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := masked(Mask{MaxTier: AllTiers}); c.Tier0() || !c.Has(CapCoopMatrix) {
		t.Error("a mask that hides nothing hid something")
	}
	if c := masked(Mask{MaxTier: 0}); c.Has(CapStorage16) || c.Has(CapSubgroupArithmetic) || c.Has(CapCoopMatrix) || !c.Has(CapInt8) {
		t.Errorf("tier 0: %+v", c)
	}
	if c := masked(Mask{MaxTier: 1}); !c.Has(CapStorage16) || c.Has(CapCoopMatrix) {
		t.Errorf("tier 1: %+v", c)
	}
	if c := masked(Mask{MaxTier: AllTiers, EmulatedDot: true}); !c.Has(CapIntegerDot) {
		t.Error("an emulated dot product does not count")
	}
	if c := masked(Mask{MaxTier: 1, EmulatedDot: true}); c.Has(CapIntegerDot) {
		t.Error("tier 1 has integer dot products")
	}
	if c := masked(Mask{MaxTier: AllTiers, SubgroupSize: 64}); c.SubgroupSize != 64 {
		t.Errorf("subgroup size %d, want 64", c.SubgroupSize)
	}
	if c := masked(Mask{MaxTier: AllTiers, NoSubgroups: true}); c.SubgroupSize != 1 || c.Has(CapSubgroupBasic) || c.Has(CapFullSubgroups) {
		t.Errorf("no subgroups: %+v", c)
	}
	if c := masked(Mask{MaxTier: AllTiers, MaxStorageBufferRange: 1 << 16, MaxAllocationSize: 1 << 40, StorageAlign: 256}); c.MaxStorageBufferRange != 1<<16 || c.MaxAllocationSize != 1<<30 || c.StorageAlign != 256 {
		t.Errorf("limits: %+v", c)
	}
	for k := range capabilities {
		c := masked(Mask{MaxTier: AllTiers, Hide: []Capability{k}})
		if c.Has(k) {
			t.Errorf("hidden %s is still there", k)
		}
	}
	for name, m := range map[string]Mask{
		"unknown capability":      {Hide: []Capability{"teleport"}},
		"subgroup size too large": {SubgroupSize: 128},
		"subgroup size odd":       {SubgroupSize: 48},
		"alignment":               {StorageAlign: 100},
		"tiny allocations":        {MaxAllocationSize: 100},
	} {
		c := strong.clone()
		if err := m.apply(&c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Tier0 reports whether the device has no group above 0.
func (c *Caps) Tier0() bool {
	n, _ := c.Tier()
	return n == 0
}
