package markdown

// style is how a text looks.
type style uint16

const (
	bold style = 1 << iota
	italic
	underline
	strike
	faint
	codeStyle // colours, which a terminal's theme gives a shade
	headingStyle
	keywordStyle
	stringStyle
	numberStyle
	addedStyle
	removedStyle
)

// Select Graphic Rendition (ECMA-48); colours of the palette of eight, so that they follow the person's theme.
var renditions = []struct {
	style style
	code  string
}{
	{bold, "1"},
	{faint, "2"},
	{italic, "3"},
	{underline, "4"},
	{strike, "9"},
	{codeStyle, "36"},
	{headingStyle, "34"},
	{keywordStyle, "35"},
	{stringStyle, "32"},
	{numberStyle, "33"},
	{addedStyle, "32"},
	{removedStyle, "31"},
}

const reset = "\x1b[0m"

// sequence is what begins a style, from any other.
func (s style) sequence() string {
	if s == 0 {
		return reset
	}
	codes := "\x1b[0"
	for _, r := range renditions {
		if s&r.style != 0 {
			codes += ";" + r.code
		}
	}
	return codes + "m"
}

// piece is a text in one style.
type piece struct {
	text  string
	style style
}
