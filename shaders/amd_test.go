package shaders_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// amdMode says what TestRADV does with the table of docs/results/amd.csv: "write" compiles everything and writes it
// (make amd-stats), "check" fails where it is not what this tree's kernels cost (scripts/check.sh). Otherwise the table only
// tells what need not be compiled again.
var amdMode = flag.String("amd", "", "write or check docs/results/amd.csv")

const (
	amdFile  = "../docs/results/amd.csv"
	amdNotes = "../docs/performance.md"
)

// amdColumns are those of the table. A row's key stands for everything that its numbers depend on beside the family: the
// compiler, the SPIR-V and the constants.
var amdColumns = []string{
	"family", "kernel", "variant", "tier", "constants", "vgprs", "sgprs", "spilled_vgprs", "spilled_sgprs", "lds_bytes",
	"subgroups_per_simd", "code_bytes", "latency", "inverse_throughput", "cycles_per_weight", "key",
}

// amdStatistics are the driver's names of the columns from "vgprs" to "inverse_throughput".
var amdStatistics = []string{
	"VGPRs", "SGPRs", "Spilled VGPRs", "Spilled SGPRs", "LDS size", "Subgroups per SIMD", "Code size", "Latency", "Inverse Throughput",
}

// amdTable is the table as it was read, and as it should be.
type amdTable struct {
	committed map[string][]string // by family and key
	rows      map[string][]string
	compiled  int
}

func readAMDTable(t *testing.T) *amdTable {
	t.Helper()
	table := &amdTable{committed: map[string][]string{}, rows: map[string][]string{}}
	data, err := os.ReadFile(amdFile)
	if err != nil {
		return table
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) == 0 || !slices.Equal(rows[0], amdColumns) {
		t.Logf("%s is not read: %v", amdFile, err)
		return table
	}
	for _, row := range rows[1:] {
		table.committed[row[0]+row[len(row)-1]] = row
	}
	return table
}

// one in so many rows is compiled again although the table has it: a table that somebody changed by hand does not pass.
const amdSample = 64

// take adds the row of one pipeline: from the table if it is there, else from the compiler.
func (a *amdTable) take(t *testing.T, device *vk.Device, family string, m shaders.Module, constants map[string]uint32) {
	t.Helper()
	digest := sha256.New()
	fmt.Fprintln(digest, device.Caps().DriverInfo, constantsText(constants))
	digest.Write(m.Code)
	sum := digest.Sum(nil)
	key := hex.EncodeToString(sum[:6])
	id := family + key
	if a.rows[id] != nil {
		return // another shape, the same pipeline
	}
	old := a.committed[id]
	if old != nil && *amdMode != "write" && binary.LittleEndian.Uint16(sum[6:])%amdSample != 0 {
		a.rows[id] = old
		return
	}
	a.compiled++
	report := compileForAMD(t, device, m, constants)
	row := []string{family, m.Kernel, m.Variant.String(), strconv.Itoa(m.Tier), constantsText(constants)}
	for _, name := range amdStatistics {
		n, ok := report[name]
		if !ok {
			t.Errorf("%s: the compiler reports no %q", m.File, name)
		}
		row = append(row, strconv.Itoa(n))
	}
	row = append(row, cyclesPerWeight(m, constants, report["Inverse Throughput"]), key)
	a.rows[id] = row
	if old != nil && !slices.Equal(row, old) && *amdMode != "write" {
		t.Errorf("%s has\n%v, the compiler says\n%v\nrun: make amd-stats", amdFile, old, row)
	}
}

// cyclesPerWeight is, for the matrix-vector kernels, what a lane's share of the inverse throughput is for one weight. The
// compiler counts each loop as 8 rounds, and a round of the main one reads a unit of each row that the lane's team owns, so
// that the numbers of two types or tunings may be compared with each other, and with nothing else.
func cyclesPerWeight(m shaders.Module, constants map[string]uint32, inverse int) string {
	if !strings.HasPrefix(m.Kernel, "mul_mat_vec") || constants["LANES"] == 0 || constants["LOCAL_SIZE"] == 0 {
		return ""
	}
	own := constants["ROWS"] * constants["LANES"] / constants["LOCAL_SIZE"]
	weights := 8 * shaders.Unit(m.Variant) * int(own)
	if weights == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(inverse)/float64(weights), 'f', 3, 64)
}

func constantsText(constants map[string]uint32) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(constants)) {
		words = append(words, fmt.Sprintf("%s=%d", name, constants[name]))
	}
	return strings.Join(words, " ")
}

// finish writes the table, or holds the one in the repository against it.
func (a *amdTable) finish(t *testing.T) {
	t.Helper()
	t.Logf("%d pipelines, of which %d were compiled", len(a.rows), a.compiled)
	if t.Failed() {
		return
	}
	data := a.encode()
	switch *amdMode {
	case "write":
		if err := os.WriteFile(amdFile, data, 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("docs/results/amd.csv: %d rows; its digest for docs/performance.md is %s\n", len(a.rows), amdDigest(data))
	case "check":
		old, err := os.ReadFile(amdFile)
		if err != nil || !bytes.Equal(old, data) {
			t.Fatalf("docs/results/amd.csv is not what these kernels cost (%d rows had to be compiled; %v): run make amd-stats, "+
				"look at what changed, and say so in docs/performance.md", a.compiled, err)
		}
		notes, err := os.ReadFile(amdNotes)
		if err != nil || !bytes.Contains(notes, []byte(amdDigest(data))) {
			t.Fatalf("docs/performance.md has no line on this docs/results/amd.csv: say there what changed and why, with the table's digest %s (%v)",
				amdDigest(data), err)
		}
	}
}

// amdDigest is how docs/performance.md names a state of the table: a clone without history can tell whether it is this one
// that somebody wrote about.
func amdDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return "amd-" + hex.EncodeToString(sum[:5])
}

// encode sorts by everything that tells rows apart, the generations in the order of their age.
func (a *amdTable) encode() []byte {
	rows := slices.Collect(maps.Values(a.rows))
	slices.SortFunc(rows, func(x, y []string) int {
		if c := slices.Index(amdFamilies, x[0]) - slices.Index(amdFamilies, y[0]); c != 0 {
			return c
		}
		return slices.Compare(x[1:], y[1:])
	})
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(append([][]string{amdColumns}, rows...)); err != nil {
		panic(err) // into memory
	}
	return b.Bytes()
}

// The kernel that decides the speed of an answer needs enough subgroups to hide what memory takes: 16 on each SIMD of a card
// of RDNA 2 or 3, for every type that people's files have.
func TestAMDOccupancy(t *testing.T) {
	table := readAMDTable(t)
	if len(table.committed) == 0 {
		t.Fatalf("%s is missing: make amd-stats", amdFile)
	}
	types := []string{"q8", "q4", "q4_1", "q5_0", "q5_1", "q2k", "q3k", "q4k", "q5k", "q6k"}
	seen := map[string]bool{}
	for _, row := range table.committed {
		family, kernel, weights, constants := row[0], row[1], row[2], " "+row[4]+" "
		if family != "navi21" && family != "navi31" || !strings.HasPrefix(kernel, "mul_mat_vec") || !slices.Contains(types, weights) ||
			!strings.Contains(constants, " COLS=1 ") {
			continue
		}
		seen[family+weights] = true
		if n, err := strconv.Atoi(row[10]); err != nil || n < 16 {
			t.Errorf("%s: %s of %s with%shas %s subgroups per SIMD, want 16", family, kernel, weights, constants, row[10])
		}
	}
	if len(seen) != 2*len(types) {
		t.Errorf("the table has the one-column products of %d types and cards, want %d", len(seen), 2*len(types))
	}
}
