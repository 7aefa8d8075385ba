package webcrypto

import (
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/big"
)

// crypto/rsa takes a salt length of 0 for "choose one", so that signatures without a salt are made here (RFC 8017, 9.1).

// encodeUnsalted makes the encoded message for a modulus of so many bits.
func encodeUnsalted(h crypto.Hash, digest []byte, bits int) ([]byte, error) {
	emBits := bits - 1
	n := (emBits + 7) / 8
	hLen := h.Size()
	if n < hLen+2 {
		return nil, errors.New("the key is too short for the hash")
	}
	w := h.New()
	w.Write(make([]byte, 8))
	w.Write(digest)
	sum := w.Sum(nil)
	em := make([]byte, n)
	db := em[:n-hLen-1]
	db[len(db)-1] = 1
	for i, at := uint32(0), 0; at < len(db); i++ {
		m := h.New()
		m.Write(sum)
		m.Write(binary.BigEndian.AppendUint32(nil, i))
		for _, b := range m.Sum(nil) {
			if at == len(db) {
				break
			}
			db[at] ^= b
			at++
		}
	}
	db[0] &= 0xFF >> (8*n - emBits)
	copy(em[n-hLen-1:], sum)
	em[n-1] = 0xBC
	return em, nil
}

func signUnsalted(k *rsa.PrivateKey, h crypto.Hash, digest []byte) ([]byte, error) {
	em, err := encodeUnsalted(h, digest, k.N.BitLen())
	if err != nil {
		return nil, err
	}
	s := new(big.Int).Exp(new(big.Int).SetBytes(em), k.D, k.N)
	return s.FillBytes(make([]byte, k.Size())), nil
}

func verifyUnsalted(k *rsa.PublicKey, h crypto.Hash, digest, signature []byte) bool {
	if len(signature) != k.Size() {
		return false
	}
	em, err := encodeUnsalted(h, digest, k.N.BitLen())
	if err != nil {
		return false
	}
	s := new(big.Int).SetBytes(signature)
	if s.Cmp(k.N) >= 0 {
		return false
	}
	m := new(big.Int).Exp(s, big.NewInt(int64(k.E)), k.N)
	if m.BitLen() > 8*len(em) {
		return false
	}
	return subtle.ConstantTimeCompare(m.FillBytes(make([]byte, len(em))), em) == 1
}
