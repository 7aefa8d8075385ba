package catalog

import (
	"hash/maphash"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// routes are the endpoints of one tenant. Never changed once published.
type routes struct {
	static staticPaths // patterns without parameters
	tree   *node       // patterns with parameters; nil: there are none
}

// staticPaths maps paths to endpoints in as many shards as keep one small: a change copies one shard and not the map.
type staticPaths []map[string]*Endpoint

const (
	shardAbove = 512
	shards     = 256
)

// shardSeed is the same for all maps: a copy has its entries where its original had them.
var shardSeed = maphash.MakeSeed()

func newStaticPaths(size int) staticPaths {
	if size <= shardAbove {
		return make(staticPaths, 1)
	}
	return make(staticPaths, shards)
}

func (s staticPaths) shard(path string) *map[string]*Endpoint {
	if len(s) == 1 {
		return &s[0]
	}
	return &s[maphash.String(shardSeed, path)%shards]
}

func (s staticPaths) get(path string) *Endpoint { return (*s.shard(path))[path] }

func (s staticPaths) put(path string, e *Endpoint) {
	shard := s.shard(path)
	if *shard == nil {
		*shard = make(map[string]*Endpoint)
	}
	(*shard)[path] = e
}

// with returns a copy without the paths of before and with those of after. Only shards that change are copied.
func (s staticPaths) with(before, after []*Endpoint) staticPaths {
	next := slices.Clone(s)
	copied := make(map[*map[string]*Endpoint]bool)
	own := func(path string) map[string]*Endpoint {
		shard := next.shard(path)
		if !copied[shard] {
			copied[shard] = true
			if *shard = maps.Clone(*shard); *shard == nil {
				*shard = make(map[string]*Endpoint)
			}
		}
		return *shard
	}
	for _, e := range before {
		if shard := own(e.Pattern); shard[e.Pattern] == e {
			delete(shard, e.Pattern)
		}
	}
	for _, e := range after {
		own(e.Pattern)[e.Pattern] = e
	}
	return next
}

// node is one segment of the patterns. Its endpoints are those whose pattern ends here, older first.
type node struct {
	static    map[string]*node
	param     *node
	rest      []*Endpoint
	endpoints []*Endpoint
}

// isStatic reports whether the pattern has no parameters.
func isStatic(pattern string) bool {
	return !strings.Contains(pattern, "/:") && !strings.Contains(pattern, "/*")
}

func newTree(endpoints []*Endpoint) *node {
	if len(endpoints) == 0 {
		return nil
	}
	slices.SortFunc(endpoints, func(a, b *Endpoint) int {
		if c := a.createdAt.Compare(b.createdAt); c != 0 {
			return c
		}
		return slices.Compare(a.ScriptID[:], b.ScriptID[:])
	})
	root := &node{}
	for _, e := range endpoints {
		root.insert(e)
	}
	return root
}

func (n *node) insert(e *Endpoint) {
	for _, segment := range strings.Split(strings.TrimPrefix(e.Pattern, "/"), "/") {
		switch {
		case strings.HasPrefix(segment, "*"):
			// Nothing can follow: the rest is all that there is.
			n.rest = append(n.rest, e)
			return
		case strings.HasPrefix(segment, ":"):
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		default:
			next := n.static[segment]
			if next == nil {
				next = &node{}
				if n.static == nil {
					n.static = make(map[string]*node)
				}
				n.static[segment] = next
			}
			n = next
		}
	}
	n.endpoints = append(n.endpoints, e)
}

// find returns the endpoint of the most specific pattern that matches, and the values of its parameters. method decides only
// between endpoints of one shape. Each node is visited at most once, since its place in the tree fixes what led to it.
func (r *routes) find(method, path string) (*Endpoint, map[string]string) {
	if e := r.static.get(path); e != nil {
		return e, nil
	}
	escaped := strings.IndexByte(path, '%') >= 0
	if !strings.HasPrefix(path, "/") || (r.tree == nil && !escaped) {
		return nil, nil
	}
	var buffer [16]string
	segments := appendSegments(buffer[:0], path[1:])
	if escaped {
		slashed := false
		for i, segment := range segments {
			decoded := unescape(segment)
			segments[i] = decoded
			slashed = slashed || strings.IndexByte(decoded, '/') >= 0
		}
		if !slashed {
			if e := r.static.get("/" + strings.Join(segments, "/")); e != nil {
				return e, nil
			}
		}
		if r.tree == nil {
			return nil, nil
		}
	}
	var values [16]string
	e, taken := r.tree.walk(method, segments, values[:0])
	if e == nil {
		return nil, nil
	}
	params := make(map[string]string, len(e.names))
	for i, name := range e.names {
		params[name] = taken[i]
	}
	return e, params
}

// unescape decodes a segment. A % that two hexadecimal digits do not follow stands for itself, as browsers have it.
func unescape(segment string) string {
	if decoded, err := url.PathUnescape(segment); err == nil {
		return decoded
	}
	decoded := make([]byte, 0, len(segment))
	for i := 0; i < len(segment); i++ {
		if segment[i] == '%' && i+2 < len(segment) {
			if b, err := strconv.ParseUint(segment[i+1:i+3], 16, 8); err == nil {
				decoded = append(decoded, byte(b))
				i += 2
				continue
			}
		}
		decoded = append(decoded, segment[i])
	}
	return string(decoded)
}

func appendSegments(segments []string, path string) []string {
	for {
		segment, rest, more := strings.Cut(path, "/")
		segments = append(segments, segment)
		if !more {
			return segments
		}
		path = rest
	}
}

func (n *node) walk(method string, segments, values []string) (*Endpoint, []string) {
	if len(segments) == 0 {
		return choose(n.endpoints, method), values
	}
	if next := n.static[segments[0]]; next != nil {
		if e, taken := next.walk(method, segments[1:], values); e != nil {
			return e, taken
		}
	}
	if n.param != nil && segments[0] != "" {
		if e, taken := n.param.walk(method, segments[1:], append(values, segments[0])); e != nil {
			return e, taken
		}
	}
	if e := choose(n.rest, method); e != nil {
		return e, append(values, strings.Join(segments, "/"))
	}
	return nil, nil
}

func choose(endpoints []*Endpoint, method string) *Endpoint {
	for _, e := range endpoints {
		if e.allows(method) {
			return e
		}
	}
	if len(endpoints) > 0 {
		return endpoints[0]
	}
	return nil
}

// Params are the values of a pattern's parameters in a path, which is percent-encoded. ok is false where the pattern does not match it.
func Params(pattern, path string) (params map[string]string, ok bool) {
	e := &Endpoint{Pattern: pattern, Methods: []string{"*"}}
	e.finish()
	r := routes{static: newStaticPaths(1)}
	if isStatic(pattern) {
		r.static.put(pattern, e)
	} else {
		r.tree = newTree([]*Endpoint{e})
	}
	found, params := r.find("GET", path)
	return params, found != nil
}

// Path is the path that a pattern makes of the values of its parameters. ok is false where one is missing.
func Path(pattern string, params map[string]string) (path string, ok bool) {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		if !strings.HasPrefix(segment, ":") && !strings.HasPrefix(segment, "*") {
			continue
		}
		value, given := params[segment[1:]]
		if !given {
			return "", false
		}
		if segment[0] == '*' { // its slashes are the path's
			segments[i] = (&url.URL{Path: value}).EscapedPath()
			continue
		}
		segments[i] = url.PathEscape(value)
	}
	return strings.Join(segments, "/"), true
}
