package webcrypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/big"
)

func aesOp(r *request) ([]byte, error) {
	key, iv, data, aad := r.input(0), r.input(1), r.input(2), r.input(3)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, operationError("AES: %v", err)
	}
	switch r.Mode {
	case "AES-GCM":
		return gcm(block, r.Encrypt, iv, data, aad, r.TagLength/8)
	case "AES-CBC":
		return cbc(block, r.Encrypt, iv, data)
	case "AES-CTR":
		return ctr(block, iv, data, r.Length)
	case "AES-KW":
		if r.Encrypt {
			return keyWrap(block, data)
		}
		return keyUnwrap(block, data)
	}
	return nil, notSupported("no mode %q", r.Mode)
}

// gcm takes nonces and tags of any length that the API allows, which crypto/cipher does not: tags are cut here, and a shortened
// one is checked by making it again.
func gcm(block cipher.Block, encrypt bool, iv, data, aad []byte, tag int) ([]byte, error) {
	if len(iv) == 0 {
		return nil, operationError("AES-GCM: iv is empty")
	}
	if tag < 4 || tag > 16 {
		return nil, operationError("AES-GCM: bad tagLength")
	}
	aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		return nil, operationError("AES-GCM: %v", err)
	}
	if encrypt {
		out := aead.Seal(nil, iv, data, aad)
		return out[:len(out)-16+tag], nil
	}
	if len(data) < tag {
		return nil, operationError("AES-GCM: the data is shorter than its tag")
	}
	if tag == 16 {
		out, err := aead.Open(nil, iv, data, aad)
		if err != nil {
			return nil, operationError("AES-GCM: the data does not belong to its tag")
		}
		return out, nil
	}
	sealed, want := data[:len(data)-tag], data[len(data)-tag:]
	plain := aead.Seal(nil, iv, sealed, nil)[:len(sealed)]
	again := aead.Seal(nil, iv, plain, aad)
	if subtle.ConstantTimeCompare(again[len(plain):len(plain)+tag], want) != 1 {
		return nil, operationError("AES-GCM: the data does not belong to its tag")
	}
	return plain, nil
}

func cbc(block cipher.Block, encrypt bool, iv, data []byte) ([]byte, error) {
	if len(iv) != aes.BlockSize {
		return nil, operationError("AES-CBC: iv must have 16 bytes")
	}
	if encrypt {
		pad := aes.BlockSize - len(data)%aes.BlockSize
		out := append(bytes.Clone(data), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
		return out, nil
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, operationError("AES-CBC: the data is not whole blocks")
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, operationError("AES-CBC: bad padding")
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, operationError("AES-CBC: bad padding")
		}
	}
	return out[:len(out)-pad], nil
}

// ctr counts in the last bits of the counter block only, as length says, and wraps there.
func ctr(block cipher.Block, counter, data []byte, bits int) ([]byte, error) {
	if len(counter) != aes.BlockSize || bits < 1 || bits > 128 {
		return nil, operationError("AES-CTR: bad counter")
	}
	blocks := (len(data) + aes.BlockSize - 1) / aes.BlockSize
	if bits < 63 && uint64(blocks) > 1<<bits {
		return nil, operationError("AES-CTR: the counter is too short for the data")
	}
	size := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	whole := new(big.Int).SetBytes(counter)
	at := new(big.Int).Mod(whole, size)
	left := new(big.Int).Sub(size, at) // blocks until it wraps
	out := make([]byte, len(data))
	if left.Cmp(big.NewInt(int64(blocks))) >= 0 {
		cipher.NewCTR(block, counter).XORKeyStream(out, data)
		return out, nil
	}
	n := int(left.Int64()) * aes.BlockSize
	cipher.NewCTR(block, counter).XORKeyStream(out[:n], data[:n])
	wrapped := make([]byte, aes.BlockSize)
	new(big.Int).Sub(whole, at).FillBytes(wrapped)
	cipher.NewCTR(block, wrapped).XORKeyStream(out[n:], data[n:])
	return out, nil
}

// wrapIV is the initial value of RFC 3394.
var wrapIV = []byte{0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6, 0xA6}

func keyWrap(block cipher.Block, data []byte) ([]byte, error) {
	if len(data)%8 != 0 || len(data) < 16 {
		return nil, operationError("AES-KW: the data must be 16 bytes or more, and whole groups of 8")
	}
	n := len(data) / 8
	out := append(bytes.Clone(wrapIV), data...)
	var b [16]byte
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[:8], out[:8])
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:8])^uint64(n*j+i))
			copy(out[8*i:], b[8:])
		}
	}
	return out, nil
}

func keyUnwrap(block cipher.Block, data []byte) ([]byte, error) {
	if len(data)%8 != 0 || len(data) < 24 {
		return nil, operationError("AES-KW: the data is too short, or not whole groups of 8 bytes")
	}
	n := len(data)/8 - 1
	out := bytes.Clone(data)
	var b [16]byte
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(out)^uint64(n*j+i))
			copy(b[8:], out[8*i:8*i+8])
			block.Decrypt(b[:], b[:])
			copy(out[:8], b[:8])
			copy(out[8*i:], b[8:])
		}
	}
	if subtle.ConstantTimeCompare(out[:8], wrapIV) != 1 {
		return nil, operationError("AES-KW: the data is not wrapped with this key")
	}
	return out[8:], nil
}
