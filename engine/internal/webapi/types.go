package webapi

import _ "embed"

// Types is jsruntime.d.ts, the types of what scripts see.
//
//go:embed jsruntime.d.ts
var Types string
