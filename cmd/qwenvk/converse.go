package main

import "context"

func (p *program) converse(ctx context.Context, m *loaded, a *ask) error { return nil }
