package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/vk"
)

// Speed is what the device's memory and arithmetic give, in 10⁹ bytes and operations per second; 0 for what could not be
// measured.
type Speed struct {
	Copy     float64 `json:"copy_gbps"` // read and written
	Read     float64 `json:"read_gbps"` // by a kernel
	Upload   float64 `json:"upload_gbps"`
	Download float64 `json:"download_gbps"`
	Float32  float64 `json:"f32_gflops"`    // a multiply-add is two
	Half     float64 `json:"f16_gflops"`    // 0: the device computes none
	Dot      float64 `json:"int8_gops"`     // of integer dot products
	Matrix   float64 `json:"matrix_gflops"` // of matrix units, half precision summed in float32
}

// transferBytes is the size of what is sent to the device and back.
const transferBytes = 64 << 20

func measure(ctx context.Context, rt *qwenvk.Runtime, dev *vk.Device) (s Speed, err error) {
	limits, err := rt.MeasureLimits(ctx)
	if err != nil && fatal(ctx, err) {
		return s, err
	}
	s.Copy, s.Read, s.Float32 = limits.CopyBytes/1e9, limits.ReadBytes/1e9, limits.FMA/1e9
	s.Half, s.Dot, s.Matrix = limits.Half/1e9, limits.Dot/1e9, limits.Matrix/1e9
	buffer, err := dev.NewBuffer("transfer", min(transferBytes, dev.Caps().MaxBufferSize), vk.DeviceLocal)
	if err != nil {
		return s, err
	}
	defer buffer.Close()
	defer dev.FreeStaging()
	data := make([]byte, buffer.Size())
	for i := range data {
		data[i] = byte(i) // no page of it may be one that is shared until it is written
	}
	for _, direction := range []struct {
		to *float64
		do func() error
	}{
		{&s.Upload, func() error { return dev.UploadBytes(ctx, buffer.Whole(), data) }},
		{&s.Download, func() error { return dev.Download(ctx, data, buffer.Whole()) }},
	} {
		for range 3 { // the first one touches the pages
			begin := time.Now()
			if err := direction.do(); err != nil {
				return s, err
			}
			*direction.to = max(*direction.to, float64(len(data))/time.Since(begin).Seconds()/1e9)
		}
	}
	return s, nil
}

// fatal tells errors after which nothing can be measured.
func fatal(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, vk.ErrDeviceLost)
}
