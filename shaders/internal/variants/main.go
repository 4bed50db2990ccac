// Command variants prints what scripts/compile_shaders.sh compiles: a line per module with the name of its file, its
// source and its macros as compiler flags.
package main

import (
	"fmt"

	"github.com/qwenvk/qwenvk/shaders"
)

func main() {
	for _, m := range shaders.Modules() {
		fmt.Print(m.File, " ", m.Source)
		for _, define := range m.Defines {
			fmt.Print(" -D", define)
		}
		fmt.Println()
	}
}
