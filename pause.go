package qwenvk

import "context"

// Pause stops all work of the runtime on the device, answers and loads alike, and returns when what was submitted is done: while
// a program renders something demanding, or the machine runs on its battery. Answers wait; cancelling them ends the wait. If ctx
// ends first its error is returned, and the runtime is paused all the same. Without answers under way a runtime never computes.
//
// Errors: ctx.Err(), [ErrClosed].
func (r *Runtime) Pause(ctx context.Context) error {
	ctx, end, err := r.life.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return r.device().Pause(ctx)
}

// Resume ends a pause. Error: [ErrClosed].
func (r *Runtime) Resume() error {
	_, end, err := r.life.begin(context.Background())
	if err != nil {
		return err
	}
	defer end()
	r.device().Resume()
	return nil
}
