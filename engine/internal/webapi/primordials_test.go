package webapi

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Every primordial that a file takes is one that is captured: a misspelt name would be undefined until a script calls it.
func TestPrimordialsAreCaptured(t *testing.T) {
	t.Parallel()
	source, err := Source()
	require.NoError(t, err)
	_, generated, ok := strings.Cut(source, ",primordials:")
	require.True(t, ok)
	boot, err := files.ReadFile("js/boot.js")
	require.NoError(t, err)
	entries, err := fs.ReadDir(files, "js")
	require.NoError(t, err)
	taken := regexp.MustCompile(`(?s)const \{([^}]*)\} = (?:core\.primordials|P|primordials);`)
	direct := regexp.MustCompile(`\b(?:P|primordials)\.([A-Za-z0-9]+)`)
	n := 0
	for _, e := range entries {
		text, err := files.ReadFile("js/" + e.Name())
		require.NoError(t, err)
		var names []string
		for _, m := range taken.FindAllStringSubmatch(string(text), -1) {
			for field := range strings.SplitSeq(m[1], ",") {
				name, _, _ := strings.Cut(strings.TrimSpace(field), ":")
				if name != "" {
					names = append(names, name)
				}
			}
		}
		for _, m := range direct.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		for _, name := range names {
			n++
			known := strings.Contains(generated, "\np."+name+"=") || strings.Contains(string(boot), `"`+name+`"`) ||
				strings.Contains(string(boot), "primordials."+name+" =") || name == "uncurryThis" ||
				strings.HasSuffix(name, "Prototype") && (bases[strings.TrimSuffix(name, "Prototype")] != "" || strings.Contains(string(boot), strings.TrimSuffix(name, "Prototype")+": getPrototypeOf")) ||
				name == "ArrayIteratorPrototype"
			require.True(t, known, "%s takes %s, which is not captured", e.Name(), name)
		}
	}
	require.Greater(t, n, 500)
}

func TestPrimordial(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ArrayPrototypePush": "m(Array.prototype.push)", "ArrayBufferPrototypeGetByteLength": `g(ArrayBuffer.prototype,"byteLength")`,
		"DatePrototypeGetTime": "m(Date.prototype.getTime)", "MapPrototypeGetSize": `g(Map.prototype,"size")`, "MapPrototypeGet": "m(Map.prototype.get)",
		"TypedArrayPrototypeGetSymbolToStringTag": "g(t.prototype,Symbol.toStringTag)", "RegExpPrototypeSymbolReplace": "m(RegExp.prototype[Symbol.replace])",
		"SymbolIterator": "Symbol.iterator", "PromiseResolve": "b(Promise,Promise.resolve)", "NumberMAX_SAFE_INTEGER": "Number.MAX_SAFE_INTEGER",
		"ArrayIteratorPrototypeNext": "m(x.ArrayIterator.next)", "ReflectApply": "Reflect.apply", "Headers": "", "ArrayPrototype": "",
	} {
		require.Equal(t, want, primordial(name), name)
	}
}

func TestSourceIsASCII(t *testing.T) {
	t.Parallel()
	source, err := Source()
	require.NoError(t, err)
	require.Equal(t, -1, strings.IndexFunc(source, func(r rune) bool { return r >= utf8.RuneSelf }))
	require.Contains(t, source, `\u2500`, "the lines of console.table")
}
