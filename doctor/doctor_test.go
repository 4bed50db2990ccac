package doctor_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/doctor"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// everything examines the whole standard set at all numbers of columns. A software driver compiles for minutes then.
var everything = flag.Bool("everything", false, "examine the whole standard set")

// The driver of the tests computes rightly, or all other tests mean nothing: types of weights and of cache pass, and
// nothing is left out.
func TestStandardSet(t *testing.T) {
	rt, err := qwenvk.Open(qwenvk.Options{Device: os.Getenv(vktest.Selector), CacheDir: "none"})
	if err != nil {
		if os.Getenv("CI") != "" || os.Getenv(vktest.Selector) != "" {
			t.Fatal(err)
		}
		t.Skipf("no device: %v", err)
	}
	defer rt.Close()
	seen := 0
	o := doctor.Options{Standard: true, Progress: func(p doctor.Progress) {
		if p.Done != seen || p.Total < p.Done {
			t.Errorf("progress %+v behind %d", p, seen)
		}
		seen++
	}}
	want := 25
	if !*everything {
		want, o.Columns = 3, []int{7} // q4 and q8, and the router's f32
		o.Only = func(name string) bool {
			return name == "standard q4g32" || name == "standard cache" || name == "standard experts"
		}
	}
	r, err := doctor.Run(context.Background(), rt, o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || len(r.Skipped) > 0 || r.Verdict != "All is right." {
		t.Errorf("ok %t, skipped %q, verdict %q", r.OK, r.Skipped, r.Verdict)
	}
	types := map[string]bool{}
	for _, c := range r.Checks {
		if !c.OK || c.Values == 0 || len(c.Columns) == 0 {
			t.Errorf("%+v", c)
		}
		for _, k := range c.Kernels {
			if strings.HasPrefix(k, "mul_mat_vec") {
				types[strings.Split(k, ".")[1]] = true
			}
		}
	}
	if len(types) < want {
		t.Errorf("the products of %d types were examined, want %d", len(types), want)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"qwenvk", "device", "host", "speed", "checks", "found", "switched_off", "unusable", "skipped", "ok", "verdict", "advice"} {
		if _, ok := fields[name]; !ok || fields[name] == nil {
			t.Errorf("the document has no %s", name)
		}
	}
	if !slices.IsSorted(r.Device.Capabilities) || r.Speed.Copy <= 0 || r.Speed.Upload <= 0 || r.Speed.Download <= 0 {
		t.Errorf("device %+v, speed %+v", r.Device, r.Speed)
	}
}
