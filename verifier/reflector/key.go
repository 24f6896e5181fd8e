package reflector

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"sync"

	"sallyport/internal/readfile"
)

// keySize is the minimum number of secret bytes.
const keySize = 32

// Key is the secret that reflector and clients share. It never prints itself.
type Key struct {
	secret []byte
	macs   sync.Pool // of *macer
}

// macer computes MACs. It begins from a state that has read the key, and is not for
// concurrent use.
type macer struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

// String hides the secret.
func (*Key) String() string { return "(a key)" }

// GoString hides the secret from %#v.
func (*Key) GoString() string { return "(a key)" }

func (k *Key) mac(b []byte) [macSize]byte {
	m, ok := k.macs.Get().(*macer)
	if !ok {
		m = &macer{hash: hmac.New(sha256.New, k.secret)}
	}
	defer k.macs.Put(m)
	m.hash.Reset()
	m.hash.Write(b)
	return [macSize]byte(m.hash.Sum(m.sum[:0]))
}

func (k *Key) signed(b, mac []byte) bool {
	own := k.mac(b)
	return hmac.Equal(own[:], mac)
}

// ParseKey reads a key as NewKeyFile writes it: base64 of at least 32 random bytes. It
// refuses keys that are clearly not random, such as a password or one byte repeated.
func ParseKey(text string) (*Key, error) {
	const fix = "make one with sallyport reflect --new-key FILE"
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	switch {
	case err != nil:
		return nil, errors.New("the key is not in base64: " + fix) // the error would quote a part of the key
	case len(secret) < keySize:
		return nil, fmt.Errorf("the key has %d bytes, and needs %d at least: %s", len(secret), keySize, fix)
	}
	// 32 random bytes have about 30 different values; fewer than 16 come up less
	// than once in 10^12 keys.
	var have [256]bool
	different := 0
	for _, b := range secret {
		if !have[b] {
			have[b] = true
			different++
		}
	}
	if different < keySize/2 {
		return nil, errors.New("the key is not random: " + fix)
	}
	return &Key{secret: secret}, nil
}

// ReadKeyFile reads a key. On unix the file must not be open to others than its
// owner.
func ReadKeyFile(name string) (*Key, error) {
	f, err := readfile.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w: name a file that you can read", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w: name a file that you can read", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file: keep the key in one", name)
	}
	if err := private(name, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w: name a file that you can read", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// NewKeyFile writes a new key, readable by its owner only. A file that exists stays
// as it is, and is an error.
func NewKeyFile(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists, and is not written over: name another file", name)
	}
	if err != nil {
		return fmt.Errorf("writing the key: %w: name a file in a folder that you can write to", err)
	}
	secret := make([]byte, keySize)
	rand.Read(secret) // never fails, since Go 1.24
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(name))
		return fmt.Errorf("writing the key: %w: make room, or write somewhere else", err)
	}
	return nil
}
