// Package tuner chooses among ways to compute the same thing by measuring them, within a budget of time.
//
// It knows no device: whoever asks brings the candidates, a function that times one of them once, and the clock that the
// budget is kept by. What it promises does not depend on how fast anything is:
//
//   - the first candidate is the default, and stays unless another one is faster by more than the noise;
//   - the candidates of a choice are measured in turns, so that a clock that drifts or a neighbour that works
//     slows all of them alike, and judged by the median of their times, so that no single time decides;
//   - a candidate that is far behind is not measured on; one that fails is out;
//   - when the budget is used up, choices that were measured enough stand and all others keep the default.
package tuner
