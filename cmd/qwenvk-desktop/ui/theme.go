package ui

import "github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"

// The colors.
var (
	colorGround  = canvas.Color{R: 0x17, G: 0x19, B: 0x1f, A: 0xff}
	colorPanel   = canvas.Color{R: 0x1d, G: 0x20, B: 0x28, A: 0xff}
	colorRaised  = canvas.Color{R: 0x26, G: 0x2a, B: 0x34, A: 0xff}
	colorHover   = canvas.Color{R: 0x31, G: 0x36, B: 0x43, A: 0xff}
	colorLine    = canvas.Color{R: 0x32, G: 0x37, B: 0x44, A: 0xff}
	colorUser    = canvas.Color{R: 0x2b, G: 0x3d, B: 0x66, A: 0xff}
	colorCode    = canvas.Color{R: 0x10, G: 0x12, B: 0x17, A: 0xff}
	colorAccent  = canvas.Color{R: 0x6c, G: 0x9c, B: 0xff, A: 0xff}
	colorText    = canvas.Color{R: 0xe7, G: 0xe9, B: 0xef, A: 0xff}
	colorDim     = canvas.Color{R: 0x93, G: 0x9a, B: 0xab, A: 0xff}
	colorFaint   = canvas.Color{R: 0x62, G: 0x69, B: 0x7a, A: 0xff}
	colorGood    = canvas.Color{R: 0x7f, G: 0xc8, B: 0x8f, A: 0xff}
	colorWarning = canvas.Color{R: 0xe5, G: 0xb4, B: 0x5c, A: 0xff}
	colorProblem = canvas.Color{R: 0xf0, G: 0x72, B: 0x7f, A: 0xff}
	colorInk     = canvas.Color{R: 0x10, G: 0x15, B: 0x24, A: 0xff} // on the accent
	colorShade   = canvas.Color{A: 0x80}
	colorSelect  = canvas.Color{R: 0x6c, G: 0x9c, B: 0xff, A: 0x55}
)

// Measures, in units of the layout.
const (
	topHeight    = 54.0
	stripHeight  = 30.0
	columnMost   = 760.0
	columnMargin = 28.0
	textSize     = 15.0
	smallSize    = 13.0
	inputPad     = 16.0
	buttonSize   = 34.0
	avatarSize   = 28.0
	avatarRoom   = 42.0
	messageGap   = 22.0
)

// Ground is the color of the empty window.
func Ground() [3]uint8 { return [3]uint8{colorGround.R, colorGround.G, colorGround.B} }
