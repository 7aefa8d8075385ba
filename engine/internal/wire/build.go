package wire

import "runtime/debug"

// Build names the build that this binary is of: the version control revision, or "devel" where it was built without one.
// Node and worker of one build have the same.
func Build() string {
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
