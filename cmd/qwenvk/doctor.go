package main

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/doctor"
	"github.com/qwenvk/qwenvk/loader"
)

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", ArgsUsage: "[MODEL]", Usage: "examine a device: what is wrong, and what to do",
		Description: "Every kernel that the device would use is compared with a reference, at the shapes of MODEL, of which one layer of each\n" +
			"kind is loaded. Without a MODEL it is the demo model and a standard set of all types of weights. Of large results some hundred\n" +
			"elements are compared. A kernel that this driver computes wrongly is switched off for it; the status is then 1.",
		Flags: slices.Concat([]cli.Flag{
			onOff(outputFlags, "json", "print one JSON document"),
			onOff(otherFlags, "forget", "first forget what was switched off, so that it is examined again"),
			text(otherFlags, "random", "examine random weights in the `shape` of a published model: "+strings.Join(loader.RandomShapes(), ", ")),
			text(otherFlags, "type", "`type` of the random weights, as for quantize (default Q4_0)"),
		}, computeFlags()),
		Action: p.doctor,
	}
}

// errUnwell is a device that something is wrong with; the report has said what.
var errUnwell = errors.New("something is wrong with the device; the report's verdict says what")

func (p *program) doctor(c *cli.Context) (err error) {
	if err := arguments(c, 0, 1); err != nil {
		return err
	}
	device, err := p.runtimeOptions(c)
	if err != nil {
		return err
	}
	o := doctor.Options{Version: version(), Standard: !c.Args().Present() && c.String("random") == ""}
	if o.Load, err = loadOptions(c); err != nil {
		return err
	}
	if len(o.Load.Adapters) > 0 {
		return usageError("doctor examines a model without adapters; leave --lora out")
	}
	if o.Model, err = doctorModel(c); err != nil {
		return err
	}
	rt, err := qwenvk.Open(device)
	if err != nil {
		if statusOf(err) == statusNoDevice {
			return errors.Join(err, p.writeReport(c, doctor.WithoutDevice(o.Version, err)))
		}
		return err
	}
	defer func() { err = errors.Join(err, validationFailure(rt), rt.Close()) }()
	if c.Bool("forget") {
		n, err := doctor.Forget(rt)
		if err != nil {
			return err
		}
		p.note("%d kernels are no longer switched off", n)
	}
	bar := p.newCount("examining")
	o.Progress = func(at doctor.Progress) { bar.set(at.Done, at.Total, at.What) }
	report, err := doctor.Run(c.Context, rt, o)
	bar.done()
	if err != nil {
		return err
	}
	if err := p.writeReport(c, report); err != nil {
		return err
	}
	if !report.OK {
		return errUnwell
	}
	return nil
}

func (p *program) writeReport(c *cli.Context, r *doctor.Report) error {
	if c.Bool("json") {
		return writeJSON(p.out, r)
	}
	_, err := io.WriteString(p.out, r.Text())
	return err
}

// doctorModel is how the examined model is opened.
func doctorModel(c *cli.Context) (func() (*loader.Checkpoint, error), error) {
	random, err := randomCheckpoint(c)
	if err != nil {
		return nil, err
	}
	if random != nil {
		return func() (*loader.Checkpoint, error) { return random, nil }, nil
	}
	name := demo.Name
	if c.Args().Present() {
		name = c.Args().First()
	}
	path, err := locate(name)
	if err != nil {
		return nil, err
	}
	return func() (*loader.Checkpoint, error) {
		var m *loader.Checkpoint
		var err error
		if name == demo.Name {
			m, err = loader.OpenGGUF(demo.Name, demo.GGUF())
		} else {
			m, err = loader.Open(path)
		}
		if err != nil {
			return nil, &loadError{err}
		}
		return m, nil
	}, nil
}
