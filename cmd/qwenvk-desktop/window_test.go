//go:build desktop

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the screenshots in docs anew")

// asProgram makes the test's binary the program, so that no second one has to be linked.
const asProgram = "as-program"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asProgram {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
	}
	os.Exit(m.Run())
}

const (
	windowWidth  = 900
	windowHeight = 640
	chineseFont  = "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"
)

// need skips where a program or a file is not installed, and fails where it must be.
func need(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// display is a virtual screen; its picture lies in a file.
type display struct {
	name string
	file string
}

func newDisplay(t *testing.T) *display {
	t.Helper()
	_, err := exec.LookPath("Xvfb")
	need(t, err)
	_, err = exec.LookPath("xdotool")
	need(t, err)
	dir := t.TempDir()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", windowWidth, windowHeight), "-fbdir", dir, "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{write}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	write.Close()
	number := make([]byte, 16)
	n, err := read.Read(number)
	if err != nil {
		t.Fatalf("Xvfb did not start: %v", err)
	}
	d := &display{":" + strings.TrimSpace(string(number[:n])), filepath.Join(dir, "Xvfb_screen0")}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // the file comes a little later
		if data, err := os.ReadFile(d.file); err == nil && len(data) > windowWidth*windowHeight*4 && binary.BigEndian.Uint32(data[16:]) == windowWidth {
			return d
		} else if time.Since(began) > 20*time.Second {
			t.Fatalf("Xvfb shows nothing: %v", err)
		}
	}
}

// do sends keys and motions through the X server.
func (d *display) do(t *testing.T, words ...string) {
	t.Helper()
	cmd := exec.Command("xdotool", words...)
	cmd.Env = append(os.Environ(), "DISPLAY="+d.name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xdotool %v: %v\n%s", words, err, out)
	}
}

// picture reads the screen, which lies in X's window dump format: a header of 32-bit words, a palette, rows of BGRX.
func (d *display) picture(t *testing.T) *image.RGBA {
	t.Helper()
	data, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	word := func(i int) int { return int(binary.BigEndian.Uint32(data[4*i:])) }
	width, height, stride := word(4), word(5), word(12)
	rows := data[word(0)+12*word(19):]
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p := rows[y*stride+4*x:]
			img.SetRGBA(x, y, color.RGBA{p[2], p[1], p[0], 255})
		}
	}
	return img
}

// program is a running qwenvk-desktop.
type program struct {
	cmd  *exec.Cmd
	said *output
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func start(t *testing.T, d *display, words ...string) *program {
	t.Helper()
	p := &program{said: &output{}}
	words = append([]string{asProgram, "--width", strconv.Itoa(windowWidth), "--height", strconv.Itoa(windowHeight), "--fonts", chineseFont}, words...)
	p.cmd = exec.Command(os.Args[0], words...)
	p.cmd.Env = append(os.Environ(), "DISPLAY="+d.name, "XDG_CONFIG_HOME="+t.TempDir(), "HF_HUB_CACHE="+t.TempDir())
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// end closes the window and returns the exit status.
func (p *program) end(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// area is a part of the window and how many of its pixels may look otherwise: rounding differs between drivers, and a cursor
// blinks. A digit for another makes some twenty pixels of difference. What names the driver or tells a time is not compared.
type area struct {
	r    image.Rectangle
	most int
}

var areas = []area{
	{image.Rect(0, 0, 240, 54), 20},
	{image.Rect(windowWidth-130, 0, windowWidth, 54), 20},
	{image.Rect(0, 54, windowWidth, windowHeight-100), 8},
	{image.Rect(0, windowHeight-100, windowWidth, windowHeight-31), 80},
}

// differs says where two pictures do not look the same; "" if they do.
func differs(a, b *image.RGBA) string {
	if a.Rect != b.Rect {
		return fmt.Sprintf("the sizes are %v and %v", a.Rect.Max, b.Rect.Max)
	}
	for _, part := range areas {
		n := 0
		for y := part.r.Min.Y; y < part.r.Max.Y; y++ {
			for x := part.r.Min.X; x < part.r.Max.X; x++ {
				p, q := a.RGBAAt(x, y), b.RGBAAt(x, y)
				if far(p.R, q.R) || far(p.G, q.G) || far(p.B, q.B) {
					n++
				}
			}
		}
		if n > part.most {
			return fmt.Sprintf("%d pixels of %v differ", n, part.r)
		}
	}
	return ""
}

func far(a, b uint8) bool { return max(a, b)-min(a, b) > 40 }

// golden is the file of a picture: those that the docs show lie there.
func golden(name string) string {
	if name == "typed" {
		return filepath.Join("testdata", "typed.png")
	}
	return filepath.Join("..", "..", "docs", "desktop-"+name+".png")
}

// await waits until the screen looks like the picture; with -update it waits until nothing moves and writes the file.
func (d *display) await(t *testing.T, p *program, name string) {
	t.Helper()
	path := golden(name)
	if *update {
		time.Sleep(6 * time.Second)
		write(t, path, d.picture(t))
		return
	}
	want := read(t, path)
	what := ""
	for began := time.Now(); time.Since(began) < 60*time.Second; time.Sleep(50 * time.Millisecond) {
		if what = differs(d.picture(t), want); what == "" {
			return
		}
	}
	seen := filepath.Join(os.TempDir(), "desktop-"+name+"-seen.png")
	write(t, seen, d.picture(t))
	t.Fatalf("the window does not look like %s: %s; see %s\n%s", path, what, seen, p.said)
}

func read(t *testing.T, path string) *image.RGBA {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Src)
	return out
}

// The comparison sees an answer of another digit.
func TestDiffers(t *testing.T) {
	en := read(t, filepath.Join("..", "..", "docs", "desktop-en.png"))
	if what := differs(en, en); what != "" {
		t.Error(what)
	}
	other := image.NewRGBA(en.Rect)
	copy(other.Pix, en.Pix)
	digit := image.Rect(170, 166, 180, 186) // the 2 of 42, and the 1 of 17 in its place
	draw.Draw(other, digit, en, image.Pt(112, 166), draw.Src)
	if differs(en, other) == "" {
		t.Error("41 looks like 42")
	}
}

func write(t *testing.T, path string, img image.Image) {
	t.Helper()
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConversation asks the demo model in English and in Chinese, through the X server's own events, and looks at the screen.
func TestConversation(t *testing.T) {
	d := newDisplay(t)
	_, err := os.Stat(chineseFont)
	need(t, err)
	frames := filepath.Join(t.TempDir(), "frames.csv")
	p := start(t, d, "--think", "on", "--temp", "0", "--validate", "--frame-log", frames)
	for began := time.Now(); d.picture(t).RGBAAt(windowWidth/2, 20).R == 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("no window came: %s", p.said)
		}
	}
	d.do(t, "mousemove", "500", "300", "mousemove", "12", "300") // the window sees only motions; nothing lies there to point at
	d.await(t, p, "welcome")
	d.do(t, "type", "--delay", "10", "What is 17 + 25?")
	d.do(t, "key", "Return")
	d.await(t, p, "en")
	d.typeChinese(t, p)
	d.do(t, "key", "Return")
	d.await(t, p, "zh")
	if status := p.end(t); status != 0 || p.said.String() != "" {
		t.Errorf("status %d, and it said:\n%s", status, p.said)
	}
	checkFrames(t, frames)
}

// typeChinese types until the question stands there. Each of its characters needs a key that the server gives it for that moment;
// on a busy machine the program may look it up too late.
func (d *display) typeChinese(t *testing.T, p *program) {
	t.Helper()
	for delay := 100; delay <= 1600; delay *= 2 {
		d.do(t, "key", "ctrl+a")
		d.do(t, "type", "--delay", strconv.Itoa(delay), "笼子里有鸡和兔,共13个头,36条腿。各有几只?")
		if *update {
			d.await(t, p, "typed")
			return
		}
		golden := read(t, golden("typed"))
		for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(50 * time.Millisecond) {
			if differs(d.picture(t), golden) == "" {
				return
			}
		}
	}
	t.Fatalf("the Chinese question could not be typed: the machine is too busy\n%s", p.said)
}

// checkFrames holds the times of the frames: 250 ms is what a software device is allowed that computes at the same time.
func checkFrames(t *testing.T, path string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 20 {
		t.Fatalf("%d frames: %v", len(rows), err)
	}
	times := map[string][]float64{}
	for _, row := range rows[1:] {
		ms, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		times[row[4]] = append(times[row[4]], ms)
	}
	for _, generating := range []string{"false", "true"} {
		list := times[generating]
		slices.Sort(list)
		if len(list) == 0 {
			t.Errorf("no frame with generating %s", generating)
			continue
		}
		at := func(share float64) float64 { return list[int(share*float64(len(list)-1))] }
		t.Logf("generating %s: %d frames, median %.1f ms, 95 %% %.1f ms, longest %.1f ms", generating, len(list), at(0.5), at(0.95), at(1))
		if at(0.95) > 250 {
			t.Errorf("generating %s: 95 %% of the frames took up to %.1f ms", generating, at(0.95))
		}
	}
}

// A model that cannot be loaded is told in a sentence, in a window that stays.
func TestBadModel(t *testing.T) {
	d := newDisplay(t)
	bad := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, d, bad)
	for began := time.Now(); !strings.Contains(p.said.String(), "bad.gguf"); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("nothing was said of the model: %q", p.said)
		}
	}
	if status := p.end(t); status != 0 || strings.Count(p.said.String(), "\n") != 1 {
		t.Errorf("status %d, and it said:\n%s", status, p.said)
	}
}

// What is missing for a window is one sentence and status 3; wrong use is status 2.
func TestNoWindow(t *testing.T) {
	run := func(env []string, words ...string) (int, string) {
		cmd := exec.Command(os.Args[0], append([]string{asProgram}, words...)...)
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "DISPLAY=") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, env...)
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	d := newDisplay(t)
	for _, test := range []struct {
		name   string
		env    []string
		words  []string
		status int
		says   string
	}{
		{"no display", nil, nil, statusNoWindow, "no window can be shown"},
		{"a display that is not there", []string{"DISPLAY=:4711"}, nil, statusNoWindow, "no window can be shown"},
		{"no driver", []string{"DISPLAY=" + d.name, "VK_DRIVER_FILES=/nowhere", "VK_ICD_FILENAMES=/nowhere"}, nil, statusNoWindow, "no window can be shown"},
		{"an unknown device", []string{"DISPLAY=" + d.name}, []string{"--device", "flying"}, statusNoWindow, `no device is called "flying"`},
		{"two models", nil, []string{"a", "b"}, statusUsage, "one model at most"},
		{"a small window", nil, []string{"--width", "3"}, statusUsage, "320 by 240 at least"},
		{"a thought", nil, []string{"--think", "perhaps"}, statusUsage, "perhaps"},
	} {
		status, said := run(test.env, test.words...)
		if status != test.status || !strings.Contains(said, test.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: status %d, want %d, and it said:\n%s", test.name, status, test.status, said)
		}
	}
	if s, status := parse([]string{"--help"}, io.Discard); s != nil || status != 0 {
		t.Errorf("help ends with %d", status)
	}
}
