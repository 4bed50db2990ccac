// Package glyph turns characters into coverage: fonts embedded in the program for Latin, Greek and Cyrillic and for code, the
// machine's own fonts for everything else, a rasteriser, and the [Atlas] that the renderer samples.
//
// There is no shaping: a character is a glyph, placed behind the last one. That is right for Latin, Greek, Cyrillic and Chinese,
// Japanese and Korean; Arabic stays unjoined and Indic scripts unordered. A character that no font has is shown as a box.
package glyph
