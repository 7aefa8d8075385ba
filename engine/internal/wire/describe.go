package wire

// VersionArg makes the worker binary write a Description to stdout, as JSON, and end. Where stdin has names of time zones, a line each,
// it says which of them its Intl refuses. It checks all that the worker assumes of V8 first, and ends with ExitError where something
// does not hold.
const VersionArg = "--version"

// ImageMakeArg makes the worker binary write an image to stdout and end: what it has made of the web API, for workers that are started with
// ImageUseArg and have it as ImageFD. It is of use to workers with the same further arguments. No tenant's code runs in such a process.
const (
	ImageMakeArg = "--image=make"
	ImageUseArg  = "--image=use"
	ImageFD      = 4
)

// MaxImage bounds an image.
const MaxImage = 16 << 20

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
