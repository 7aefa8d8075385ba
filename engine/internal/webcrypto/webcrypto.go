package webcrypto
