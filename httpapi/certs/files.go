package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// pollEvery is how often files are looked at. Mounted secrets change without a signal.
const pollEvery = 10 * time.Second

// Pair names the files of a certificate, leaf first, and of its key, both PEM.
type Pair struct {
	Cert, Key string
}

// Files are certificates from files.
type Files struct {
	pairs   []Pair
	log     *slog.Logger
	current atomic.Pointer[[]loaded]
	tried   [][2][]byte // what was read last, by pair; of Run alone
}

type loaded struct {
	text [2][]byte
	cert *tls.Certificate
}

// LoadFiles reads the pairs. All of them must be sound at first.
func LoadFiles(pairs []Pair, log *slog.Logger) (*Files, error) {
	if len(pairs) == 0 {
		return nil, errors.New("no certificate")
	}
	f := &Files{pairs: pairs, log: log}
	all := make([]loaded, len(pairs))
	for i, p := range pairs {
		var err error
		if all[i].text, err = p.read(); err != nil {
			return nil, err
		}
		if all[i].cert, err = p.parse(all[i].text); err != nil {
			return nil, err
		}
		f.tried = append(f.tried, all[i].text)
	}
	f.current.Store(&all)
	return f, nil
}

func (p Pair) read() (text [2][]byte, err error) {
	for i, name := range []string{p.Cert, p.Key} {
		if text[i], err = os.ReadFile(name); err != nil {
			return text, err
		}
	}
	return text, nil
}

func (p Pair) parse(text [2][]byte) (*tls.Certificate, error) {
	cert, err := tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", p.Cert, p.Key, err)
	}
	return &cert, nil
}

// Run reads the files again when they have changed, until ctx ends; at once when a value comes from hurry.
func (f *Files) Run(ctx context.Context, hurry <-chan os.Signal) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hurry:
		case <-tick.C:
		}
		f.reload()
	}
}

// reload takes what is new and sound. A pair that is not keeps what it had.
func (f *Files) reload() {
	before := *f.current.Load()
	all := append([]loaded(nil), before...)
	changed := false
	for i, p := range f.pairs {
		text, err := p.read()
		if err != nil {
			text = [2][]byte{[]byte(err.Error())} // told once
		}
		if same(text, f.tried[i]) {
			continue
		}
		f.tried[i] = text
		var cert *tls.Certificate
		if err == nil {
			cert, err = p.parse(text)
		}
		if err != nil {
			f.log.Error("certificate not read, the one before stays", "error", err)
			continue
		}
		all[i] = loaded{text, cert}
		changed = true
		f.log.Info("certificate read", "file", p.Cert, "not_after", cert.Leaf.NotAfter)
	}
	if changed {
		f.current.Store(&all)
	}
}

func same(a, b [2][]byte) bool { return bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1]) }

// find returns the certificate for the client's name, and the first one where none is.
func (f *Files) find(hello *tls.ClientHelloInfo) (cert *tls.Certificate, exact bool) {
	all := *f.current.Load()
	for _, l := range all {
		if hello.ServerName != "" && l.cert.Leaf.VerifyHostname(hello.ServerName) == nil && hello.SupportsCertificate(l.cert) == nil {
			return l.cert, true
		}
	}
	return all[0].cert, false
}
