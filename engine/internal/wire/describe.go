package wire

// VersionArg makes the worker binary write a Description to stdout, as JSON, and end. Where stdin has names of time zones, a line each,
// it says which of them its Intl refuses. It checks all that the worker assumes of V8 first, and ends with ExitError where something
// does not hold.
const VersionArg = "--version"

// Description is what a worker binary is.
type Description struct {
	Protocol uint32 `json:"protocol"`
	Build    string `json:"build"`
	V8       string `json:"v8"`
	ICU      string `json:"icu"`
	TZData   string `json:"tzdata"` // of ICU's own time zone database
	JIT      string `json:"jit"`
	// UnknownZones are those of the zones that were asked for that Intl refuses.
	UnknownZones []string `json:"unknown_zones"`
}
