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
	static staticPaths        // patterns without parameters
	tree   *node              // patterns with parameters; nil: there are none
	hosts  map[string]*routes // of each host of the tenant's own; nil: there are none
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

func (s staticPaths) get(key string) *Endpoint { return (*s.shard(key))[key] }

func (s staticPaths) put(e *Endpoint) {
	key := staticKey(e.Pattern)
	shard := s.shard(key)
	if *shard == nil {
		*shard = make(map[string]*Endpoint)
	}
	(*shard)[key] = e
}

// staticKey is a static path percent-decoded, or as it is where a segment has an encoded slash: so requests and patterns are found by one key.
func staticKey(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if segments[i] = unescape(segment); strings.IndexByte(segments[i], '/') >= 0 {
			return path
		}
	}
	return strings.Join(segments, "/")
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
		key := staticKey(e.Pattern)
		if shard := own(key); shard[key] == e {
			delete(shard, key)
		}
	}
	for _, e := range after {
		key := staticKey(e.Pattern)
		own(key)[key] = e
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
			segment = unescape(segment) // as those of requests are
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
	if e := r.static.get(staticKey(path)); e != nil {
		return e, nil
	}
	if !strings.HasPrefix(path, "/") || r.tree == nil {
		return nil, nil
	}
	var buffer [16]string
	segments := appendSegments(buffer[:0], path[1:])
	for i, segment := range segments {
		segments[i] = unescape(segment)
	}
	var values [16]string
	e, taken := r.tree.walk(method, segments, values[:0])
	if e == nil {
		e, taken = r.tree.walkBare(method, segments, values[:0])
	}
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
	if strings.IndexByte(segment, '%') < 0 {
		return segment
	}
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

// walkBare finds a *rest pattern of which the path has all but the last slash: /shop of /shop/*rest.
func (n *node) walkBare(method string, segments, values []string) (*Endpoint, []string) {
	if len(segments) == 0 {
		return choose(n.rest, method), append(values, "")
	}
	if next := n.static[segments[0]]; next != nil {
		if e, taken := next.walkBare(method, segments[1:], values); e != nil {
			return e, taken
		}
	}
	if n.param != nil && segments[0] != "" {
		return n.param.walkBare(method, segments[1:], append(values, segments[0]))
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
	e, params := routesOf([]string{pattern}).find("GET", path)
	return params, e != nil
}

func routesOf(patterns []string) *routes {
	r := &routes{static: newStaticPaths(len(patterns))}
	var tree []*Endpoint
	for _, pattern := range patterns {
		e := &Endpoint{Pattern: pattern, Methods: []string{"*"}}
		e.finish()
		if isStatic(pattern) {
			r.static.put(e)
		} else {
			tree = append(tree, e)
		}
	}
	r.tree = newTree(tree)
	return r
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

// Shape is a pattern as the router compares it: two patterns of one shape match the same requests. It has no percent-encoding that
// is not needed and no names of parameters. parameters: the pattern has some.
func Shape(pattern string) (shape string, parameters bool) {
	if isStatic(pattern) {
		return staticKey(pattern), false
	}
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		switch {
		case strings.HasPrefix(segment, ":"), strings.HasPrefix(segment, "*"):
			segments[i] = segment[:1]
		default:
			segments[i] = url.PathEscape(unescape(segment)) // so that no literal segment looks like a parameter
		}
	}
	return strings.Join(segments, "/"), true
}
