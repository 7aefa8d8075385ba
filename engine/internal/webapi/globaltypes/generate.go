package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// global is what surface.json says of one.
type global struct {
	Kind    string   `json:"kind"` // "class" or a typeof
	Parent  string   `json:"parent"`
	Statics []string `json:"statics"`
	Members []string `json:"members"`
}

const header = `
// The web platform's globals, from TypeScript's lib.webworker.d.ts: what is not there in a script was taken out, and each declaration gives
// way where lib.dom or lib.webworker is loaded too. Written by engine/internal/webapi/globaltypes.
//
// Copyright (c) Microsoft Corporation. All rights reserved. Licensed under the Apache License, Version 2.0 (the "License"); you may not use
// this file except in compliance with the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0
//
// THIS CODE IS PROVIDED ON AN *AS IS* BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, EITHER EXPRESS OR IMPLIED, INCLUDING WITHOUT
// LIMITATION ANY IMPLIED WARRANTIES OR CONDITIONS OF TITLE, FITNESS FOR A PARTICULAR PURPOSE, MERCHANTABILITY OR NON-INFRINGEMENT.
//
// See the Apache Version 2.0 License for specific language governing permissions and limitations under the License.

declare namespace JSRuntimeGlobals {
  /** T, unless a DOM library is loaded, which has it already. */
  type Own<T> = typeof globalThis extends { onmessage: any } ? {} : T;
`

// own are globals that jsruntime.d.ts declares by hand, since a version of a library lacks them or no library has them.
var own = []string{
	"URLPattern", "AsyncLocalStorage", "setImmediate", "clearImmediate", "addEventListener", "removeEventListener", "self", "navigator",
	"Navigator", "WebSocket",
}

// instead replaces declarations that name more than there is.
var instead = map[string]string{
	"Transferable":       "type Transferable = MessagePort | ArrayBuffer;",
	"MessageEventSource": "type MessageEventSource = MessagePort;",
	"TimerHandler":       "type TimerHandler = (...args: any[]) => void;",
}

// added are members that the library lacks.
var added = map[string][]string{
	"Request":            {`readonly duplex: "half";`},
	"RequestInit":        {`/** Must be there with a stream as body. */`, `duplex?: "half";`},
	"ReadableStream var": {`from<R>(iterable: Iterable<R> | AsyncIterable<R>): ReadableStream<R>;`},
}

// left are members that are there and are not written here: jsruntime.d.ts declares them by hand, since no library has them, or no author
// should use them.
var left = map[string][]string{
	"MessagePort":  {"onclose"},
	"SubtleCrypto": {"timingSafeEqual"},
	"Request":      {"isReloadNavigation", "isHistoryNavigation"},
}

// declarations of the library.
type declarations struct {
	interfaces map[string]*block   // by name; several ones of a name are one
	variables  map[string]*block   // declare var X: { … };
	objects    map[string]string   // declare var x: T;
	functions  map[string][]string // whole lines
	aliases    map[string]string
}

// block is the body of an interface or a class.
type block struct {
	params  string // <T = any>
	extends string
	members []member
}

type member struct {
	name string // "" of a call or construct signature
	doc  string
	text string
}

var (
	interfaceLine = regexp.MustCompile(`^interface (\w+)(<.*?>)?(?: extends (.*?))? \{$`)
	variableLine  = regexp.MustCompile(`^declare var (\w+): \{$`)
	objectLine    = regexp.MustCompile(`^declare var (\w+): ([^{].*);$`)
	functionLine  = regexp.MustCompile(`^declare function (\w+)\b.*;$`)
	aliasLine     = regexp.MustCompile(`^type (\w+)(<.*?>)? = .*;$`)
	memberName    = regexp.MustCompile(`^(?:readonly |get |set )?(?:(\w+)|"([^"]+)"|\[(Symbol\.\w+)\])[?(<:]`)
	identifier    = regexp.MustCompile(`\b[A-Z]\w+\b`)
	docMarks      = strings.NewReplacer("**`", "`", "`**", "`")
)

func parse(lib string) *declarations {
	d := &declarations{
		interfaces: map[string]*block{}, variables: map[string]*block{}, objects: map[string]string{}, functions: map[string][]string{}, aliases: map[string]string{},
	}
	var open *block
	var doc []string
	inDoc := false
	for line := range strings.Lines(lib) {
		line = strings.TrimRight(line, "\n\r")
		trimmed := strings.TrimSpace(line)
		switch {
		case inDoc || strings.HasPrefix(trimmed, "/**"):
			doc = append(doc, trimmed)
			inDoc = !strings.HasSuffix(trimmed, "*/")
		case open == nil:
			open = d.top(line)
			doc = nil
		case line == "}" || line == "};":
			open, doc = nil, nil
		case trimmed != "":
			m := member{doc: firstSentence(doc), text: trimmed}
			if found := memberName.FindStringSubmatch(trimmed); found != nil && found[1] != "new" {
				m.name = found[1] + found[2]
				if found[3] != "" {
					m.name = "Symbol(" + found[3] + ")"
				}
			}
			open.members = append(open.members, m)
			doc = nil
		}
	}
	return d
}

// top takes a line outside of a block, and returns the block that it opens.
func (d *declarations) top(line string) *block {
	if m := interfaceLine.FindStringSubmatch(line); m != nil {
		b := d.interfaces[m[1]]
		if b == nil {
			b = &block{}
			d.interfaces[m[1]] = b
		}
		b.params = m[2]
		if m[3] != "" {
			b.extends = m[3]
		}
		return b
	}
	if m := variableLine.FindStringSubmatch(line); m != nil {
		d.variables[m[1]] = &block{}
		return d.variables[m[1]]
	}
	if m := objectLine.FindStringSubmatch(line); m != nil {
		d.objects[m[1]] = m[2]
	}
	if m := functionLine.FindStringSubmatch(line); m != nil && !slices.Contains(d.functions[m[1]], line) {
		d.functions[m[1]] = append(d.functions[m[1]], line)
	}
	if m := aliasLine.FindStringSubmatch(line); m != nil {
		d.aliases[m[1]] = line
	}
	return nil
}

// firstSentence is what a comment says first, without links.
func firstSentence(doc []string) string {
	var words []string
	for _, line := range doc {
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimLeft(line, "/*"), "*/"))
		if line == "" && len(words) > 0 || strings.HasPrefix(line, "@") {
			break
		}
		if line != "" && !strings.HasPrefix(line, "[MDN") {
			words = append(words, docMarks.Replace(line))
		}
	}
	text, _, _ := strings.Cut(strings.Join(words, " "), ". ")
	return strings.TrimSuffix(text, ".")
}

// generator keeps what is there and what that refers to.
type generator struct {
	lib     *declarations
	surface map[string]global
	taken   map[string]bool // names of interfaces and aliases
	queue   []string
}

func generate(lib string, surfaceJSON []byte) (string, error) {
	g := &generator{lib: parse(lib), taken: map[string]bool{}}
	if err := json.Unmarshal(surfaceJSON, &g.surface); err != nil {
		return "", fmt.Errorf("surface.json: %w", err)
	}
	var variables []string
	for _, name := range slices.Sorted(maps.Keys(g.surface)) {
		if slices.Contains(own, name) {
			continue
		}
		declared, err := g.global(name)
		if err != nil {
			return "", err
		}
		variables = append(variables, declared...)
	}
	inner, outer, err := g.types()
	if err != nil {
		return "", err
	}
	return header + strings.Join(inner, "") + "}\n\n" + strings.Join(outer, "") + "\n" + strings.Join(variables, "\n") + "\n", nil
}

// global returns the declarations of a global that is a value.
func (g *generator) global(name string) ([]string, error) {
	here := g.surface[name]
	if object, ok := g.lib.objects[name]; ok {
		g.refer(object)
		return []string{fmt.Sprintf("declare var %s: %s;", name, g.yielding(name, object))}, nil
	}
	if functions, ok := g.lib.functions[name]; ok {
		for _, line := range functions {
			g.refer(line)
		}
		return functions, nil
	}
	class, ok := g.lib.variables[name]
	if !ok {
		if here.Kind == "class" && g.lib.interfaces[name] != nil {
			return nil, fmt.Errorf("the library has an interface %s and no class", name)
		}
		return nil, nil // ECMAScript's
	}
	g.refer(name)
	var body strings.Builder
	body.WriteString("{\n")
	declared := map[string]bool{}
	for _, m := range slices.Concat(class.members, g.added(name+" var")) {
		if m.name != "" && m.name != "prototype" && !slices.Contains(here.Statics, m.name) {
			continue
		}
		declared[m.name] = true
		g.refer(m.text)
		body.WriteString(m.write("  "))
	}
	body.WriteString("}")
	for _, static := range here.Statics {
		if !declared[static] {
			return nil, fmt.Errorf("%s.%s is there and not declared", name, static)
		}
	}
	return []string{fmt.Sprintf("declare var %s: %s;", name, g.yielding(name, body.String()))}, nil
}

// yielding is the type of a variable that a DOM library may have too.
func (*generator) yielding(name, own string) string {
	return fmt.Sprintf("typeof globalThis extends { onmessage: any; %s: infer T } ? T : %s", name, own)
}

func (*generator) added(name string) (members []member) {
	for _, text := range added[name] {
		m := member{text: text}
		if found := memberName.FindStringSubmatch(text); found != nil {
			m.name = found[1]
		}
		members = append(members, m)
	}
	return members
}

func (m member) write(indent string) string {
	out := ""
	if m.doc != "" {
		out = indent + "/** " + m.doc + ". */\n"
	}
	return out + indent + m.text + "\n"
}

// refer queues the types that a text names.
func (g *generator) refer(text string) {
	for _, name := range identifier.FindAllString(text, -1) {
		_, isAlias := g.lib.aliases[name]
		if g.taken[name] || slices.Contains(own, name) || !isAlias && g.lib.interfaces[name] == nil {
			continue
		}
		g.taken[name] = true
		g.queue = append(g.queue, name)
	}
}

// types returns the declarations in the namespace and the global ones of all types that were referred to.
func (g *generator) types() (inner, outer []string, err error) {
	for len(g.queue) > 0 {
		name := g.queue[0]
		g.queue = g.queue[1:]
		if alias, ok := g.lib.aliases[name]; ok {
			if other, ok := instead[name]; ok {
				alias = other
			}
			g.refer(strings.TrimPrefix(alias, "type "+name))
			inner = append(inner, "  "+alias+"\n")
			outer = append(outer, fmt.Sprintf("// @ts-ignore\nimport %[1]s = JSRuntimeGlobals.%[1]s;\n", name))
			continue
		}
		b := g.lib.interfaces[name]
		text, err := g.members(name, b)
		if err != nil {
			return nil, nil, err
		}
		extends := ""
		if b.extends != "" {
			g.refer(b.extends)
			extends = " extends " + b.extends
		}
		g.refer(b.params)
		inner = append(inner, fmt.Sprintf("  interface $%s%s%s {\n%s  }\n", name, b.params, extends, text))
		outer = append(outer, fmt.Sprintf("interface %s%s extends JSRuntimeGlobals.Own<JSRuntimeGlobals.$%s%s> {}\n", name, b.params, name, arguments(b.params)))
	}
	slices.Sort(inner)
	slices.Sort(outer)
	return inner, outer, nil
}

// arguments are the names of type parameters: <R> of <R = any>.
func arguments(params string) string {
	if params == "" {
		return ""
	}
	var names []string
	for param := range strings.SplitSeq(strings.Trim(params, "<>"), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(param), " ")
		names = append(names, name)
	}
	return "<" + strings.Join(names, ", ") + ">"
}

// members writes those members of an interface that are there.
func (g *generator) members(name string, b *block) (string, error) {
	there := map[string]bool{}
	class, isClass := g.surface[name]
	if name == "Console" {
		class, isClass = g.surface["console"], true
	}
	for at := class; ; at = g.surface[at.Parent] {
		for _, m := range at.Members {
			there[m] = true
		}
		if at.Parent == "" {
			break
		}
	}
	var text strings.Builder
	declared := map[string]bool{}
	for _, m := range slices.Concat(b.members, g.added(name)) {
		if isClass && m.name != "" && !there[m.name] {
			continue
		}
		declared[m.name] = true
		g.refer(m.text)
		text.WriteString(m.write("    "))
	}
	for parent := range strings.SplitSeq(b.extends, ", ") {
		g.inherit(parent, declared)
	}
	for _, m := range class.Members {
		if !declared[m] && !slices.Contains(left[name], m) {
			return "", fmt.Errorf("%s.%s is there and not declared", name, m)
		}
	}
	return text.String(), nil
}

// inherit adds the members of an interface of the library and of the interfaces that it extends.
func (g *generator) inherit(name string, to map[string]bool) {
	name, _, _ = strings.Cut(name, "<")
	b := g.lib.interfaces[name]
	if b == nil {
		return
	}
	for _, m := range b.members {
		to[m.name] = true
	}
	for parent := range strings.SplitSeq(b.extends, ", ") {
		g.inherit(parent, to)
	}
}
