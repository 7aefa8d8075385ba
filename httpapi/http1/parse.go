package http1

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// maxFields bounds the lines of a head after the first.
const maxFields = 64

// parse returns the request of a whole head, its empty line included, without a body. It is nil where the head is not plain.
func parse(head string) *http.Request {
	method, rest, _ := strings.Cut(head, " ")
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		return nil
	}
	end := 0
	for end < len(rest) && targetBytes[rest[end]] {
		end++
	}
	target := rest[:end]
	fields, ok := strings.CutPrefix(rest[end:], " HTTP/1.1\r\n")
	if !ok || end == 0 || target[0] != '/' {
		return nil
	}
	r := &http.Request{
		Method: method, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Header: make(http.Header, 8),
	}
	if !parseFields(r, fields) {
		return nil
	}
	if r.URL = parseTarget(target); r.URL == nil {
		return nil
	}
	return r
}

// parseFields takes the lines after the first. It reports whether all are plain, and the head ends with them.
func parseFields(r *http.Request, fields string) bool {
	var values []string
	for n := 0; fields != "\r\n"; n++ {
		name, value, rest, ok := cutField(fields)
		if !ok || n >= maxFields || !accept(r, name, value) {
			return false
		}
		fields = rest
		if name == "Host" {
			continue // it is no header of a Request
		}
		if before := r.Header[name]; before != nil {
			r.Header[name] = append(before, value)
			continue
		}
		if len(values) == cap(values) {
			values = make([]string, 0, 8)
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if pragma := r.Header["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"} // as net/http has it
	}
	return r.Host != ""
}

// cutField takes the first line, which is NAME: VALUE.
func cutField(fields string) (name, value, rest string, ok bool) {
	colon := 0
	for colon < len(fields) && tokenBytes[fields[colon]] {
		colon++
	}
	if colon == 0 || colon >= len(fields) || fields[colon] != ':' {
		return "", "", "", false
	}
	end := colon + 1
	for end < len(fields) && valueBytes[fields[end]] {
		end++
	}
	if rest, ok = strings.CutPrefix(fields[end:], "\r\n"); !ok {
		return "", "", "", false
	}
	return textproto.CanonicalMIMEHeaderKey(fields[:colon]), strings.Trim(fields[colon+1:end], " \t"), rest, true
}

// accept takes what a field says of the request's frame. It reports whether that is plain.
func accept(r *http.Request, name, value string) bool {
	switch name {
	case "Host":
		if r.Host != "" || !plainHost(value) {
			return false
		}
		r.Host = value
	case "Content-Length":
		return r.Header[name] == nil && setLength(r, value)
	case "Connection":
		r.Close = strings.EqualFold(value, "close")
		return r.Header[name] == nil && (r.Close || strings.EqualFold(value, "keep-alive"))
	case "Transfer-Encoding", "Upgrade", "Expect", "Trailer", "Http2-Settings":
		return false
	}
	return true
}

// setLength takes a Content-Length.
func setLength(r *http.Request, value string) bool {
	if value == "" || len(value) > 18 || value[0] == '0' && value != "0" {
		return false
	}
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return false
		}
	}
	n, err := strconv.ParseInt(value, 10, 64)
	r.ContentLength = n
	return err == nil && (n == 0 || r.Method != http.MethodGet && r.Method != http.MethodHead)
}

func plainHost(host string) bool {
	for i := range len(host) {
		if !hostBytes[host[i]] {
			return false
		}
	}
	return host != ""
}

// parseTarget is url.ParseRequestURI, without its work where a path has nothing to decode.
func parseTarget(target string) *url.URL {
	path, query, asked := strings.Cut(target, "?")
	for i := range len(path) {
		if !pathBytes[path[i]] {
			u, err := url.ParseRequestURI(target)
			if err != nil {
				return nil
			}
			return u
		}
	}
	return &url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

var (
	tokenBytes = table(alphanumeric + "!#$%&'*+-.^_`|~")
	hostBytes  = table(alphanumeric + "-._:[]")
	pathBytes  = table(alphanumeric + "-._~/")
	// targetBytes are all but the space, controls, # (a client resolves it) and bytes from 0x80 on.
	targetBytes = func() (t [256]bool) {
		for c := '!'; c <= '~'; c++ {
			t[c] = c != '#'
		}
		return t
	}()
	valueBytes = func() (t [256]bool) {
		for c := range t {
			t[c] = c == '\t' || c >= ' ' && c != 0x7f
		}
		return t
	}()
)

func table(bytes string) (t [256]bool) {
	for i := range len(bytes) {
		t[bytes[i]] = true
	}
	return t
}
