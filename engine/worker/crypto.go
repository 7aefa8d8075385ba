package worker

// crypto does the crypto op.
var crypto func(text string, data []byte) (string, []byte, error)
