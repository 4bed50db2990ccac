package qwenvk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk"
)

// shareHarness is the rest of the program that docs/embedding.md's last recipe is a part of: the test's Vulkan device stands for a
// renderer's.
const shareHarness = `package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

type background struct{ testing.TB }

var cleanups []func()

func (background) Helper()                           {}
func (background) Cleanup(f func())                  { cleanups = append(cleanups, f) }
func (background) Error(args ...any)                 { panic(fmt.Sprint(args...)) }
func (background) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (background) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (background) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func main() {
	h := vktest.Program(background{}, vk.MakeVersion(1, 3, 0), func(_, useful vk.Needs) vk.Needs { return useful })
	r := &renderer{getInstanceProcAddr: h.GetInstanceProcAddr, instance: h.Instance, physicalDevice: h.PhysicalDevice}
	text, err := answer(r, func(r *renderer, _ qwenvk.DeviceNeeds) {
		r.device, r.family, r.queue, r.submit = h.Device, h.QueueFamily, h.Queue, h.Lock
	}, os.Args[1], "What is 17 + 25?")
	if err != nil {
		panic(err)
	}
	for i := len(cleanups) - 1; i >= 0; i-- {
		cleanups[i]()
	}
	fmt.Println(text)
}
`

// TestRecipes builds the programs of docs/embedding.md and compares what they say with what the page says that they do.
func TestRecipes(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests leave the recipes out, which link five programs")
	}
	if _, err := qwenvk.ListDevices(qwenvk.Options{}); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("the recipes need a Vulkan device: %v", err)
	}
	page, err := os.ReadFile("docs/embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile("(?s)```go\n// (\\w+)\\.go\n(.*?)```\n\n```output\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(recipes) != 5 || strings.Count(string(page), "```go") != 5 {
		t.Fatalf("the page has %d recipes, want 5", len(recipes))
	}
	dir := t.TempDir()
	for _, recipe := range recipes {
		name, source, want := recipe[1], recipe[2], recipe[3]
		t.Run(name, func(t *testing.T) {
			files := map[string]string{name + ".go": source}
			if name == "share" {
				files["harness.go"] = shareHarness
			}
			program := filepath.Join(dir, name+".program")
			build := exec.Command("go", "build", "-o", program)
			for file, content := range files {
				path := filepath.Join(dir, file)
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				build.Args = append(build.Args, path)
			}
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if formatted, err := exec.Command("gofmt", "-l", dir).CombinedOutput(); err != nil || len(formatted) > 0 {
				t.Errorf("not formatted: %s %v", formatted, err)
			}
			got, err := exec.Command(program, "demo/qwenvk-demo-Q8_0.gguf").CombinedOutput()
			if err != nil || string(got) != want {
				t.Errorf("%v\ngot\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}
