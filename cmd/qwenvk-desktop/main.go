//go:build desktop

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/gpu"
	"github.com/qwenvk/qwenvk/demo"
)

// Exit statuses, as those of qwenvk.
const (
	statusFailed   = 1
	statusUsage    = 2
	statusNoWindow = 3 // no window system, or no device that can show pictures in it
)

func init() { runtime.LockOSThread() } // window systems speak to the main thread alone

// settings are what the command line says.
type settings struct {
	model       string
	device      string
	context     int
	think       chat.Think
	temperature float64 // negative: the model's own
	fonts       string
	frameLog    string
	validate    bool
	width       int
	height      int
}

func main() {
	s, status := parse(os.Args[1:], os.Stderr)
	if s == nil {
		os.Exit(status)
	}
	err := run(*s)
	if err != nil {
		fmt.Fprintf(os.Stderr, "qwenvk-desktop: %v\n", err)
	}
	os.Exit(statusOf(err))
}

// errNoWindow reports that there is nothing to show a window with.
var errNoWindow = errors.New("no window can be shown")

func statusOf(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNoWindow), errors.Is(err, gpu.ErrNoLoader), errors.Is(err, qwenvk.ErrNoDevice):
		return statusNoWindow
	}
	return statusFailed
}

// parse reads the command line; nil: the program ends with the status.
func parse(words []string, out io.Writer) (*settings, int) {
	s := settings{}
	think := "auto"
	f := flag.NewFlagSet("qwenvk-desktop", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprintln(out, "usage: qwenvk-desktop [flags] [MODEL]\n\nMODEL is a .gguf file, a model's folder, or \"demo\", the small model inside the program (the default).\n\nflags:")
		f.PrintDefaults()
	}
	f.StringVar(&s.device, "device", "", "`NAME` or index of the device to draw and compute on; by default the fastest that can show a window")
	f.IntVar(&s.context, "ctx", 0, "`TOKENS` of context; 0: what the model was trained for, at most 8192, and what fits")
	f.StringVar(&think, "think", "auto", "whether the model thinks before it answers: auto, on or off")
	f.Float64Var(&s.temperature, "temp", -1, "sampling `TEMPERATURE`; 0 always takes the likeliest token; negative: what the model's makers advise")
	f.StringVar(&s.fonts, "fonts", "", "`FOLDER` or file of fonts for what the built-in ones lack, in place of the system's")
	f.StringVar(&s.frameLog, "frame-log", "", "`FILE` to write the time of every frame to, as CSV")
	f.BoolVar(&s.validate, "validate", false, "turn the Vulkan validation layer on; it writes to the standard output")
	f.IntVar(&s.width, "width", 1040, "`WIDTH` of the window")
	f.IntVar(&s.height, "height", 760, "`HEIGHT` of the window")
	if err := f.Parse(words); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, 0
		}
		return nil, statusUsage
	}
	var err error
	switch s.think, err = chat.ParseThink(think); {
	case err != nil:
	case f.NArg() > 1:
		err = fmt.Errorf("one model at most, and %d were named", f.NArg())
	case s.context < 0:
		err = fmt.Errorf("a context of %d tokens is not possible", s.context)
	case s.width < 320 || s.height < 240 || s.width > 16384 || s.height > 16384:
		err = fmt.Errorf("a window of %d by %d is not possible: 320 by 240 at least", s.width, s.height)
	}
	if err != nil {
		fmt.Fprintf(out, "qwenvk-desktop: %v\n", err)
		return nil, statusUsage
	}
	if s.model = f.Arg(0); s.model == "" {
		s.model = demo.Name
	}
	return &s, 0
}
