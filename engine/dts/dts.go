// Package dts has the types that authors of scripts use, as text, for programs that have no engine.
package dts

import "example.com/jsruntime/engine/internal/webapi"

// Text is jsruntime.d.ts.
func Text() string { return webapi.Types() }
