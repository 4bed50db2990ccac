package archtest

// module is this repository's module path; packages below are named relative to it, the root package is ".".
const module = "github.com/qwenvk/qwenvk"

// arrows says for each package which others of this module it may import. A row that ends in "/..." stands for every
// package below that folder. Arrows point down only: vk knows no tensor, graph no Vulkan, model no shader, chat no
// token id.
var arrows = map[string][]string{
	// What people start or import.
	"cmd/qwenvk":     {".", "cmd/qwenvk/...", "bench", "doctor", "convert", "chat", "chat/mcp", "chat/toolcheck", "tokenizer", "grammar", "loader", "sampler", "demo", "internal/cliargs", "internal/hub"},
	"cmd/qwenvk/...": {".", "chat", "tokenizer", "loader"},
	// The terminal knows nothing of models.
	"cmd/qwenvk/term":     {},
	"cmd/qwenvk/term/vt":  {"cmd/qwenvk/term"},
	"cmd/qwenvk/lineedit": {"cmd/qwenvk/term"},
	"cmd/qwenvk/markdown": {"cmd/qwenvk/term"},
	// The desktop program's window; what it shows and how that is drawn know nothing of models.
	"cmd/qwenvk-desktop":        {".", "chat", "sampler", "demo", "internal/hub", "cmd/qwenvk-desktop/..."},
	"cmd/qwenvk-desktop/canvas": {},
	"cmd/qwenvk-desktop/glyph":  {},
	"cmd/qwenvk-desktop/ui":     {"cmd/qwenvk-desktop/canvas", "cmd/qwenvk-desktop/glyph"},
	"cmd/qwenvk-desktop/gpu":    {"cmd/qwenvk-desktop/canvas"},
	// The root puts the layers together, so it sees them all; but it renders and executes nothing itself.
	"clib":    {".", "chat", "sampler"},
	".":       {"engine", "chat", "chat/toolcheck", "grammar", "loader", "model", "quant", "graph", "graph/vkexec", "sampler", "tokenizer", "vk", "internal/statefile", "internal/inside"},
	"bench":   {".", "chat", "sampler", "tokenizer"},
	"doctor":  {".", "graph", "graph/cpuexec", "graph/vkexec", "internal/inside", "loader", "model", "quant", "vk"},
	"convert": {"model", "loader", "loader/gguf", "quant", "tokenizer"},
	"demo":    {},

	// Text.
	"chat":           {"chat/jinja"},
	"chat/jinja":     {},
	"chat/toolcheck": {"chat"},
	"chat/mcp":       {"chat"},
	"tokenizer":      {},
	"sampler":        {},
	"grammar":        {},

	// Numbers and the plan.
	"engine":        {"model", "graph", "graph/vkexec", "sampler", "tokenizer"},
	"model":         {"graph", "quant", "loader"},
	"loader":        {"quant", "loader/gguf", "loader/safetensors"},
	"loader/...":    {"quant"},
	"graph":         {"quant"},
	"graph/cpuexec": {"graph", "quant"},
	"graph/vkexec":  {"graph", "quant", "shaders", "vk", "internal/tuner"},
	"quant":         {"internal/half"},
	"quant/...":     {},

	// The device.
	"shaders":         {},
	"shaders/...":     {"shaders", "internal/spirv"},
	"vk":              {"vk/internal/..."},
	"vk/internal/...": {},
	"vk/vktest":       {"vk", "vk/internal/..."},

	// Leaves that everybody may use (see leaves) and tools of this repository.
	"internal/half":      {},
	"internal/spirv":     {},
	"internal/testkit":   {"internal/half"},
	"internal/archtest":  {},
	"internal/cliargs":   {},
	"internal/hub":       {},
	"internal/mcptest":   {},
	"internal/statefile": {},
	"internal/inside":    {"graph/vkexec", "model", "vk"},
	"internal/tuner":     {},
	"internal/cmd/...":   {},
}

// leaves may be imported from anywhere: they know nothing of this module.
var leaves = []string{"internal/half"}

// modules says which packages may import another module. A module without a row is refused, so that a dependency is
// always somebody's decision; golang.org/x is Go's own and free.
var modules = map[string][]string{
	"github.com/vulkan-go/vulkan":   {"vk", "vk/internal/...", "vk/vktest"},
	"github.com/vbauerster/mpb/v8":  {"cmd/qwenvk"},
	"github.com/urfave/cli":         {"cmd/qwenvk"},
	"github.com/go-gl/glfw":         {"cmd/qwenvk-desktop"},
	"github.com/mattn/go-runewidth": {"cmd/qwenvk/term"},
	"github.com/clipperhouse/uax29": {"cmd/qwenvk/term"},
	"github.com/mattn/go-isatty":    {"cmd/qwenvk", "cmd/qwenvk/..."},
	"github.com/dlclark/regexp2":    {"tokenizer"},

	"github.com/google/jsonschema-go":        {"chat/toolcheck"},
	"github.com/modelcontextprotocol/go-sdk": {"chat/mcp", "internal/mcptest"},

	"github.com/edsrzf/mmap-go": {"loader", "loader/..."},
}

// cgo lists the packages that may contain C: everything else builds and is tested without a C compiler.
var cgo = []string{"vk", "vk/internal/...", "clib", "cmd/qwenvk-desktop/gpu"}

// only says who alone may import a package, whatever the table above allows.
var only = map[string][]string{
	// Nothing is ever multiplied on the CPU, not even as a fallback. The reference is what tests and the examination of a
	// device compare with.
	"graph/cpuexec": {"doctor"},
	// The public API shows what a runtime is made of to nobody else.
	"internal/inside": {".", "doctor"},
}

// absent lists what must not be among all the dependencies, direct or not, of a package.
var absent = map[string][]string{
	"cmd/qwenvk": {"internal/testkit", "testing"},
	// A program that embeds the runtime carries no toy model along.
	".": {"graph/cpuexec", "internal/testkit", "testing", "demo"},
}
