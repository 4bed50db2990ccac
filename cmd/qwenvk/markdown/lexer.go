package markdown

import (
	"strings"
	"unicode/utf8"
)

// language is what a lexer must know to tell comments, strings and words of a language apart. That is all it shows:
// who reads an answer looks for its shape, and a parser for each language would be larger than the rest of the program.
type language struct {
	comment []string // begins a comment up to the line's end
	block   [2]string
	strings string   // the characters that begin and end strings
	long    []string // begin and end strings over several lines
	words   map[string]bool
	lines   bool // of a diff: the first character tells
	fold    bool // keywords in any case
}

func words(list string) map[string]bool {
	m := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		m[word] = true
	}
	return m
}

var cComments = [2]string{"/*", "*/"}

// languages by the names that stand behind a fence.
var languages = map[string]*language{
	"go": {
		comment: []string{"//"}, block: cComments, strings: `"'`, long: []string{"`"},
		words: words("break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var nil true false"),
	},
	"python": {
		comment: []string{"#"}, strings: `"'`, long: []string{`"""`, "'''"},
		words: words("and as assert async await break class continue def del elif else except finally for from global if import in is lambda match case nonlocal not or pass raise return try while with yield None True False self"),
	},
	"javascript": {
		comment: []string{"//"}, block: cComments, strings: `"'`, long: []string{"`"},
		words: words("async await break case catch class const continue debugger default delete do else enum export extends finally for from function if implements import in instanceof interface let new of private public readonly return static super switch this throw try type typeof var void while yield null undefined true false"),
	},
	"c": {
		comment: []string{"//"}, block: cComments, strings: `"'`,
		words: words("auto bool break case catch char class const constexpr continue default delete do double else enum explicit extern float for friend goto if inline int long mutable namespace new noexcept nullptr operator override private protected public register return short signed sizeof static struct switch template this throw try typedef typename union unsigned using virtual void volatile while true false NULL include define ifdef ifndef endif uniform layout in out buffer vec2 vec3 vec4 uint"),
	},
	"rust": {
		comment: []string{"//"}, block: cComments, strings: `"`,
		words: words("as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while"),
	},
	"java": {
		comment: []string{"//"}, block: cComments, strings: `"'`, long: []string{`"""`},
		words: words("abstract as assert base boolean break byte case catch char class const continue data default delegate do double else enum event extends final finally float for foreach fun func get guard if implements import in init inner instanceof int interface internal is let long namespace native new null object open operator out override package params private protected public readonly record ref return sealed set short static string struct super suspend switch synchronized this throw throws transient try typealias using val var virtual void volatile when where while yield true false nil self"),
	},
	"shell": {
		comment: []string{"#"}, strings: `"'`,
		words: words("if then else elif fi case esac for while until do done in function return local export set unset exit break continue source alias echo cd sudo"),
	},
	"sql": {
		comment: []string{"--"}, block: cComments, strings: `'"`, fold: true,
		words: words("select from where and or not null is in insert into values update set delete create table index view drop alter add column primary key foreign references join inner left right outer full on group by order having limit offset as distinct union all case when then else end between like exists default unique check cascade begin commit rollback with returning asc desc int integer text varchar boolean date timestamp"),
	},
	"json": {strings: `"`, words: words("true false null")},
	"yaml": {comment: []string{"#"}, strings: `"'`, words: words("true false null yes no on off")},
	"lua": {
		comment: []string{"--"}, strings: `"'`,
		words: words("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"),
	},
	"ruby": {
		comment: []string{"#"}, strings: `"'`,
		words: words("alias and begin break case class def defined? do else elsif end ensure false for if in module next nil not or redo require rescue retry return self super then true undef unless until when while yield puts attr_accessor"),
	},
	"html": {block: [2]string{"<!--", "-->"}, strings: `"'`},
	"css":  {block: cComments, strings: `"'`},
	"diff": {lines: true},
	"make": {comment: []string{"#"}, strings: `"'`, words: words("ifeq ifneq ifdef ifndef else endif include define endef FROM RUN CMD COPY ADD ENV ARG WORKDIR EXPOSE ENTRYPOINT USER VOLUME LABEL")},
}

// aliases are further names of languages, and languages that look alike to this lexer.
var aliases = map[string]string{
	"golang": "go", "py": "python", "python3": "python", "js": "javascript", "ts": "javascript", "typescript": "javascript",
	"jsx": "javascript", "tsx": "javascript", "cpp": "c", "c++": "c", "h": "c", "hpp": "c", "objc": "c", "glsl": "c", "hlsl": "c",
	"cuda": "c", "wgsl": "rust", "rs": "rust", "zig": "rust", "kotlin": "java", "kt": "java", "csharp": "java", "cs": "java", "c#": "java",
	"swift": "java", "scala": "java", "dart": "java", "groovy": "java", "php": "javascript", "sh": "shell", "bash": "shell", "zsh": "shell",
	"fish": "shell", "console": "shell", "powershell": "shell", "jsonc": "json", "json5": "json", "jsonl": "json", "yml": "yaml",
	"toml": "yaml", "ini": "yaml", "xml": "html", "svg": "html", "vue": "html", "scss": "css", "less": "css", "patch": "diff",
	"makefile": "make", "dockerfile": "make", "rb": "ruby", "perl": "ruby", "elixir": "ruby", "postgresql": "sql", "mysql": "sql", "sqlite": "sql",
}

// languageOf finds a language by its name; nil: not known, the code is printed as it is.
func languageOf(name string) *language {
	name = strings.ToLower(name)
	if to, ok := aliases[name]; ok {
		name = to
	}
	return languages[name]
}

// lexer colours code line by line.
type lexer struct {
	language *language
	until    string // the end of a comment or string that began in a line before
	inside   style
}

// line colours one line.
func (l *lexer) line(text string) (pieces []piece) {
	switch {
	case l.language == nil:
		return []piece{{text, 0}}
	case l.language.lines:
		return []piece{{text, diffStyle(text)}}
	}
	for text != "" {
		n, look := l.next(text)
		pieces = join(pieces, piece{text[:n], look})
		text = text[n:]
	}
	return pieces
}

func diffStyle(line string) style {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		return bold
	case strings.HasPrefix(line, "+"):
		return addedStyle
	case strings.HasPrefix(line, "-"):
		return removedStyle
	case strings.HasPrefix(line, "@@"):
		return codeStyle
	}
	return 0
}

// next returns the length and the look of what a text begins with.
func (l *lexer) next(text string) (n int, look style) {
	g := l.language
	if l.until != "" {
		end := strings.Index(text, l.until)
		if end < 0 {
			return len(text), l.inside
		}
		n = end + len(l.until)
		l.until = ""
		return n, l.inside
	}
	for _, begin := range g.comment {
		if strings.HasPrefix(text, begin) {
			return len(text), faint
		}
	}
	if begin := g.block[0]; begin != "" && strings.HasPrefix(text, begin) {
		l.until, l.inside = g.block[1], faint
		return len(begin), faint
	}
	for _, begin := range g.long {
		if strings.HasPrefix(text, begin) {
			l.until, l.inside = begin, stringStyle
			return len(begin), stringStyle
		}
	}
	c := text[0]
	switch {
	case strings.IndexByte(g.strings, c) >= 0:
		return quoted(text), stringStyle
	case c >= '0' && c <= '9':
		n = len(text) - len(strings.TrimLeft(text, "0123456789abcdefABCDEFxXoOlLuU._"))
		return n, numberStyle
	case inName(c):
		for n < len(text) && (inName(text[n]) || text[n] >= '0' && text[n] <= '9') {
			n++
		}
		word := text[:n]
		if g.fold {
			word = strings.ToLower(word)
		}
		if g.words[word] {
			return n, keywordStyle
		}
		return n, 0
	}
	_, n = utf8.DecodeRuneInString(text)
	return n, 0
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

// quoted is the length of a string: up to its end, or to the line's end where that does not come.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return len(text)
}
