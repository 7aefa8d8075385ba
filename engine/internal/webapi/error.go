package webapi

// OpError is a failure of a native op that the script sees as an Error of that name.
type OpError struct {
	Name    string // "TypeError", "OperationError", …
	Message string
}

func (e *OpError) Error() string { return e.Name + ": " + e.Message }
