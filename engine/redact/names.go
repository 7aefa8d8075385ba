package redact

import (
	"bytes"
	"slices"
	"strings"
)

// Mask stands where a credential was.
const Mask = "[redacted]"

// headerParts make a header a credential wherever they stand in its name.
var headerParts = []string{
	"auth", "cookie", "token", "secret", "key", "signature", "session", "password", "passwd", "passphrase", "credential", "jwt", "assertion",
}

// Header reports whether a header by its name may carry a credential. Case does not matter.
func Header(name string) bool {
	switch len(name) { // names that most requests have are answered at once
	case 4, 6:
		if strings.EqualFold(name, "host") || strings.EqualFold(name, "accept") {
			return false
		}
	case 10, 12:
		if strings.EqualFold(name, "user-agent") || strings.EqualFold(name, "content-type") {
			return false
		}
	}
	name = strings.ToLower(name)
	switch name {
	case "idempotency-key", "sec-websocket-key", "www-authenticate", "proxy-authenticate", "author", "access-control-allow-credentials":
		return false
	case "dpop", "x-otp", "x-pin", "x-sid", "x-sig", "x-hmac", "x-pwd", "x-pass":
		return true
	}
	return strings.HasPrefix(name, "x-goog-") || slices.ContainsFunc(headerParts, func(part string) bool { return strings.Contains(name, part) })
}

// words make a name a credential as one of its words; suffixes do so as the end of one, for names that run words together.
var (
	words = map[string]bool{
		"token": true, "secret": true, "password": true, "passwd": true, "passphrase": true, "pwd": true, "passcode": true, "signature": true, "sig": true,
		"jwt": true, "otp": true, "credential": true, "credentials": true, "authorization": true, "auth": true, "cookie": true, "cookies": true, "sid": true,
		"apikey": true, "hmac": true, "cvv": true, "cvc": true, "jsessionid": true, "phpsessid": true, "sessionid": true, "sessid": true, "assertion": true,
		"secrets": true, "passwords": true, "tokens": true, "bearer": true, "pin": true,
	}
	suffixes = []string{"token", "secret", "password", "passwd", "apikey", "sessionid", "signature", "privatekey", "secretkey", "accesskey"}
	// plain words at a name's end say that it tells something about a credential and does not hold one: token_type, max_tokens.
	plain = map[string]bool{
		"type": true, "count": true, "expires": true, "expiry": true, "expired": true, "at": true, "in": true, "length": true, "required": true, "url": true,
		"uri": true, "endpoint": true, "limit": true, "used": true, "usage": true, "policy": true, "method": true, "status": true, "valid": true, "enabled": true,
		"ttl": true, "name": true, "version": true, "algorithm": true, "hint": true,
	}
	// keyed words before "key" make it one that opens something.
	keyed = map[string]bool{
		"api": true, "access": true, "private": true, "secret": true, "signing": true, "encryption": true, "master": true, "auth": true, "license": true,
		"client": true, "service": true, "subscription": true, "admin": true, "account": true, "shared": true, "webhook": true, "hmac": true, "ssh": true,
	}
)

// Field reports whether a member of a JSON body or a form holds a credential by its name. Case, underscores and hyphens do not matter:
// clientSecret, client_secret and Client-Secret are one.
func Field(name string) bool { return isField(name) }

func isField[T ~string | ~[]byte](name T) bool {
	if len(name) < 3 || len(name) > 128 {
		return false
	}
	var room [2 * 128]byte
	split := appendWords(room[:0], name)
	if len(split) == 0 {
		return false
	}
	last := split[bytes.LastIndexByte(split, ' ')+1:]
	switch string(split) {
	case "pass", "user pass", "db pass", "session id", "session key", "code verifier", "auth code", "authorization code", "security code", "card number", "totp":
		return true
	case "pin", "max tokens", "max output tokens", "max completion tokens":
		return string(last) == "pin"
	}
	if plain[string(last)] {
		return false
	}
	var word, before []byte
	for rest, more := split, true; more; before = word {
		word, rest, more = bytes.Cut(rest, []byte{' '})
		switch {
		case string(word) == "tokens" && before != nil && !keyed[string(before)] && string(before) != "refresh" && string(before) != "id":
			// prompt_tokens, total_tokens: a count
		case string(word) == "pin":
			// pin alone is one; pin_code too
			if string(last) == "code" {
				return true
			}
		case words[string(word)]:
			return true
		case (string(word) == "key" || string(word) == "keys") && before != nil && keyed[string(before)]:
			return true
		default:
			for _, suffix := range suffixes {
				if len(word) > len(suffix) && string(word[len(word)-len(suffix):]) == suffix {
					return true
				}
			}
		}
	}
	return false
}

// Param reports whether a query parameter holds a credential by its name: what Field says, and names that are short in URLs.
func Param(name string) bool {
	switch strings.ToLower(name) {
	case "key", "code", "session", "ticket", "sig", "hash", "pass", "awsaccesskeyid", "googleaccessid", "otp":
		return true
	}
	if Field(name) {
		return true
	}
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "x-goog-") && (strings.HasSuffix(lower, "signature") || strings.HasSuffix(lower, "credential")) || strings.HasSuffix(lower, "_key") || strings.HasSuffix(lower, "-key")
}

// appendWords splits a name at what is neither letter nor digit, and where a capital begins a word, and appends the words in lower case, with a
// space between them.
func appendWords[T ~string | ~[]byte](out []byte, name T) []byte {
	from, wide := 0, false
	end := func(to int) {
		if to <= from {
			return
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		if wide {
			out = append(out, strings.ToLower(string(name[from:to]))...)
			wide = false
			return
		}
		for i := from; i < to; i++ {
			c := name[i]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			out = append(out, c)
		}
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		case c >= 0x80:
			wide = true
		case c >= 'A' && c <= 'Z':
			lowerBefore := i > from && name[i-1] >= 'a' && name[i-1] <= 'z'
			endOfCapitals := i > from && name[i-1] >= 'A' && name[i-1] <= 'Z' && i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z'
			if lowerBefore || endOfCapitals {
				end(i)
				from = i
			}
		default:
			end(i)
			from = i + 1
		}
	}
	end(len(name))
	return out
}
