package webapi

import _ "embed"

var (
	//go:embed jsruntime.d.ts
	ownTypes string
	//go:embed globals.d.ts
	globalTypes string
)

// Types is jsruntime.d.ts, the types of what scripts see: those of our own and those of the web platform. It is put together when it is asked
// for, since workers have no use for it.
func Types() string { return ownTypes + globalTypes }
