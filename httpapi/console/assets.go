package console

import "strings"

// Asset returns the address of a file of the bundle, NAME-HASH.ext, by the name of what it was made of; "" where there is none.
func Asset(name, ext string) string {
	entries, err := static.ReadDir("static/assets")
	if err != nil {
		return ""
	}
	for _, entry := range entries {
		if stem, _, _ := strings.Cut(entry.Name(), "-"); stem == name && strings.HasSuffix(entry.Name(), ext) {
			return Prefix + "assets/" + entry.Name()
		}
	}
	return ""
}
