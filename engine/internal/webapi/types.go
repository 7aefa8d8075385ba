package webapi

import _ "embed"

var (
	//go:embed jsruntime.d.ts
	ownTypes string
	//go:embed globals.d.ts
	globalTypes string

	// Types is jsruntime.d.ts, the types of what scripts see: those of our own and those of the web platform.
	Types = ownTypes + globalTypes
)
