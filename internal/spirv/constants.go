package spirv

import (
	"fmt"
	"math"
)

// LocalSize returns the workgroup size when the specialization constants have the given values by id; others keep their
// defaults.
func (m *Module) LocalSize(spec map[int]uint32) ([3]uint32, error) {
	if m.localID == 0 {
		return m.local, nil
	}
	var size [3]uint32
	for i, id := range m.values[m.localID].operands {
		if i == 3 {
			break
		}
		var err error
		if size[i], err = m.eval(id, spec, 0); err != nil {
			return size, err
		}
	}
	return size, nil
}

// SharedBytes returns the bytes of shared memory, likewise.
func (m *Module) SharedBytes(spec map[int]uint32) (int, error) {
	total := 0
	for _, t := range m.shared {
		size, err := m.size(t, spec, 0)
		if err != nil {
			return 0, err
		}
		total += size
	}
	return total, nil
}

// maxDepth bounds the nesting of types and constant expressions, which damaged input could close into a ring.
const maxDepth = 64

func (m *Module) size(id uint32, spec map[int]uint32, depth int) (int, error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("spirv: type %d is nested too deep", id)
	}
	t := m.types[id]
	switch t.op {
	case opTypeBool, opTypeInt, opTypeFloat:
		return int(t.width) / 8, nil
	case opTypeVector, opTypeArray:
		elem, err := m.size(t.elem, spec, depth+1)
		if err != nil {
			return 0, err
		}
		count := t.count
		if t.op == opTypeArray {
			if count, err = m.eval(t.count, spec, depth+1); err != nil {
				return 0, err
			}
		}
		if int64(elem)*int64(count) > math.MaxInt32 {
			return 0, fmt.Errorf("spirv: type %d has %d × %d bytes", id, count, elem)
		}
		return elem * int(count), nil
	case opTypeStruct:
		total := 0
		for _, f := range t.members {
			size, err := m.size(f, spec, depth+1)
			if err != nil {
				return 0, err
			}
			total += size
		}
		return total, nil
	}
	return 0, fmt.Errorf("spirv: type %d (instruction %d) has no size", id, t.op)
}

// eval computes a constant of 32 bits or a bool.
func (m *Module) eval(id uint32, spec map[int]uint32, depth int) (uint32, error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("spirv: constant %d is nested too deep", id)
	}
	v, ok := m.values[id]
	if !ok {
		return 0, fmt.Errorf("spirv: %d is not a constant", id)
	}
	switch v.op {
	case opConstant:
		return v.literal, nil
	case opSpecConstant:
		if specID, ok := m.decoration[id][decSpecID]; ok {
			if set, ok := spec[int(specID)]; ok {
				return set, nil
			}
		}
		return v.literal, nil
	case opSpecConstantOp:
		return m.evalOp(v, spec, depth)
	}
	return 0, fmt.Errorf("spirv: constant %d is not a number", id)
}

func (m *Module) evalOp(v value, spec map[int]uint32, depth int) (uint32, error) {
	const (
		compositeExtract = 81
		sel              = 169
	)
	if v.opcode == compositeExtract && len(v.operands) == 2 {
		parts := m.values[v.operands[0]].operands
		if int(v.operands[1]) >= len(parts) {
			return 0, fmt.Errorf("spirv: part %d of %d constants", v.operands[1], len(parts))
		}
		return m.eval(parts[v.operands[1]], spec, depth+1)
	}
	args := make([]uint32, len(v.operands))
	for i, id := range v.operands {
		var err error
		if args[i], err = m.eval(id, spec, depth+1); err != nil {
			return 0, err
		}
	}
	if v.opcode == sel && len(args) == 3 {
		if args[0] != 0 {
			return args[1], nil
		}
		return args[2], nil
	}
	if op, ok := binaryOps[v.opcode]; ok && len(args) == 2 {
		return op(args[0], args[1])
	}
	return 0, fmt.Errorf("spirv: constant expression with instruction %d and %d operands is not known", v.opcode, len(args))
}

// binaryOps are the operators that GLSL constant expressions compile to.
var binaryOps = map[uint32]func(a, b uint32) (uint32, error){
	128: func(a, b uint32) (uint32, error) { return a + b, nil },
	130: func(a, b uint32) (uint32, error) { return a - b, nil },
	132: func(a, b uint32) (uint32, error) { return a * b, nil },
	134: divide(func(a, b uint32) uint32 { return a / b }),
	137: divide(func(a, b uint32) uint32 { return a % b }),
	164: compare(func(a, b uint32) bool { return a == b }), // logical equal
	166: compare(func(a, b uint32) bool { return a != 0 || b != 0 }),
	167: compare(func(a, b uint32) bool { return a != 0 && b != 0 }),
	170: compare(func(a, b uint32) bool { return a == b }),
	171: compare(func(a, b uint32) bool { return a != b }),
	172: compare(func(a, b uint32) bool { return a > b }),
	174: compare(func(a, b uint32) bool { return a >= b }),
	176: compare(func(a, b uint32) bool { return a < b }),
	178: compare(func(a, b uint32) bool { return a <= b }),
}

func divide(op func(a, b uint32) uint32) func(a, b uint32) (uint32, error) {
	return func(a, b uint32) (uint32, error) {
		if b == 0 {
			return 0, fmt.Errorf("spirv: constant division of %d by zero", a)
		}
		return op(a, b), nil
	}
}

func compare(op func(a, b uint32) bool) func(a, b uint32) (uint32, error) {
	return func(a, b uint32) (uint32, error) {
		if op(a, b) {
			return 1, nil
		}
		return 0, nil
	}
}
