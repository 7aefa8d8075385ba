// Package project reads a folder of scripts: what is to be on the node, and from which files.
//
//	jsruntime.jsonc             the API's own field names, one entry a script; see Config
//	wrangler.jsonc, .json, .toml  a Worker's: name, main, vars, triggers.crons, routes, kv_namespaces; what has no counterpart is a warning each
//
// A folder with both has the scripts of both. Fields of a script are not judged here: the API owns their rules, and an error of its
// that names a field is shown at the field's place in the file (Place). Bundles are made by esbuild: see Build.
package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"example.com/jsruntime/cmd/jsruntime/term"
)

// ConfigFile is the project's own file.
const ConfigFile = "jsruntime.jsonc"

// wranglerFiles are a Worker's, in the order in which wrangler looks.
var wranglerFiles = []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"}

// Project is a folder of scripts, for one environment.
type Project struct {
	Dir  string // absolute
	Name string // marks the scripts on the node as this project's
	Env  string // empty: none
	// URL and Profile say where an environment is; empty: nothing of it.
	URL, Profile string
	Scripts      []*Script // by name
	// Warnings name what is not taken over.
	Warnings []string
	files    map[string]source // the files that were read, by name
}

// Script is a script as it shall be.
type Script struct {
	Name string
	Main string // relative to the folder, with slashes
	// Fields are the API's, but for name, source and status where it is not given.
	Fields map[string]json.RawMessage
	Vars   map[string]json.RawMessage // plain values on env
	file   string                     // that it stands in
}

// Type is the script's type.
func (s *Script) Type() string {
	var t string
	_ = json.Unmarshal(s.Fields["type"], &t) // the API says what is wrong with another type
	return t
}

type source struct {
	text string
	root *hujson.Value // nil: no places
}

// config is jsruntime.jsonc.
type config struct {
	Schema       string                                `json:"$schema"`
	Name         string                                `json:"name"`
	URL          string                                `json:"url"`
	Profile      string                                `json:"profile"`
	Vars         map[string]json.RawMessage            `json:"vars"`
	Scripts      map[string]map[string]json.RawMessage `json:"scripts"`
	Environments map[string]json.RawMessage            `json:"environments"`
}

// ErrNone is returned for a folder that is no project.
var ErrNone = errors.New("no project is here: there is no " + ConfigFile + " and no wrangler.jsonc or wrangler.toml. jsruntime init makes one")

// Load reads the project of a folder, or of the nearest one above it.
func Load(dir, env string) (*Project, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for ; ; at = filepath.Dir(at) {
		p, err := load(at, env)
		if !errors.Is(err, ErrNone) || filepath.Dir(at) == at {
			return p, err
		}
	}
}

func load(dir, env string) (*Project, error) {
	p := &Project{Dir: dir, Env: env, files: map[string]source{}}
	found, known := false, env == ""
	text, err := readConfigFile(dir, ConfigFile)
	switch {
	case err == nil:
		has, err := p.readConfig(text)
		if err != nil {
			return nil, err
		}
		found, known = true, known || has
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for _, name := range wranglerFiles {
		text, err := readConfigFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		has, err := p.readWrangler(name, text)
		if err != nil {
			return nil, err
		}
		found, known = true, known || has
		break
	}
	if !found {
		return nil, ErrNone
	}
	if !known {
		return nil, term.Usage("environment %s: the project has none of this name", env)
	}
	if p.Name == "" {
		p.Name = packageName(dir)
	}
	slices.SortFunc(p.Scripts, func(a, b *Script) int { return strings.Compare(a.Name, b.Name) })
	for i, s := range p.Scripts {
		if i > 0 && p.Scripts[i-1].Name == s.Name {
			return nil, fmt.Errorf("script %s: is in %s and in %s", s.Name, p.Scripts[i-1].file, s.file)
		}
		if err := p.checkMain(s); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// checkMain looks for a script's file.
func (p *Project) checkMain(s *Script) error {
	if s.Main == "" {
		return p.Fault(s, "", "main: the file of the script is required")
	}
	file := filepath.Join(p.Dir, filepath.FromSlash(s.Main))
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return p.Fault(s, "main", fmt.Sprintf("main: there is no file %s", s.Main))
	}
	if p.outside(file) {
		return p.Fault(s, "main", fmt.Sprintf("main: %s is outside of the project's folder", s.Main))
	}
	return nil
}

// outside reports whether a file, wherever symbolic links lead, is not below the project's folder.
func (p *Project) outside(file string) bool {
	dir, err := filepath.EvalSymlinks(p.Dir)
	if err != nil {
		return true
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return true
	}
	inside, err := filepath.Rel(dir, file)
	return err != nil || !filepath.IsLocal(inside)
}

// maxConfig is how large a project's file may be.
const maxConfig = 1 << 20

// readConfigFile reads a file of the project's folder that says what the project is. A file that is none, or one without an end, is an error.
func readConfigFile(dir, name string) ([]byte, error) {
	file := filepath.Join(dir, name)
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", name)
	case info.Size() > maxConfig:
		return nil, fmt.Errorf("%s has %d bytes, of at most %d", name, info.Size(), maxConfig)
	}
	return os.ReadFile(file)
}

// packageName is the name in package.json, else the folder's.
func packageName(dir string) string {
	var pkg struct{ Name string }
	if text, err := os.ReadFile(filepath.Join(dir, "package.json")); err == nil && json.Unmarshal(text, &pkg) == nil && pkg.Name != "" {
		return pkg.Name
	}
	return filepath.Base(dir)
}

// readConfig reads jsruntime.jsonc. It reports whether the environment is in it.
func (p *Project) readConfig(text []byte) (bool, error) {
	plain, err := p.parse(ConfigFile, text)
	if err != nil {
		return false, err
	}
	var c config
	if err := p.decode(ConfigFile, plain, &c); err != nil {
		return false, err
	}
	known := false
	if override, ok := c.Environments[p.Env]; ok && p.Env != "" {
		known = true
		var base map[string]json.RawMessage
		if err := json.Unmarshal(plain, &base); err != nil {
			return false, err
		}
		delete(base, "environments")
		merged, err := merge(base, override)
		if err != nil {
			return false, fmt.Errorf("%s: environments.%s: %w", ConfigFile, p.Env, err)
		}
		c = config{}
		if err := p.decode(ConfigFile, merged, &c); err != nil {
			return false, err
		}
	}
	p.Name, p.URL, p.Profile = c.Name, c.URL, c.Profile
	for _, name := range slices.Sorted(maps.Keys(c.Scripts)) {
		s := &Script{Name: name, Fields: c.Scripts[name], Vars: c.Vars, file: ConfigFile}
		if s.Fields == nil {
			return false, p.Fault(s, "", "a script must be an object")
		}
		if raw, ok := s.Fields["main"]; ok {
			if err := json.Unmarshal(raw, &s.Main); err != nil {
				return false, p.Fault(s, "main", "main: must be a file's name")
			}
		}
		for _, field := range []string{"source", "files", "name"} {
			if _, ok := s.Fields[field]; ok {
				return false, p.Fault(s, field, field+": is not written here: the source is in the file main, the name is the entry's")
			}
		}
		delete(s.Fields, "main")
		p.Scripts = append(p.Scripts, s)
	}
	return known, nil
}

// parse reads JSON with comments, and keeps the places in it.
func (p *Project) parse(file string, text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	root, err := hujson.Parse(text)
	if err != nil {
		place := term.Place{File: file, Text: string(text), Message: strings.TrimPrefix(err.Error(), "hujson: ")}
		if m := placed.FindStringSubmatch(err.Error()); m != nil {
			place.Line, _ = strconv.Atoi(m[1])
			place.Column, _ = strconv.Atoi(m[2])
			place.Message = m[3]
		}
		return nil, &term.SourceError{Message: file + " cannot be read", Places: []term.Place{place}}
	}
	p.files[file] = source{string(text), &root}
	plain := root.Clone()
	plain.Standardize()
	return plain.Pack(), nil
}

var placed = regexp.MustCompile(`line (\d+), column (\d+): (.*)`)

// decode decodes strictly, and shows where the file has something else.
func (p *Project) decode(file string, plain []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		return nil
	}
	message, pointer := strings.TrimPrefix(err.Error(), "json: "), ""
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		pointer = "/" + strings.ReplaceAll(wrong.Field, ".", "/")
		message = strings.TrimPrefix(fmt.Sprintf("%s: must be %s, not %s", wrong.Field, kind(wrong.Type.String()), wrong.Value), ": ")
	}
	if name, ok := strings.CutPrefix(message, "unknown field "); ok {
		if field, err := strconv.Unquote(name); err == nil {
			pointer, message = "/"+field, field+": is no field of "+file
		}
	}
	return p.at(file, pointer, message)
}

func kind(goType string) string {
	switch {
	case goType == "string":
		return "a string"
	case strings.HasPrefix(goType, "map"), strings.HasPrefix(goType, "project."):
		return "an object"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	}
	return "a " + goType
}

// Fault is an error at a field of a script, or at the script where field is empty.
func (p *Project) Fault(s *Script, field, message string) error {
	pointer := "/scripts/" + pointerName(s.Name)
	if s.file != ConfigFile {
		pointer = ""
	}
	if field != "" {
		pointer += "/" + pointerName(field)
	}
	if p.Env != "" {
		if in := "/environments/" + pointerName(p.Env) + pointer; p.has(s.file, in) {
			pointer = in
		}
	}
	return p.at(s.file, pointer, s.Name+": "+message)
}

func pointerName(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (p *Project) has(file, pointer string) bool {
	root := p.files[file].root
	return root != nil && root.Find(pointer) != nil
}

// at is an error at the value of a pointer, or at the nearest value around it.
func (p *Project) at(file, pointer, message string) error {
	src := p.files[file]
	place := term.Place{File: file, Text: src.text, Message: message}
	if src.root != nil {
		for pointer != "" && src.root.Find(pointer) == nil {
			pointer = pointer[:strings.LastIndexByte(pointer, '/')]
		}
		if v := src.root.Find(pointer); v != nil {
			place.Line, place.Column = lineColumn(src.text, v.StartOffset)
			if first := src.text[v.StartOffset:min(v.EndOffset, len(src.text))]; !strings.Contains(first, "\n") {
				place.Length = utf8.RuneCountInString(first)
			}
		}
	}
	return &term.SourceError{Message: place.String(), Places: []term.Place{place}}
}

func lineColumn(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// merge applies a JSON merge patch (RFC 7396).
func merge(base map[string]json.RawMessage, patch json.RawMessage) ([]byte, error) {
	var changes map[string]json.RawMessage
	if err := json.Unmarshal(patch, &changes); err != nil || changes == nil {
		return nil, errors.New("must be an object")
	}
	for name, value := range changes {
		var inner map[string]json.RawMessage
		switch {
		case string(value) == "null":
			delete(base, name)
		case json.Unmarshal(value, &inner) == nil:
			var present map[string]json.RawMessage
			if json.Unmarshal(base[name], &present) != nil || present == nil {
				present = map[string]json.RawMessage{}
			}
			merged, err := merge(present, value)
			if err != nil {
				return nil, err
			}
			base[name] = merged
		default:
			base[name] = value
		}
	}
	return json.Marshal(base)
}
