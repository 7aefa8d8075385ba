package sandbox

// LockConfig says what the worker still needs.
type LockConfig struct {
	// NoJIT: V8 generates no code, so executable memory is denied too.
	NoJIT bool
}

// Before is what the worker gives up before V8 starts. It returns the layers in force.
func Before() ([]string, error) { return nil, nil }

// Lock gives up everything else, for good. It returns the layers in force.
func Lock(LockConfig) ([]string, error) { return nil, nil }
