// Package spirv reads from SPIR-V what a compute kernel asks of a device: bindings, push constants, specialization
// constants, workgroup size, shared memory, capabilities. It exists for tests and generators that hold the kernel table
// against the compiled shaders; nothing at run time needs it.
//
// Three steps: [Parse] walks the instructions once and keeps what declares something; the interface of the module then
// stands in the fields of [Module]; and what depends on specialization constants (workgroup size, array lengths) is
// computed on demand by [Module.LocalSize] and [Module.SharedBytes] for given values.
//
// It knows the subset that glslc and spirv-opt produce for compute shaders (SPIR-V 1.0 to 1.6, numbers of the
// specification, "Binary Form" and section 3). Everything read is bounds-checked: damaged input is an error.
package spirv
