// Package gpu draws a display list with Vulkan: rounded rectangles, their borders and shadows, and glyphs of one atlas, in one
// draw call a frame.
//
// An [Instance] finds devices, a [Device] is an open one, a [Screen] draws to a window's surface or, without one, to a
// picture that can be read back. The device is made so that another part of the program can compute on it as well: see
// [DeviceOptions] and [Device.Handles].
//
// The calls are made from C over structures that the package declares itself, because the Go binding's functions that
// take slices of structures may read memory that the collector has freed. Nothing here knows what a window is or what is drawn.
package gpu
