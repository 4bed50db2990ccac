package spirv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Module is the interface of one compute shader.
type Module struct {
	Version      string       // of SPIR-V, as "1.3"
	Capabilities []Capability // in the order declared
	Extensions   []string
	Bindings     []Binding  // by set and binding
	Push         []Member   // of the push constant block, by offset
	PushBytes    int        // its size; 0: there is none
	Constants    []Constant // specialization constants by id

	types      map[uint32]typ
	values     map[uint32]value
	names      map[uint32]string
	shared     []uint32  // types of the variables in workgroup memory
	local      [3]uint32 // literal workgroup size
	localID    uint32    // the constant that replaces it; 0: none
	members    map[uint32]map[uint32]member
	decoration map[uint32]map[uint32]uint32
}

// Binding is one storage buffer.
type Binding struct {
	Set, Binding int
	Name         string // of the block
	ReadOnly     bool   // every member is declared readonly
	WriteOnly    bool
}

// Member is one field of the push constant block. All are 32 bits wide.
type Member struct {
	Name   string
	Offset int
	Float  bool // else an integer
}

// Constant is one specialization constant.
type Constant struct {
	ID      int
	Name    string // empty where the shader gives none, as for the workgroup size
	Default uint32
}

// The instructions, decorations and storage classes that matter here, by their numbers in the specification.
const (
	opName               = 5
	opMemberName         = 6
	opExtension          = 10
	opExecutionMode      = 16
	opCapability         = 17
	opTypeBool           = 20
	opTypeInt            = 21
	opTypeFloat          = 22
	opTypeVector         = 23
	opTypeArray          = 28
	opTypeRuntimeArray   = 29
	opTypeStruct         = 30
	opTypePointer        = 32
	opConstantTrue       = 41
	opConstantFalse      = 42
	opConstant           = 43
	opConstantComposite  = 44
	opSpecConstantTrue   = 48
	opSpecConstantFalse  = 49
	opSpecConstant       = 50
	opSpecConstComposite = 51
	opSpecConstantOp     = 52
	opVariable           = 59
	opDecorate           = 71
	opMemberDecorate     = 72

	modeLocalSize = 17

	decSpecID        = 1
	decBuiltIn       = 11
	decNonWritable   = 24
	decNonReadable   = 25
	decBinding       = 33
	decDescriptorSet = 34
	decOffset        = 35

	builtInWorkgroupSize = 25

	classUniform       = 2
	classWorkgroup     = 4
	classPushConstant  = 9
	classStorageBuffer = 12
)

type typ struct {
	op      uint32
	width   uint32   // int, float: bits
	elem    uint32   // vector, array, pointer: type
	count   uint32   // vector: components; array: id of the length
	members []uint32 // struct
}

type value struct {
	op       uint32
	literal  uint32
	opcode   uint32   // of opSpecConstantOp
	operands []uint32 // ids, with literals for a composite's indices
}

type member struct {
	name        string
	offset      uint32
	nonWritable bool
	nonReadable bool
}

const magic = 0x07230203

// maxIDs bounds the ids of a module: kernels have a few thousand.
const maxIDs = 1 << 20

// Parse reads a module of SPIR-V words, little-endian.
func Parse(code []byte) (*Module, error) {
	if len(code) < 20 || len(code)%4 != 0 {
		return nil, fmt.Errorf("spirv: %d bytes are no module", len(code))
	}
	words := make([]uint32, len(code)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(code[4*i:])
	}
	if words[0] != magic {
		return nil, fmt.Errorf("spirv: starts with %#x, not with the magic number of little-endian SPIR-V", words[0])
	}
	if words[3] > maxIDs {
		return nil, fmt.Errorf("spirv: %d ids are more than a kernel has", words[3])
	}
	m := &Module{
		Version:    fmt.Sprintf("%d.%d", words[1]>>16&0xff, words[1]>>8&0xff),
		types:      map[uint32]typ{},
		values:     map[uint32]value{},
		names:      map[uint32]string{},
		members:    map[uint32]map[uint32]member{},
		decoration: map[uint32]map[uint32]uint32{},
	}
	var variables [][]uint32
	for rest := words[5:]; len(rest) > 0; {
		length, op := rest[0]>>16, rest[0]&0xffff
		if length == 0 || int(length) > len(rest) {
			return nil, fmt.Errorf("spirv: instruction %d at word %d claims %d words of %d", op, len(words)-len(rest), length, len(rest))
		}
		operands := rest[1:length]
		if len(operands) < least[op] {
			return nil, fmt.Errorf("spirv: instruction %d at word %d has %d operands, needs %d", op, len(words)-len(rest), len(operands), least[op])
		}
		if op == opVariable {
			variables = append(variables, operands)
		} else {
			m.declare(op, operands)
		}
		rest = rest[length:]
	}
	for _, v := range variables {
		if err := m.variable(v[0], v[1], v[2]); err != nil {
			return nil, err
		}
	}
	m.constants()
	slices.SortFunc(m.Bindings, func(a, b Binding) int { return 1000*(a.Set-b.Set) + a.Binding - b.Binding })
	return m, nil
}

// least is the number of operands that an instruction has at least.
var least = map[uint32]int{
	opName: 2, opMemberName: 3, opExtension: 1, opExecutionMode: 2, opCapability: 1,
	opTypeBool: 1, opTypeInt: 3, opTypeFloat: 2, opTypeVector: 3, opTypeArray: 3, opTypeRuntimeArray: 2,
	opTypeStruct: 1, opTypePointer: 3, opConstantTrue: 2, opConstantFalse: 2, opConstant: 3, opConstantComposite: 2,
	opSpecConstantTrue: 2, opSpecConstantFalse: 2, opSpecConstant: 3, opSpecConstComposite: 2, opSpecConstantOp: 3,
	opVariable: 3, opDecorate: 2, opMemberDecorate: 3,
}

// declare keeps one instruction that declares something.
func (m *Module) declare(op uint32, o []uint32) {
	switch op {
	case opName:
		m.names[o[0]] = text(o[1:])
	case opMemberName:
		m.member(o[0], o[1], func(f *member) { f.name = text(o[2:]) })
	case opExtension:
		m.Extensions = append(m.Extensions, text(o))
	case opCapability:
		m.Capabilities = append(m.Capabilities, Capability(o[0]))
	case opExecutionMode:
		if o[1] == modeLocalSize && len(o) >= 5 {
			copy(m.local[:], o[2:5])
		}
	case opTypeBool:
		m.types[o[0]] = typ{op: op, width: 32}
	case opTypeInt, opTypeFloat:
		m.types[o[0]] = typ{op: op, width: o[1]}
	case opTypeVector, opTypeArray:
		m.types[o[0]] = typ{op: op, elem: o[1], count: o[2]}
	case opTypeRuntimeArray:
		m.types[o[0]] = typ{op: op, elem: o[1]}
	case opTypeStruct:
		m.types[o[0]] = typ{op: op, members: o[1:]}
	case opTypePointer:
		m.types[o[0]] = typ{op: op, elem: o[2]}
	case opConstantTrue, opSpecConstantTrue:
		m.values[o[1]] = value{op: opConstant, literal: 1}
	case opConstantFalse, opSpecConstantFalse:
		m.values[o[1]] = value{op: opConstant}
	case opConstant, opSpecConstant:
		m.values[o[1]] = value{op: op, literal: o[2]}
	case opConstantComposite, opSpecConstComposite:
		m.values[o[1]] = value{op: opConstantComposite, operands: o[2:]}
	case opSpecConstantOp:
		m.values[o[1]] = value{op: op, opcode: o[2], operands: o[3:]}
	case opDecorate:
		m.decorate(o)
	case opMemberDecorate:
		m.member(o[0], o[1], func(f *member) {
			switch o[2] {
			case decOffset:
				if len(o) > 3 {
					f.offset = o[3]
				}
			case decNonWritable:
				f.nonWritable = true
			case decNonReadable:
				f.nonReadable = true
			}
		})
	}
}

func (m *Module) decorate(o []uint32) {
	if m.decoration[o[0]] == nil {
		m.decoration[o[0]] = map[uint32]uint32{}
	}
	var literal uint32
	if len(o) > 2 {
		literal = o[2]
	}
	m.decoration[o[0]][o[1]] = literal
	if o[1] == decBuiltIn && literal == builtInWorkgroupSize {
		m.localID = o[0]
	}
}

func (m *Module) member(structID, i uint32, edit func(*member)) {
	if m.members[structID] == nil {
		m.members[structID] = map[uint32]member{}
	}
	f := m.members[structID][i]
	edit(&f)
	m.members[structID][i] = f
}

// variable takes a global variable into the interface.
func (m *Module) variable(pointer, id, class uint32) error {
	block := m.types[pointer].elem
	switch class {
	case classStorageBuffer, classUniform:
		b := Binding{
			Set: int(m.decoration[id][decDescriptorSet]), Binding: int(m.decoration[id][decBinding]),
			Name: m.names[block],
		}
		fields := m.types[block].members
		b.ReadOnly, b.WriteOnly = len(fields) > 0, len(fields) > 0
		for i := range fields {
			f := m.members[block][uint32(i)]
			b.ReadOnly = b.ReadOnly && f.nonWritable
			b.WriteOnly = b.WriteOnly && f.nonReadable
		}
		_, all := m.decoration[id][decNonWritable]
		b.ReadOnly = b.ReadOnly || all
		_, all = m.decoration[id][decNonReadable]
		b.WriteOnly = b.WriteOnly || all
		m.Bindings = append(m.Bindings, b)
	case classPushConstant:
		for i, t := range m.types[block].members {
			scalar := m.types[t]
			if scalar.op != opTypeInt && scalar.op != opTypeFloat || scalar.width != 32 {
				return errors.New("spirv: a push constant is not one 32-bit number")
			}
			f := m.members[block][uint32(i)]
			m.Push = append(m.Push, Member{Name: f.name, Offset: int(f.offset), Float: scalar.op == opTypeFloat})
			m.PushBytes = max(m.PushBytes, int(f.offset)+4)
		}
	case classWorkgroup:
		m.shared = append(m.shared, block)
	}
	return nil
}

func (m *Module) constants() {
	for id, v := range m.values {
		if spec, ok := m.decoration[id][decSpecID]; ok {
			m.Constants = append(m.Constants, Constant{ID: int(spec), Name: m.names[id], Default: v.literal})
		}
	}
	slices.SortFunc(m.Constants, func(a, b Constant) int { return a.ID - b.ID })
}

// text is a nul-terminated string packed into words.
func text(words []uint32) string {
	var b strings.Builder
	for _, w := range words {
		for shift := 0; shift < 32; shift += 8 {
			c := byte(w >> shift)
			if c == 0 {
				return b.String()
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
