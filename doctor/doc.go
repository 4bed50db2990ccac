// Package doctor examines a device: whether its driver computes every kernel rightly that a model would run on it, how
// fast its memory and arithmetic are, and what of the machine around it is in the way. Its [Report] ends in plain words:
// what is wrong, and what to do.
//
// Three nouns:
//
//   - An examinee is a model to look at: some layers of a real one, in which each of its kinds of weights and shapes
//     occurs, or one of the standard set, of random weights and awkward sizes.
//   - A check is what one operation of an examinee came to, over all numbers of columns: which kernels ran it, and how far
//     from the reference they were, as a share of what their rounding explains.
//   - A veto takes a kernel away from a driver that computes it wrongly. The examination goes on with what takes its
//     place, and the veto is kept for all later runs.
//
// Operations run one by one, through the very lowering that models run through, so that what is checked is what is
// used, tuning and all. Outputs are filled with a NaN beforehand, memory around them must stay as it is, and each operation's
// inputs are read back, so that the reference computes from just what the device computed from: no error of one
// operation hides or makes one of the next. Package graph/cpuexec is the reference, in float64.
//
// Of large results some hundred elements are compared, the first and last rows and columns among them, because a reference of all
// would take an hour for a model of eight billion weights; that everything was written, and is a number, is looked at in
// every element.
package doctor
