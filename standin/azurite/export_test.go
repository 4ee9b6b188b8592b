package azurite

// PID is the store's process.
func (p *Process) PID() int { return p.pid }
