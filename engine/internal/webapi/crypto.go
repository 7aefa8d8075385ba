package webapi

import (
	"errors"

	"example.com/jsruntime/engine/internal/webcrypto"
)

// Crypto returns what does the crypto op of one worker: text is the request, data its inputs (see package webcrypto).
func Crypto() func(text string, data []byte) (reply string, bytes []byte, err error) {
	engine := webcrypto.New()
	return func(text string, data []byte) (string, []byte, error) {
		reply, bytes, err := engine.Do(text, data)
		var e *webcrypto.Error
		if errors.As(err, &e) {
			err = &OpError{Name: e.Name, Message: e.Message}
		}
		return reply, bytes, err
	}
}
