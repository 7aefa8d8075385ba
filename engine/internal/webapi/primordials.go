package webapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// There are 1500 built-ins, and capturing them all would be most of what a context costs. So only the built-ins that a file names are
// captured, by a function that is generated here: it has one assignment for each of them and looks nothing up at run time.

// addCapitalized adds the words of text that may be names of primordials: words that begin with a capital. It is a loop because
// every worker does it when it starts: a regular expression took 6 ms of its 27.
func addCapitalized(names map[string]bool, text string) {
	for i := 0; i < len(text); {
		if !wordByte(text[i]) {
			i++
			continue
		}
		from := i
		for i < len(text) && wordByte(text[i]) {
			i++
		}
		if c := text[from]; c >= 'A' && c <= 'Z' && !names[text[from:i]] {
			names[text[from:i]] = true
		}
	}
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// bases are the objects whose members primordials are named after, and how the generated function reaches them.
var bases = func() map[string]string {
	m := map[string]string{"TypedArray": "t"}
	for _, name := range strings.Fields(`AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error EvalError
		FinalizationRegistry Float32Array Float64Array Function Int16Array Int32Array Int8Array JSON Map Math Number Object Promise Proxy RangeError
		ReferenceError Reflect RegExp Set String Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap
		WeakRef WeakSet`) {
		m[name] = name
	}
	for _, name := range strings.Fields(`Iterator ArrayIterator StringIterator MapIterator SetIterator Generator AsyncIterator AsyncGenerator
		AsyncFunction GeneratorFunction AsyncGeneratorFunction`) {
		m[name] = "" // prototypes only
	}
	return m
}()

// baseNames has the longest first, so that ArrayBuffer is found before Array.
var baseNames = slices.SortedFunc(maps.Keys(bases), func(a, b string) int {
	if len(a) != len(b) {
		return len(b) - len(a)
	}
	return strings.Compare(a, b)
})

// getters are the members that are read through a captured getter: MapPrototypeGetSize is one, DatePrototypeGetTime a method.
var getters = map[string]bool{
	"size": true, "length": true, "byteLength": true, "byteOffset": true, "buffer": true, "flags": true, "source": true, "detached": true,
	"resizable": true, "maxByteLength": true, "description": true,
}

// primordial returns the expression that captures a built-in, or "" where name is none.
func primordial(name string) string {
	if _, ok := bases[name]; ok {
		return "" // boot.js has constructors and their prototypes anyway
	}
	for _, base := range baseNames {
		rest, ok := strings.CutPrefix(name, base)
		if !ok || rest == "" {
			continue
		}
		object, isPrototype := bases[base], false
		if r, ok := strings.CutPrefix(rest, "Prototype"); ok {
			if r == "" {
				return ""
			}
			rest, isPrototype = r, true
			if object == "" {
				object = "x." + base
			} else {
				object += ".prototype"
			}
		}
		if object == "" {
			return ""
		}
		if !isPrototype {
			member := memberOf(rest)
			if base == "Promise" || base == "Array" {
				return fmt.Sprintf("b(%s,%s%s)", object, object, member)
			}
			return object + member
		}
		if r, ok := strings.CutPrefix(rest, "Get"); ok && (strings.HasPrefix(r, "Symbol") || r != "" && getters[lowerFirst(r)]) {
			return fmt.Sprintf("g(%s,%s)", object, keyOf(r))
		}
		return fmt.Sprintf("m(%s%s)", object, memberOf(rest))
	}
	return ""
}

func lowerFirst(s string) string {
	// PI, MAX_SAFE_INTEGER and the like are what they are.
	if len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func memberOf(rest string) string {
	if r, ok := strings.CutPrefix(rest, "Symbol"); ok && r != "" {
		return "[Symbol." + lowerFirst(r) + "]"
	}
	return "." + lowerFirst(rest)
}

func keyOf(rest string) string {
	if r, ok := strings.CutPrefix(rest, "Symbol"); ok && r != "" {
		return "Symbol." + lowerFirst(r)
	}
	return fmt.Sprintf("%q", lowerFirst(rest))
}

// primordialsSource generates the function that boot.js calls with the object to fill, uncurryThis, %TypedArray%, and the
// prototypes that have no global.
func primordialsSource(names map[string]bool) string {
	var b strings.Builder
	b.WriteString(`(function(p,u,t,x){"use strict";const d=Reflect.getOwnPropertyDescriptor,` +
		`m=(f)=>typeof f==="function"?u(f):undefined,g=(o,k)=>m(d(o,k)?.get),b=(o,f)=>typeof f==="function"?f.bind(o):f;` + "\n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if e := primordial(name); e != "" {
			fmt.Fprintf(&b, "p.%s=%s;\n", name, e)
		}
	}
	b.WriteString("})")
	return b.String()
}
