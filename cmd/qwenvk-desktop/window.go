//go:build desktop

package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/go-gl/glfw/v3.3/glfw"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/gpu"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/ui"
)

// window is the program while its window is open. All of it belongs to the main goroutine.
type window struct {
	settings settings
	glfw     *glfw.Window
	get      unsafe.Pointer // vkGetInstanceProcAddr

	instance *gpu.Instance
	surface  uint64
	physical []gpu.Physical
	chosen   int
	device   *gpu.Device
	screen   *gpu.Screen
	width    int // of the screen's pictures; 0: minimised
	height   int
	stale    bool // they must be made anew
	reopened int  // how often in a row, without a frame between

	fonts  *glyph.Fonts
	kit    *ui.Kit
	app    *ui.App
	list   canvas.List
	frames *frameLog

	worker  *worker
	library *library
	paths   []string // of app.Models
	model   string   // path of the loaded model, or of the one that is loading
	answer  *ui.Message
	rated   time.Time
	counted int
	fatal   error
	ended   atomic.Bool // by a signal
}

// run shows the window until it is closed.
func run(s settings) (err error) {
	if err := initGLFW(); err != nil {
		return fmt.Errorf("%w (%w): start this in a graphical session, or talk in a terminal with qwenvk run", errNoWindow, err)
	}
	defer glfw.Terminate()
	if !glfw.VulkanSupported() {
		return fmt.Errorf("%w: %w: install libvulkan1 and a Vulkan driver", errNoWindow, gpu.ErrNoLoader)
	}
	w := &window{settings: s, get: glfw.GetVulkanGetInstanceProcAddress(), library: openLibrary()}
	defer w.close()
	if err := w.open(); err != nil {
		return err
	}
	return w.loop()
}

// initGLFW begins with the window system. GLFW's binding logs an error of the platform and says that all is well.
func initGLFW() error {
	var said strings.Builder
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)
	flags := log.Flags()
	log.SetFlags(0)
	defer log.SetFlags(flags)
	err := glfw.Init()
	if words := strings.TrimSpace(said.String()); err == nil && words != "" {
		err = errors.New(strings.TrimPrefix(words, "PlatformError: "))
	}
	return err
}

func (w *window) open() (err error) {
	glfw.WindowHint(glfw.ClientAPI, glfw.NoAPI)
	glfw.WindowHint(glfw.ScaleToMonitor, glfw.True)
	if w.glfw, err = glfw.CreateWindow(w.settings.width, w.settings.height, "qwenvk", nil, nil); err != nil {
		return fmt.Errorf("%w: %v", errNoWindow, err)
	}
	w.glfw.SetSizeLimits(320, 240, glfw.DontCare, glfw.DontCare)
	extensions := w.glfw.GetRequiredInstanceExtensions()
	if extensions == nil {
		return fmt.Errorf("%w: the Vulkan driver knows no way to this window system", errNoWindow)
	}
	if w.instance, err = gpu.NewInstance(w.get, apiVersion, extensions, w.settings.validate); err != nil {
		return fmt.Errorf("%w: %w", errNoWindow, err)
	}
	if err := w.openSurface(); err != nil {
		return err
	}
	if w.chosen, err = choose(w.physical, w.settings.device); err != nil {
		return err
	}
	var dirs []string
	if w.settings.fonts != "" {
		dirs = []string{w.settings.fonts}
	}
	if w.fonts, err = glyph.NewFonts(dirs); err != nil {
		return err
	}
	if w.settings.frameLog != "" {
		if w.frames, err = newFrameLog(w.settings.frameLog); err != nil {
			return err
		}
	}
	w.kit = &ui.Kit{Fonts: w.fonts, Atlas: glyph.NewAtlas(w.fonts), Scale: w.scale()}
	w.app = ui.NewApp(w.kit)
	w.app.Clipboard = clipboard{}
	w.app.Hints = []string{"What is 17 + 25?", "Can you explain SwiGLU?", "笼子里有鸡和兔,共13个头,36条腿。各有几只?"}
	for _, p := range w.physical {
		w.app.Devices = append(w.app.Devices, ui.Choice{Label: p.Name, Detail: kindOf(p)})
	}
	w.listModels()
	w.callbacks()
	w.model = w.settings.model
	return w.openDevice()
}

// openSurface makes the window's surface and asks which devices can present to it.
func (w *window) openSurface() error {
	// GLFW's binding returns the address of a variable that nothing holds. A collection that begins only now cannot free it:
	// what is allocated while the collector is off, or while it runs, is kept.
	percent := debug.SetGCPercent(-1)
	address, err := w.glfw.CreateWindowSurface((*byte)(w.instance.Handle()), nil)
	if err == nil {
		w.surface = **(**uint64)(unsafe.Pointer(&address))
	}
	debug.SetGCPercent(percent)
	if err != nil {
		return fmt.Errorf("%w: the driver makes no surface for it (%v)", errNoWindow, err)
	}
	w.physical, err = w.instance.Physicals(w.surface)
	return err
}

// openDevice opens the chosen device for drawing and computing, and loads the model.
func (w *window) openDevice() error {
	p := w.physical[w.chosen]
	device, host, err := openDevice(w.instance, w.get, p)
	if err != nil {
		return err
	}
	w.device = device
	if w.screen, err = w.device.NewScreen(w.surface); err != nil {
		return fmt.Errorf("%s cannot draw: %w", p.Name, err)
	}
	w.kit.Atlas.Touch()
	w.stale = true
	w.app.Device = p.Name
	w.worker = newWorker(host, w.settings, glfw.PostEmptyEvent)
	w.load(w.model)
	return nil
}

// closeDevice frees the device, the model first.
func (w *window) closeDevice() {
	if w.worker != nil {
		w.worker.close()
		w.worker = nil
	}
	w.answer = nil
	if w.screen != nil {
		w.screen.Close()
		w.screen = nil
	}
	if w.device != nil {
		w.device.Close()
		w.device = nil
	}
}

func (w *window) close() {
	w.closeDevice()
	if w.surface != 0 {
		w.instance.FreeSurface(w.surface)
	}
	if w.instance != nil {
		w.instance.Close()
	}
	if w.fonts != nil {
		w.fonts.Close()
	}
	if w.frames != nil {
		w.frames.close()
	}
	if w.glfw != nil {
		w.glfw.Destroy()
	}
}

// reopen begins anew on a device after it was lost, or on another one.
func (w *window) reopen(chosen int, why error) error {
	const most = 3
	if w.reopened++; w.reopened > most {
		return why
	}
	w.closeDevice()
	if errors.Is(why, gpu.ErrSurfaceLost) {
		w.instance.FreeSurface(w.surface)
		w.surface = 0
		if err := w.openSurface(); err != nil {
			return err
		}
	}
	w.chosen = chosen
	w.app.Busy, w.app.Ready = false, false
	for _, m := range w.app.Messages {
		m.Writing = false
		w.app.Changed(m)
	}
	if why != nil {
		w.problem(fmt.Errorf("%w: it is opened again, and the model loaded", why))
	}
	return w.openDevice()
}

func (w *window) scale() float64 {
	x, _ := w.glfw.GetContentScale()
	if runtime.GOOS == "darwin" { // points there: the framebuffer alone knows
		width, _ := w.glfw.GetSize()
		pixels, _ := w.glfw.GetFramebufferSize()
		if width > 0 {
			return float64(pixels) / float64(width)
		}
	}
	return min(max(float64(x), 0.5), 8)
}

// clipboard is the system's.
type clipboard struct{}

func (clipboard) Get() string     { return glfw.GetClipboardString() }
func (clipboard) Set(text string) { glfw.SetClipboardString(text) }
