package redact

import (
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
func Field(name string) bool {
	if len(name) < 3 || len(name) > 128 {
		return false
	}
	split := wordsOf(name)
	if len(split) == 0 {
		return false
	}
	last := split[len(split)-1]
	switch strings.Join(split, " ") {
	case "pass", "user pass", "db pass", "session id", "session key", "code verifier", "auth code", "authorization code", "security code", "card number", "totp":
		return true
	case "pin", "max tokens", "max output tokens", "max completion tokens":
		return last == "pin"
	}
	if plain[last] {
		return false
	}
	for i, word := range split {
		switch {
		case word == "tokens" && i > 0 && !keyed[split[i-1]] && split[i-1] != "refresh" && split[i-1] != "id":
			// prompt_tokens, total_tokens: a count
		case word == "pin":
			// pin alone is one; pin_code too
			if last == "code" {
				return true
			}
		case words[word]:
			return true
		case (word == "key" || word == "keys") && i > 0 && keyed[split[i-1]]:
			return true
		default:
			for _, suffix := range suffixes {
				if len(word) > len(suffix) && strings.HasSuffix(word, suffix) {
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

// wordsOf splits a name at what is neither letter nor digit, and where a capital begins a word, into lower case words.
func wordsOf(name string) []string {
	var out []string
	from := 0
	end := func(to int) {
		if to > from {
			out = append(out, strings.ToLower(name[from:to]))
		}
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80:
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
