package engine

import "example.com/jsruntime/engine/internal/webapi"

// ScriptTypes returns jsruntime.d.ts: TypeScript's view of what scripts see.
func ScriptTypes() string { return webapi.Types() }
