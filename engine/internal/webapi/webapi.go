package webapi

import (
	"embed"
	"fmt"
	"hash/crc32"
	"io/fs"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

//go:embed js/*.js
var files embed.FS

// Origin is the script name of the joined files in stack traces. Frames of it are not shown to authors.
const Origin = "jsruntime:webapi"

// Source returns the joined script. Its value is an object {name: function} with a member for each file in js/, and one, primordials,
// that is generated (see primordials.go).
func Source() (string, error) {
	entries, err := fs.ReadDir(files, "js")
	if err != nil {
		return "", fmt.Errorf("read js: %w", err)
	}
	var b strings.Builder
	b.WriteString("({__proto__:null\n")
	names := make(map[string]bool)
	for _, e := range entries {
		src, err := files.ReadFile("js/" + e.Name())
		if err != nil {
			return "", fmt.Errorf("read %s: %w", e.Name(), err)
		}
		text := strings.TrimSuffix(strings.TrimSpace(string(src)), ";")
		if strings.IndexByte(text, 0) >= 0 {
			return "", fmt.Errorf("%s: contains NUL", e.Name())
		}
		text = slim(text)
		addCapitalized(names, text)
		if text, ok := bare(text); ok && e.Name() != "boot.js" {
			fmt.Fprintf(&b, ",%q:%s\n", strings.TrimSuffix(e.Name(), ".js"), text)
			continue
		}
		fmt.Fprintf(&b, ",%q:%s\n", strings.TrimSuffix(e.Name(), ".js"), text)
	}
	fmt.Fprintf(&b, ",primordials:%s\n})", primordialsSource(names))
	return b.String(), nil
}

// bare takes the parentheses away that a file's function stands in: V8 compiles a function within parentheses at once, with all that is in
// it, and one without when it is first called. boot.js is called at once anyway.
func bare(text string) (string, bool) {
	inner, ok := strings.CutPrefix(text, "(function")
	if !ok || !strings.HasSuffix(inner, "})") {
		return text, false
	}
	return "function" + strings.TrimSuffix(inner, ")"), true
}

// Sum is a checksum of the files.
func Sum() (uint32, error) {
	sum := uint32(0)
	entries, err := fs.ReadDir(files, "js")
	for _, e := range entries {
		if err == nil {
			var b []byte
			b, err = files.ReadFile("js/" + e.Name())
			sum = crc32.Update(sum, crc32.IEEETable, b)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("read js: %w", err)
	}
	return sum, nil
}

// slim takes out lines that are comments, and writes what is not ASCII as escapes, which strings, templates and regular expressions read
// as the same: every isolate has a copy of the source, and one beyond ASCII takes twice the memory and most of the time to make it.
func slim(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "//") {
			continue
		}
		for _, r := range line {
			switch {
			case r < utf8.RuneSelf:
				b.WriteByte(byte(r))
			default:
				for _, unit := range utf16.AppendRune(nil, r) {
					fmt.Fprintf(&b, `\u%04x`, unit)
				}
			}
		}
	}
	return b.String()
}
