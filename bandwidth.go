package qwenvk

import (
	"context"
	"fmt"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/vk"
)

// copyBytes is the size of the buffers that MeasureCopy copies: well beyond the caches of cards, and small enough to
// fit beside a model.
const copyBytes = 256 << 20

// MeasureCopy measures what the device's memory gives: the bytes read and written per second by the fastest of a few
// large copies between two buffers. Decode reads weights at a rate that can be compared with it.
func (r *Runtime) MeasureCopy(ctx context.Context) (bytesPerSecond float64, err error) {
	ctx, end, err := r.life.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	size := uint64(copyBytes)
	if caps := r.device().Caps(); caps.Type == vk.Software {
		size /= 4
	}
	size = min(size, r.device().Caps().MaxBufferSize)
	var buffers [2]*vk.Buffer
	for i := range buffers {
		if buffers[i], err = r.device().NewBuffer("copy", size, vk.DeviceLocal); err != nil {
			return 0, err
		}
		defer buffers[i].Close()
	}
	src, dst := buffers[0].Whole(), buffers[1].Whole()
	const copies = 6
	rec := r.device().NewRecorder()
	rec.Fill(src, 0x3c003c00)
	for i := range copies {
		rec.Barriers([]vk.Barrier{
			{Src: vk.TransferWrite, Dst: vk.TransferRead | vk.TransferWrite, Range: src},
			{Src: vk.TransferWrite, Dst: vk.TransferRead | vk.TransferWrite, Range: dst},
		})
		rec.Timestamp(2 * i)
		rec.Copy(dst, src)
		rec.Timestamp(2*i + 1)
	}
	c, err := rec.Finish("copy bandwidth")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := r.device().Run(ctx, c); err != nil {
		return 0, err
	}
	ns, err := c.Timestamps()
	if err != nil {
		return 0, err
	}
	for i := 1; i < copies; i++ { // the first one touches the pages
		if took := ns[2*i+1] - ns[2*i]; took > 0 {
			bytesPerSecond = max(bytesPerSecond, 2*float64(size)/took*1e9)
		}
	}
	if bytesPerSecond == 0 {
		return 0, fmt.Errorf("the device has no timestamps to measure copies with")
	}
	return bytesPerSecond, nil
}

// Limits are what a device can do at most, measured by kernels that do nothing else: the yardsticks of a benchmark. A
// figure is 0 where the device lacks what it measures.
type Limits struct {
	CopyBytes float64 // bytes read and written per second by the fastest copy; see Runtime.MeasureCopy
	ReadBytes float64 // bytes read from memory per second by a kernel
	FMA       float64 // float32 operations per second, a multiply-add being two
	Half      float64 // the same in float16
	Dot       float64 // operations of integer dot products per second, of which one has 8
	Matrix    float64 // operations of matrix units per second, float16 added up in float32
}

// MeasureLimits measures what the device gives at most; that takes a second or so.
func (r *Runtime) MeasureLimits(ctx context.Context) (Limits, error) {
	l, err := vkexec.MeasureLimits(ctx, r.device())
	if err != nil {
		return Limits{}, err
	}
	limits := Limits{ReadBytes: l.ReadBytes, FMA: l.FMA, Half: l.Half, Dot: l.Dot, Matrix: l.Matrix}
	limits.CopyBytes, err = r.MeasureCopy(ctx)
	return limits, err
}
