package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"example.com/jsruntime/cmd/jsruntime/term"
)

// wrangler is what is read of a Worker's file.
type wrangler struct {
	name    string
	main    string
	vars    map[string]json.RawMessage
	crons   []string
	routes  []route
	kv      map[string]any // kv_namespaces of the API
	project *Project
	file    string
}

type route struct {
	Pattern      string `json:"pattern"`
	CustomDomain bool   `json:"custom_domain"`
	ZoneName     string `json:"zone_name"`
	ZoneID       string `json:"zone_id"`
}

// quiet are keys that change nothing on a node and lose nothing: editors' and wrangler's own.
var quiet = []string{"$schema", "env", "account_id", "workers_dev", "preview_urls", "dev", "send_metrics", "keep_vars", "minify", "no_bundle", "upload_source_maps", "legacy_env", "main", "name"}

// notInherited are keys that an environment of wrangler's does not take from the top.
var notInherited = []string{
	"vars", "kv_namespaces", "durable_objects", "r2_buckets", "d1_databases", "services", "queues", "define", "vectorize", "hyperdrive", "ai", "browser", "secrets_store_secrets",
	"workflows", "analytics_engine_datasets", "mtls_certificates", "dispatch_namespaces", "tail_consumers", "send_email", "images", "version_metadata", "pipelines", "containers", "unsafe",
}

// readWrangler reads a Worker's file: an HTTP script for its routes, and a scheduled one for each of its crons. It reports whether the
// environment is in it.
func (p *Project) readWrangler(file string, text []byte) (bool, error) {
	plain, err := p.wranglerJSON(file, text)
	if err != nil {
		return false, err
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(plain, &top); err != nil {
		return false, p.at(file, "", "must be an object")
	}
	w := &wrangler{project: p, file: file}
	known := false
	if raw, ok := top["env"]; ok && p.Env != "" {
		var environments map[string]map[string]json.RawMessage
		if err := json.Unmarshal(raw, &environments); err != nil {
			return false, p.at(file, "/env", "env: must have an object for each environment")
		}
		if over, ok := environments[p.Env]; ok {
			known = true
			for _, key := range notInherited {
				delete(top, key)
			}
			if over["name"] == nil {
				var name string
				_ = json.Unmarshal(top["name"], &name) // judged below
				top["name"], _ = json.Marshal(name + "-" + p.Env)
			}
			maps.Copy(top, over)
		}
	}
	if err := w.read(top); err != nil {
		return false, err
	}
	return known, w.scripts()
}

// wranglerJSON is the file as JSON.
func (p *Project) wranglerJSON(file string, text []byte) ([]byte, error) {
	if filepath.Ext(file) != ".toml" {
		return p.parse(file, text)
	}
	p.files[file] = source{text: string(text)}
	var values map[string]any
	if _, err := toml.Decode(string(text), &values); err != nil {
		place := term.Place{File: file, Text: string(text), Message: err.Error()}
		var wrong toml.ParseError
		if errors.As(err, &wrong) {
			place.Line, place.Column, place.Message = wrong.Position.Line, wrong.Position.Col, wrong.Message
			if place.Message == "" {
				place.Message = strings.TrimPrefix(err.Error(), "toml: ")
			}
		}
		return nil, &term.SourceError{Message: file + " cannot be read", Places: []term.Place{place}}
	}
	return json.Marshal(values)
}

func (w *wrangler) warn(format string, args ...any) {
	w.project.Warnings = append(w.project.Warnings, w.file+": "+fmt.Sprintf(format, args...))
}

// read takes over what has a counterpart, and warns of everything else, once each.
func (w *wrangler) read(top map[string]json.RawMessage) error {
	for _, key := range slices.Sorted(maps.Keys(top)) {
		raw := top[key]
		var err error
		switch key {
		case "name":
			err = json.Unmarshal(raw, &w.name)
		case "main":
			err = json.Unmarshal(raw, &w.main)
		case "vars":
			err = json.Unmarshal(raw, &w.vars)
		case "triggers":
			var triggers struct{ Crons []string }
			err = json.Unmarshal(raw, &triggers)
			w.crons = triggers.Crons
		case "route":
			err = w.readRoutes(json.RawMessage("[" + string(raw) + "]"))
		case "routes":
			err = w.readRoutes(raw)
		case "kv_namespaces":
			err = w.readKV(raw)
		case "compatibility_date":
			w.warn("compatibility_date: is not read, all scripts of a node have one web API")
		case "compatibility_flags":
			w.readFlags(raw)
		default:
			if !slices.Contains(quiet, key) {
				w.warn("%s: has no counterpart here and is not taken over", key)
			}
		}
		if err != nil {
			return w.project.at(w.file, "/"+pointerName(key), key+": is not what wrangler's configuration has there")
		}
	}
	if w.name == "" {
		return w.project.at(w.file, "", "name: is required")
	}
	if w.main == "" {
		return w.project.at(w.file, "", "main: is required; a Worker of assets alone has no counterpart here")
	}
	w.main = filepath.ToSlash(filepath.Clean(w.main))
	return nil
}

func (w *wrangler) readFlags(raw json.RawMessage) {
	var flags []string
	_ = json.Unmarshal(raw, &flags) // a list that is none has no flags
	for _, flag := range flags {
		if flag != "nodejs_compat" && flag != "nodejs_compat_v2" && flag != "nodejs_als" {
			w.warn("compatibility_flags: %s has no counterpart here", flag)
		}
	}
}

func (w *wrangler) readKV(raw json.RawMessage) error {
	var namespaces []struct{ Binding, ID string }
	if err := json.Unmarshal(raw, &namespaces); err != nil {
		return err
	}
	w.kv = map[string]any{}
	for _, n := range namespaces {
		if n.Binding == "" {
			return errors.New("a binding is required")
		}
		if n.ID == "" {
			n.ID = n.Binding
		}
		w.kv[n.Binding] = map[string]string{"prefix": n.ID + "/"}
	}
	return nil
}

func (w *wrangler) readRoutes(raw json.RawMessage) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	for _, item := range items {
		var r route
		if json.Unmarshal(item, &r.Pattern) != nil {
			if err := json.Unmarshal(item, &r); err != nil {
				return err
			}
		}
		w.routes = append(w.routes, r)
	}
	return nil
}

// path is a route's as http_path: its last * is the rest, others have no counterpart.
func (w *wrangler) path(r route) (string, bool) {
	pattern := r.Pattern
	if _, rest, ok := strings.Cut(pattern, "://"); ok {
		pattern = rest
	}
	host, path, _ := strings.Cut(pattern, "/")
	path = "/" + path
	if r.CustomDomain {
		path = "/*"
	}
	if host != "" {
		w.warn("routes: %s is served at its path on the tenant's own addresses; the host %s is given to a script by the field http.hosts or by the operator", r.Pattern, host)
	}
	inside, last := strings.CutSuffix(path, "/*")
	if !last && strings.HasSuffix(path, "*") {
		w.warn("routes: %s ends in the middle of a segment, which has no counterpart here; it is not taken over", r.Pattern)
		return "", false
	}
	if strings.Contains(inside, "*") {
		w.warn("routes: %s has a * that is not its last segment, which has no counterpart here; it is not taken over", r.Pattern)
		return "", false
	}
	if last {
		return inside + "/*rest", true
	}
	return path, true
}

// methods are all that an endpoint may have.
const methods = `["GET","HEAD","POST","PUT","PATCH","DELETE","OPTIONS"]`

// onlyScheduled is an entry that answers no requests, as far as its text tells.
var exportsName = regexp.MustCompile(`export\s+default\s+[A-Za-z_$][\w$]*\s*;?\s*$|export\s*\{[^}]*\bas\s+default\b`)

func (w *wrangler) onlyScheduled() bool {
	if len(w.crons) == 0 || len(w.routes) > 0 {
		return false
	}
	text, err := os.ReadFile(filepath.Join(w.project.Dir, filepath.FromSlash(w.main)))
	return err == nil && strings.Contains(string(text), "scheduled") && !regexp.MustCompile(`\bfetch\s*[(:=]`).Match(text) && !exportsName.Match(text)
}

// scripts adds the scripts that the Worker is here.
func (w *wrangler) scripts() error {
	add := func(name string, fields map[string]any) {
		s := &Script{Name: name, Main: w.main, Fields: map[string]json.RawMessage{}, Vars: w.vars, file: w.file}
		if len(w.kv) > 0 {
			fields["kv_namespaces"] = w.kv
		}
		for field, value := range fields {
			s.Fields[field], _ = json.Marshal(value)
		}
		w.project.Scripts = append(w.project.Scripts, s)
	}
	numbered := func(name string, i int) string {
		if i == 0 {
			return name
		}
		return fmt.Sprintf("%s-%d", name, i+1)
	}
	if !w.onlyScheduled() {
		paths := []string{"/*rest"}
		if len(w.routes) > 0 {
			paths = nil
			for _, r := range w.routes {
				if path, ok := w.path(r); ok && !slices.Contains(paths, path) {
					paths = append(paths, path)
				}
			}
		}
		for i, path := range paths {
			add(numbered(w.name, i), map[string]any{"type": "http", "http_path": path, "http_methods": json.RawMessage(methods)})
		}
	}
	for i, cron := range w.crons {
		add(numbered(w.name+"-cron", i), map[string]any{"type": "scheduled", "cron_expression": cron})
	}
	if w.project.Name == "" {
		w.project.Name = w.name
	}
	return nil
}
