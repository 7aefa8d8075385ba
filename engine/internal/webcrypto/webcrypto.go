package webcrypto

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // registers the hash
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strconv"
)

// Error is a failure that the script sees as a DOMException of that name.
type Error struct {
	Name    string
	Message string
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }

func dataError(format string, args ...any) error {
	return &Error{Name: "DataError", Message: fmt.Sprintf(format, args...)}
}

func operationError(format string, args ...any) error {
	return &Error{Name: "OperationError", Message: fmt.Sprintf(format, args...)}
}

func notSupported(format string, args ...any) error {
	return &Error{Name: "NotSupportedError", Message: fmt.Sprintf(format, args...)}
}

// maxKeys bounds the parsed keys that an Engine keeps. A script uses a handful; parsing an RSA key takes longer than using it.
const maxKeys = 32

// Go's code cannot be interrupted as JavaScript can, so that what may take minutes is refused. Ten million rounds of PBKDF2 take about
// 2 s, a key of 4096 bits as much in a bad case.
const (
	maxIterations = 10_000_000
	maxModulus    = 4096
)

// Engine does operations. It is not safe for concurrent use: a worker has one thread.
type Engine struct {
	keys map[string]any
}

// New makes an Engine.
func New() *Engine { return &Engine{keys: make(map[string]any)} }

type request struct {
	Op             string `json:"op"`
	Kind           string `json:"kind"`
	Hash           string `json:"hash"`
	Mode           string `json:"mode"`
	Format         string `json:"format"`
	Curve          string `json:"curve"`
	Encrypt        bool   `json:"encrypt"`
	Private        bool   `json:"private"`
	TagLength      int    `json:"tagLength"`
	Length         int    `json:"length"`
	Iterations     int    `json:"iterations"`
	SaltLength     int    `json:"saltLength"`
	ModulusLength  int    `json:"modulusLength"`
	PublicExponent []byte `json:"e"`
	JWK            *jwk   `json:"jwk"`
	Lens           []int  `json:"lens"`

	inputs [][]byte
}

func (r *request) input(i int) []byte {
	if i < len(r.inputs) {
		return r.inputs[i]
	}
	return nil
}

// Do carries out one operation. See the package comment for requests and replies.
func (e *Engine) Do(text string, data []byte) (reply string, out []byte, err error) {
	r, err := parseRequest(text, data)
	if err != nil {
		return "", nil, err
	}
	switch r.Op {
	case "digest":
		return bytesReply(digest(r))
	case "hmac":
		return bytesReply(authenticate(r))
	case "hmac.verify":
		return boolReply(authentic(r))
	case "aes":
		return bytesReply(aesOp(r))
	case "pbkdf2":
		return bytesReply(deriveFromPassword(r))
	case "hkdf":
		return bytesReply(deriveFromSecret(r))
	case "generate":
		return bytesReply(generate(r))
	case "sign":
		return bytesReply(e.sign(r))
	case "verify":
		return boolReply(e.verify(r))
	case "oaep":
		return bytesReply(e.oaep(r))
	case "derive":
		return bytesReply(e.derive(r))
	case "import":
		return bytesReply(e.importKey(r))
	case "export":
		return e.export(r)
	case "info":
		return e.info(r)
	}
	return "", nil, notSupported("no operation %q", r.Op)
}

// parseRequest reads a request and cuts data into its inputs.
func parseRequest(text string, data []byte) (*request, error) {
	r := &request{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, operationError("bad request")
	}
	for _, n := range r.Lens {
		if n < 0 || n > len(data) {
			return nil, operationError("bad request")
		}
		r.inputs = append(r.inputs, data[:n:n])
		data = data[n:]
	}
	return r, nil
}

func bytesReply(b []byte, err error) (string, []byte, error) {
	if err == nil && b == nil {
		b = []byte{}
	}
	return "", b, err
}

func boolReply(ok bool, err error) (string, []byte, error) {
	if err != nil {
		return "", nil, err
	}
	return strconv.FormatBool(ok), nil, nil
}

func digest(r *request) ([]byte, error) {
	h, err := hashOf(r.Hash)
	if err != nil {
		return nil, err
	}
	return sum(h, r.input(0)), nil
}

func authenticate(r *request) ([]byte, error) {
	h, err := hashOf(r.Hash)
	if err != nil {
		return nil, err
	}
	m := hmac.New(h.New, r.input(0))
	m.Write(r.input(1))
	return m.Sum(nil), nil
}

func authentic(r *request) (bool, error) {
	mac, err := authenticate(r)
	return err == nil && hmac.Equal(mac, r.input(2)), err
}

func deriveFromPassword(r *request) ([]byte, error) {
	h, err := hashOf(r.Hash)
	if err != nil {
		return nil, err
	}
	if r.Iterations > maxIterations {
		return nil, operationError("PBKDF2: iterations must be %d at most", maxIterations)
	}
	k, err := pbkdf2.Key(h.New, string(r.input(0)), r.input(1), r.Iterations, r.Length)
	if err != nil {
		return nil, operationError("PBKDF2: %v", err)
	}
	return k, nil
}

func deriveFromSecret(r *request) ([]byte, error) {
	h, err := hashOf(r.Hash)
	if err != nil {
		return nil, err
	}
	k, err := hkdf.Key(func() hash.Hash { return h.New() }, r.input(0), r.input(1), string(r.input(2)), r.Length)
	if err != nil {
		return nil, operationError("HKDF: %v", err)
	}
	return k, nil
}

func hashOf(name string) (crypto.Hash, error) {
	switch name {
	case "SHA-1":
		return crypto.SHA1, nil
	case "SHA-256":
		return crypto.SHA256, nil
	case "SHA-384":
		return crypto.SHA384, nil
	case "SHA-512":
		return crypto.SHA512, nil
	}
	return 0, notSupported("no hash %q", name)
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data)
	return w.Sum(nil)
}

func curveOf(name string) (elliptic.Curve, error) {
	switch name {
	case "P-256":
		return elliptic.P256(), nil
	case "P-384":
		return elliptic.P384(), nil
	case "P-521":
		return elliptic.P521(), nil
	}
	return nil, notSupported("no curve %q", name)
}

// remember keeps a parsed key under its DER. The key must own its memory: the inputs of a request are overwritten by the next one, and
// some of Go's parsers return keys that point into what they parsed.
func (e *Engine) remember(der []byte, key any) {
	if len(e.keys) >= maxKeys {
		clear(e.keys)
	}
	e.keys[string(der)] = key
}

func (e *Engine) private(der []byte) (any, error) {
	if k, ok := e.keys[string(der)]; ok {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(bytes.Clone(der))
	if err != nil {
		return nil, dataError("the private key does not parse: %v", err)
	}
	e.remember(der, k)
	return k, nil
}

func (e *Engine) public(der []byte) (any, error) {
	if k, ok := e.keys[string(der)]; ok {
		return k, nil
	}
	k, err := x509.ParsePKIXPublicKey(bytes.Clone(der))
	if err != nil {
		return nil, dataError("the public key does not parse: %v", err)
	}
	e.remember(der, k)
	return k, nil
}

func generate(r *request) ([]byte, error) {
	var private, public any
	switch r.Kind {
	case "RSA":
		exponent := new(big.Int).SetBytes(r.PublicExponent)
		if exponent.Cmp(big.NewInt(65537)) != 0 {
			return nil, operationError("generateKey: publicExponent must be 65537")
		}
		if r.ModulusLength < 1024 || r.ModulusLength > maxModulus || r.ModulusLength%8 != 0 {
			return nil, operationError("generateKey: modulusLength must be from 1024 to %d and whole bytes", maxModulus)
		}
		k, err := rsa.GenerateKey(rand.Reader, r.ModulusLength)
		if err != nil {
			return nil, operationError("generateKey: %v", err)
		}
		private, public = k, &k.PublicKey
	case "EC":
		c, err := curveOf(r.Curve)
		if err != nil {
			return nil, err
		}
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			return nil, operationError("generateKey: %v", err)
		}
		private, public = k, &k.PublicKey
	case "Ed25519":
		p, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, operationError("generateKey: %v", err)
		}
		private, public = k, p
	case "X25519":
		k, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, operationError("generateKey: %v", err)
		}
		private, public = k, k.PublicKey()
	default:
		return nil, notSupported("generateKey: no %q", r.Kind)
	}
	a, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, operationError("generateKey: %v", err)
	}
	b, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, operationError("generateKey: %v", err)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(a)))
	return append(append(out, a...), b...), nil
}

func (e *Engine) sign(r *request) ([]byte, error) {
	key, err := e.private(r.input(0))
	if err != nil {
		return nil, err
	}
	data := r.input(1)
	switch k := key.(type) {
	case *rsa.PrivateKey:
		h, err := hashOf(r.Hash)
		if err != nil {
			return nil, err
		}
		digest := sum(h, data)
		var s []byte
		switch {
		case r.Kind == "RSA-PSS" && r.SaltLength == 0:
			s, err = signUnsalted(k, h, digest)
		case r.Kind == "RSA-PSS":
			s, err = rsa.SignPSS(rand.Reader, k, h, digest, &rsa.PSSOptions{SaltLength: r.SaltLength})
		default:
			s, err = rsa.SignPKCS1v15(rand.Reader, k, h, digest)
		}
		if err != nil {
			return nil, operationError("sign: %v", err)
		}
		return s, nil
	case *ecdsa.PrivateKey:
		h, err := hashOf(r.Hash)
		if err != nil {
			return nil, err
		}
		a, b, err := ecdsa.Sign(rand.Reader, k, sum(h, data))
		if err != nil {
			return nil, operationError("sign: %v", err)
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*n)
		a.FillBytes(out[:n])
		b.FillBytes(out[n:])
		return out, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(k, data), nil
	}
	return nil, dataError("sign: not a key for signatures")
}

func (e *Engine) verify(r *request) (bool, error) {
	key, err := e.public(r.input(0))
	if err != nil {
		return false, err
	}
	data, signature := r.input(1), r.input(2)
	switch k := key.(type) {
	case *rsa.PublicKey:
		h, err := hashOf(r.Hash)
		if err != nil {
			return false, err
		}
		digest := sum(h, data)
		switch {
		case r.Kind == "RSA-PSS" && r.SaltLength == 0:
			return verifyUnsalted(k, h, digest, signature), nil
		case r.Kind == "RSA-PSS":
			return rsa.VerifyPSS(k, h, digest, signature, &rsa.PSSOptions{SaltLength: r.SaltLength}) == nil, nil
		}
		return rsa.VerifyPKCS1v15(k, h, digest, signature) == nil, nil
	case *ecdsa.PublicKey:
		h, err := hashOf(r.Hash)
		if err != nil {
			return false, err
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		if len(signature) != 2*n {
			return false, nil
		}
		return ecdsa.Verify(k, sum(h, data), new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])), nil
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(k, data, signature), nil
	}
	return false, dataError("verify: not a key for signatures")
}

func (e *Engine) oaep(r *request) ([]byte, error) {
	h, err := hashOf(r.Hash)
	if err != nil {
		return nil, err
	}
	data, label := r.input(1), r.input(2)
	if r.Encrypt {
		key, err := e.public(r.input(0))
		if err != nil {
			return nil, err
		}
		k, ok := key.(*rsa.PublicKey)
		if !ok {
			return nil, dataError("encrypt: not an RSA key")
		}
		out, err := rsa.EncryptOAEP(h.New(), rand.Reader, k, data, label)
		if err != nil {
			return nil, operationError("encrypt: %v", err)
		}
		return out, nil
	}
	key, err := e.private(r.input(0))
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, dataError("decrypt: not an RSA key")
	}
	out, err := rsa.DecryptOAEP(h.New(), nil, k, data, label)
	if err != nil {
		return nil, operationError("decrypt: the data is not for this key")
	}
	return out, nil
}

func (e *Engine) derive(r *request) ([]byte, error) {
	a, err := e.private(r.input(0))
	if err != nil {
		return nil, err
	}
	b, err := e.public(r.input(1))
	if err != nil {
		return nil, err
	}
	private, err1 := ecdhPrivate(a)
	public, err2 := ecdhPublic(b)
	if err := errors.Join(err1, err2); err != nil {
		return nil, operationError("deriveBits: not keys for ECDH")
	}
	out, err := private.ECDH(public)
	if err != nil {
		return nil, operationError("deriveBits: %v", err)
	}
	return out, nil
}

func ecdhPrivate(k any) (*ecdh.PrivateKey, error) {
	switch k := k.(type) {
	case *ecdsa.PrivateKey:
		return k.ECDH()
	case *ecdh.PrivateKey:
		return k, nil
	}
	return nil, errors.New("not a key for ECDH")
}

func ecdhPublic(k any) (*ecdh.PublicKey, error) {
	switch k := k.(type) {
	case *ecdsa.PublicKey:
		return k.ECDH()
	case *ecdh.PublicKey:
		return k, nil
	}
	return nil, errors.New("not a key for ECDH")
}
