package vk

import (
	"sync"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// layout is what pipelines of one shape share: how many storage buffers and
// how many bytes of push constants. Equal shapes have the same handles, so that
// neighbouring dispatches may keep each other's bindings.
type layout struct {
	set      core.Handle // 0 without buffers
	pipeline core.Handle
}

type shape struct{ buffers, pushBytes int }

// layouts keeps the layouts of a device until it is closed; there are few.
type layouts struct {
	mu   sync.Mutex
	sets map[int]core.Handle
	all  map[shape]layout
}

func (l *layouts) init() {
	l.sets, l.all = map[int]core.Handle{}, map[shape]layout{}
}

func (l *layouts) get(d *Device, buffers, pushBytes int) (layout, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := shape{buffers, pushBytes}
	if out, ok := l.all[key]; ok {
		return out, nil
	}
	set, err := l.set(d, buffers)
	if err != nil {
		return layout{}, err
	}
	handle, r := d.core.PipelineLayout(set, pushBytes)
	if err := d.result(r, "vkCreatePipelineLayout", "layout of %d buffers", buffers); err != nil {
		return layout{}, err
	}
	out := layout{set: set, pipeline: handle}
	l.all[key] = out
	return out, nil
}

func (l *layouts) set(d *Device, buffers int) (core.Handle, error) {
	if buffers == 0 {
		return 0, nil
	}
	if h, ok := l.sets[buffers]; ok {
		return h, nil
	}
	handle, r := d.core.SetLayout(buffers)
	if err := d.result(r, "vkCreateDescriptorSetLayout", "layout of %d buffers", buffers); err != nil {
		return 0, err
	}
	l.sets[buffers] = handle
	return handle, nil
}

func (l *layouts) destroy(d *Device) {
	for _, out := range l.all {
		vgo.DestroyPipelineLayout(d.handle, core.ToBinding[vgo.PipelineLayout](out.pipeline), nil)
	}
	for _, set := range l.sets {
		vgo.DestroyDescriptorSetLayout(d.handle, core.ToBinding[vgo.DescriptorSetLayout](set), nil)
	}
}
