package wire

import "runtime/debug"

// stamped is set by the linker, in both binaries alike (-X …/engine/internal/wire.stamped=…, see the Makefile).
var stamped string

// Build names the build that this binary is of: what the linker was told, else the version control revision, else "devel".
// Node and worker of one build have the same.
func Build() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	revision, modified := "devel", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+modified"
			}
		}
	}
	return revision + modified
}
