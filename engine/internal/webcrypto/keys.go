package webcrypto

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// jwk is a JSON Web Key's key material.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	D   string `json:"d,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	P   string `json:"p,omitempty"`
	Q   string `json:"q,omitempty"`
	DP  string `json:"dp,omitempty"`
	DQ  string `json:"dq,omitempty"`
	QI  string `json:"qi,omitempty"`
}

var b64 = base64.RawURLEncoding.Strict()

func field(s, name string) ([]byte, error) {
	if s == "" {
		return nil, dataError("the JWK has no %q", name)
	}
	b, err := b64.DecodeString(s)
	if err != nil {
		return nil, dataError("the JWK's %q is not base64url", name)
	}
	return b, nil
}

// importKey makes DER of a key in another format, or checks and normalises DER.
func (e *Engine) importKey(r *request) ([]byte, error) {
	data := bytes.Clone(r.input(0)) // see remember
	var key any
	var err error
	switch r.Format {
	case "pkcs8":
		key, err = x509.ParsePKCS8PrivateKey(data)
		if err != nil {
			return nil, dataError("the key is not PKCS #8: %v", err)
		}
	case "spki":
		key, err = x509.ParsePKIXPublicKey(data)
		if err != nil {
			return nil, dataError("the key is not SPKI: %v", err)
		}
	case "raw":
		key, err = rawPublic(r.Curve, data)
	case "jwk":
		if r.JWK == nil {
			return nil, dataError("no JWK")
		}
		key, err = fromJWK(r.JWK, r.Private)
	default:
		return nil, notSupported("no format %q", r.Format)
	}
	if err != nil {
		return nil, err
	}
	if r.Private {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, dataError("the key is not a private one")
		}
		e.remember(der, key)
		return der, nil
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, dataError("the key is not a public one")
	}
	e.remember(der, key)
	return der, nil
}

func rawPublic(curve string, data []byte) (any, error) {
	switch curve {
	case "Ed25519":
		if len(data) != ed25519.PublicKeySize {
			return nil, dataError("an Ed25519 key has 32 bytes")
		}
		return ed25519.PublicKey(data), nil
	case "X25519":
		k, err := ecdh.X25519().NewPublicKey(data)
		if err != nil {
			return nil, dataError("not an X25519 key: %v", err)
		}
		return k, nil
	}
	c, err := curveOf(curve)
	if err != nil {
		return nil, err
	}
	return ecPoint(c, data)
}

func ecPoint(c elliptic.Curve, data []byte) (*ecdsa.PublicKey, error) {
	if n := (c.Params().BitSize + 7) / 8; len(data) == 1+n && (data[0] == 2 || data[0] == 3) {
		x, y := elliptic.UnmarshalCompressed(c, data)
		if x == nil {
			return nil, dataError("the key is not a point of the curve")
		}
		data = append([]byte{4}, append(x.FillBytes(make([]byte, n)), y.FillBytes(make([]byte, n))...)...)
	}
	k, err := ecdsa.ParseUncompressedPublicKey(c, data)
	if err != nil {
		return nil, dataError("the key is not a point of the curve")
	}
	return k, nil
}

func fromJWK(j *jwk, private bool) (any, error) {
	switch j.Kty {
	case "RSA":
		return rsaFromJWK(j, private)
	case "EC":
		return ecFromJWK(j, private)
	case "OKP":
		return okpFromJWK(j, private)
	}
	return nil, dataError("the JWK's kty %q is not that of a key pair", j.Kty)
}

func rsaFromJWK(j *jwk, private bool) (any, error) {
	n, err := field(j.N, "n")
	if err != nil {
		return nil, err
	}
	e, err := field(j.E, "e")
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if !exponent.IsInt64() || exponent.Int64() > 1<<31-1 || exponent.Sign() <= 0 {
		return nil, dataError("the JWK's e is not usable")
	}
	public := rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}
	if !private {
		return &public, nil
	}
	var v [3]*big.Int
	for i, f := range []struct{ value, name string }{{j.D, "d"}, {j.P, "p"}, {j.Q, "q"}} {
		b, err := field(f.value, f.name)
		if err != nil {
			return nil, err
		}
		v[i] = new(big.Int).SetBytes(b)
	}
	for _, f := range []struct{ value, name string }{{j.DP, "dp"}, {j.DQ, "dq"}, {j.QI, "qi"}} {
		if _, err := field(f.value, f.name); err != nil {
			return nil, err
		}
	}
	k := &rsa.PrivateKey{PublicKey: public, D: v[0], Primes: []*big.Int{v[1], v[2]}}
	if err := k.Validate(); err != nil {
		return nil, dataError("the JWK is not an RSA key: %v", err)
	}
	k.Precompute()
	return k, nil
}

func ecFromJWK(j *jwk, private bool) (any, error) {
	c, err := curveOf(j.Crv)
	if err != nil {
		return nil, dataError("the JWK's crv %q is not known", j.Crv)
	}
	n := (c.Params().BitSize + 7) / 8
	x, err := field(j.X, "x")
	if err != nil {
		return nil, err
	}
	y, err := field(j.Y, "y")
	if err != nil {
		return nil, err
	}
	if len(x) != n || len(y) != n {
		return nil, dataError("the JWK's x and y must have %d bytes", n)
	}
	public, err := ecPoint(c, append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, err
	}
	if !private {
		return public, nil
	}
	d, err := field(j.D, "d")
	if err != nil {
		return nil, err
	}
	if len(d) != n {
		return nil, dataError("the JWK's d must have %d bytes", n)
	}
	k, err := ecdsa.ParseRawPrivateKey(c, d)
	if err != nil {
		return nil, dataError("the JWK's d is not usable")
	}
	if !k.PublicKey.Equal(public) {
		return nil, dataError("the JWK's d does not belong to its x and y")
	}
	return k, nil
}

func okpFromJWK(j *jwk, private bool) (any, error) {
	x, err := field(j.X, "x")
	if err != nil {
		return nil, err
	}
	public, err := rawPublic(j.Crv, x)
	if err != nil {
		return nil, dataError("the JWK is not a key of %q", j.Crv)
	}
	if !private {
		return public, nil
	}
	d, err := field(j.D, "d")
	if err != nil {
		return nil, err
	}
	if len(d) != 32 {
		return nil, dataError("the JWK's d must have 32 bytes")
	}
	if j.Crv == "Ed25519" {
		k := ed25519.NewKeyFromSeed(d)
		if !k.Public().(ed25519.PublicKey).Equal(public) {
			return nil, dataError("the JWK's d does not belong to its x")
		}
		return k, nil
	}
	k, err := ecdh.X25519().NewPrivateKey(d)
	if err != nil || !k.PublicKey().Equal(public) {
		return nil, dataError("the JWK's d does not belong to its x")
	}
	return k, nil
}

func (e *Engine) any(r *request) (any, error) {
	if r.Private {
		return e.private(r.input(0))
	}
	return e.public(r.input(0))
}

// export gives the key material as a JWK, or a public key raw.
func (e *Engine) export(r *request) (string, []byte, error) {
	key, err := e.any(r)
	if err != nil {
		return "", nil, err
	}
	switch r.Format {
	case "raw":
		switch k := key.(type) {
		case *ecdsa.PublicKey:
			p, err := k.ECDH()
			if err != nil {
				return "", nil, operationError("export: %v", err)
			}
			return "", p.Bytes(), nil
		case ed25519.PublicKey:
			return "", k, nil
		case *ecdh.PublicKey:
			return "", k.Bytes(), nil
		}
	case "jwk":
		j, err := toJWK(key)
		if err != nil {
			return "", nil, err
		}
		b, err := json.Marshal(j)
		if err != nil {
			return "", nil, operationError("export: %v", err)
		}
		return string(b), nil, nil
	}
	return "", nil, notSupported("export: no format %q for this key", r.Format)
}

func toJWK(key any) (*jwk, error) {
	s := b64.EncodeToString
	point := func(k *ecdsa.PublicKey) (*jwk, error) {
		b, err := k.Bytes() // 4, x, y
		if err != nil {
			return nil, operationError("export: %v", err)
		}
		n := len(b) / 2
		return &jwk{Kty: "EC", Crv: k.Curve.Params().Name, X: s(b[1 : 1+n]), Y: s(b[1+n:])}, nil
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		return &jwk{Kty: "RSA", N: s(k.N.Bytes()), E: s(big.NewInt(int64(k.E)).Bytes())}, nil
	case *rsa.PrivateKey:
		if len(k.Primes) != 2 {
			return nil, notSupported("export: an RSA key of more than two primes")
		}
		k.Precompute()
		return &jwk{
			Kty: "RSA", N: s(k.N.Bytes()), E: s(big.NewInt(int64(k.E)).Bytes()), D: s(k.D.Bytes()), P: s(k.Primes[0].Bytes()), Q: s(k.Primes[1].Bytes()),
			DP: s(k.Precomputed.Dp.Bytes()), DQ: s(k.Precomputed.Dq.Bytes()), QI: s(k.Precomputed.Qinv.Bytes()),
		}, nil
	case *ecdsa.PublicKey:
		return point(k)
	case *ecdsa.PrivateKey:
		j, err := point(&k.PublicKey)
		if err != nil {
			return nil, err
		}
		d, err := k.Bytes()
		if err != nil {
			return nil, operationError("export: %v", err)
		}
		j.D = s(d)
		return j, nil
	case ed25519.PublicKey:
		return &jwk{Kty: "OKP", Crv: "Ed25519", X: s(k)}, nil
	case ed25519.PrivateKey:
		return &jwk{Kty: "OKP", Crv: "Ed25519", X: s(k.Public().(ed25519.PublicKey)), D: s(k.Seed())}, nil
	case *ecdh.PublicKey:
		return &jwk{Kty: "OKP", Crv: "X25519", X: s(k.Bytes())}, nil
	case *ecdh.PrivateKey:
		return &jwk{Kty: "OKP", Crv: "X25519", X: s(k.PublicKey().Bytes()), D: s(k.Bytes())}, nil
	}
	return nil, notSupported("export: not a key that can be a JWK")
}

// info says what a DER key is.
func (e *Engine) info(r *request) (string, []byte, error) {
	key, err := e.any(r)
	if err != nil {
		return "", nil, err
	}
	var out struct {
		Kind           string `json:"kind"`
		Curve          string `json:"curve,omitempty"`
		ModulusLength  int    `json:"modulusLength,omitempty"`
		PublicExponent []int  `json:"publicExponent,omitempty"`
	}
	rsaInfo := func(k *rsa.PublicKey) {
		out.Kind, out.ModulusLength = "RSA", k.N.BitLen()
		for _, b := range big.NewInt(int64(k.E)).Bytes() {
			out.PublicExponent = append(out.PublicExponent, int(b))
		}
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		rsaInfo(k)
	case *rsa.PrivateKey:
		rsaInfo(&k.PublicKey)
	case *ecdsa.PublicKey:
		out.Kind, out.Curve = "EC", k.Curve.Params().Name
	case *ecdsa.PrivateKey:
		out.Kind, out.Curve = "EC", k.Curve.Params().Name
	case ed25519.PublicKey, ed25519.PrivateKey:
		out.Kind = "Ed25519"
	case *ecdh.PublicKey:
		out.Kind = "X25519"
	case *ecdh.PrivateKey:
		out.Kind = "X25519"
	default:
		return "", nil, notSupported("a key of a kind that is not known here")
	}
	b, err := json.Marshal(out)
	if err != nil {
		return "", nil, operationError("info: %v", err)
	}
	return string(b), nil, nil
}
