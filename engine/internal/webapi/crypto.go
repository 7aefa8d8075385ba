package webapi

// Crypto does the crypto op.
func Crypto(text string, data []byte) (reply string, bytes []byte, err error) {
	return "", nil, &OpError{Name: "NotSupportedError", Message: "not yet"}
}
