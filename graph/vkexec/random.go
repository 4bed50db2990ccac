package vkexec

import (
	"context"
	"encoding/binary"

	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// filler makes random weights on the device: kernel "fill" computes what quant.Random says, so that a model of any size
// needs no file, no host memory and no upload.
type filler struct {
	dev      *vk.Device
	module   *shaders.Module
	pipeline *vk.Pipeline
	local    uint32
}

// randomParts returns the parts of a pack where all of them are random and the kernel can make their rows, which must
// be whole 16-bit words.
func randomParts(m *matrix, parts []quant.Source) ([]quant.Random, bool) {
	random := make([]quant.Random, len(parts))
	for i, part := range parts {
		r, ok := part.(quant.Random)
		if !ok {
			return nil, false
		}
		random[i] = r
	}
	for p := range m.layout.Planes() {
		if m.layout.PlaneRowBytes(p, m.cols)%2 != 0 {
			return nil, false
		}
	}
	return random, true
}

func newFiller(dev *vk.Device) (*filler, error) {
	m, err := shaders.Find("fill", shaders.Variant{}, func(m *shaders.Module) bool { return m.Tier == 0 })
	if err != nil {
		return nil, err
	}
	tuning := shaders.Tuning("fill", shaders.Variant{}, dev.Caps().Type == vk.Software, 0, 0, 0)
	constants, err := m.Specialize(tuning)
	if err != nil {
		return nil, err
	}
	p, err := dev.NewPipeline(vk.PipelineDesc{Name: m.File, Code: m.Code, Buffers: m.Buffers, PushBytes: m.PushBytes, Constants: constants})
	if err != nil {
		return nil, err
	}
	return &filler{dev, m, p, tuning["LOCAL_SIZE"]}, nil
}

func (f *filler) close() {
	if f != nil {
		f.pipeline.Close()
	}
}

// fill writes one shard of a pack.
func (f *filler) fill(ctx context.Context, m *matrix, s shard, parts []quant.Random) error {
	var table, masks []byte // of the kernel's first two buffers, the masks of all planes side by side
	row := 0
	for i, part := range parts {
		table = binary.LittleEndian.AppendUint32(table, uint32(row))
		table = binary.LittleEndian.AppendUint32(table, part.Seed)
		row += m.pack.Parts[i].Rows
	}
	places := make([]vk.Range, len(s.planes))
	for p := range s.planes {
		for uint64(len(masks))%f.align() != 0 {
			masks = append(masks, 0)
		}
		places[p].Offset = uint64(len(masks))
		for _, mask := range m.layout.Noise(p) {
			masks = binary.LittleEndian.AppendUint32(masks, mask.Keep)
			masks = binary.LittleEndian.AppendUint32(masks, mask.Set)
		}
		places[p].Size = uint64(len(masks)) - places[p].Offset
	}
	small := make([]*vk.Buffer, 2)
	for i, data := range [][]byte{table, masks} {
		var err error
		if small[i], err = f.dev.NewBuffer("fill", uint64(len(data)), vk.HostToDevice); err != nil {
			return err
		}
		defer small[i].Close()
		copy(small[i].Bytes(), data)
		small[i].Flush(0, small[i].Size())
	}
	push := shaders.FillPush{FirstRow: uint32(s.first), Tensors: uint32(len(parts)), Turns: 1}
	if m.pack.Interleave {
		push.Turns = uint32(len(parts) / max(1, m.pack.Experts))
		push.Block = uint32(m.pack.Rows() / max(1, m.pack.Experts))
	}
	rec := f.dev.NewRecorder()
	for p, plane := range s.planes {
		push := push
		push.RowHalves = uint32(m.layout.PlaneRowBytes(p, m.cols) / 2)
		push.Halves = push.RowHalves * uint32(s.rows)
		push.Salt = quant.Random{}.PlaneSeed(p)
		places[p].Buffer, push.Period = small[1], uint32(places[p].Size/8)
		rec.Dispatch(f.pipeline, []vk.Range{whole(small[0]), places[p], plane}, pushBytes(push), fold(ceilDiv(ceilDiv(push.Halves, 8), f.local)))
	}
	c, err := rec.Finish("random " + m.pack.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	return f.dev.Run(ctx, c)
}

// align is what the offset of a binding is a multiple of.
func (f *filler) align() uint64 { return f.dev.Caps().StorageAlign }
