package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"unsafe"
)

// Zookies and cursors are tokens: opaque to clients, safe in URLs. Their bytes,
// before base64 (RFC 4648 section 5, without padding):
//
//	┌──────┬───────────────┬──────────────────────┬─────────┐
//	│ form │ fingerprint   │ body                 │ CRC-32C │
//	│ 1    │ 8             │ 1 …                  │ 4, BE   │
//	└──────┴───────────────┴──────────────────────┴─────────┘
//
//	zookie's body:  revision (uvarint)
//	cursor's body:  revision (uvarint), request (8), the store's cursor (…)
//
// The form says which of the two it is, and its version. The fingerprint is the
// cluster's: a zookie of another cluster names another history, where the same
// revision may hold other tuples. Both are integrity checks against accidents,
// not against forgery: whoever may ask may ask for any revision.
const (
	zookieForm byte = 0x01
	cursorForm byte = 0x41

	fingerprintBytes = 8
	checksumBytes    = 4
	minTokenBytes    = 1 + fingerprintBytes + 1 + checksumBytes
	// maxTokenText bounds what is decoded at all: a cursor may hold two ids.
	maxTokenText = 8192
)

var (
	tokenText = base64.RawURLEncoding.Strict()
	checksums = crc32.MakeTable(crc32.Castagnoli)
)

// fingerprint stands for a cluster in its tokens.
type fingerprint [fingerprintBytes]byte

func fingerprintOf(clusterID [16]byte) fingerprint {
	sum := sha256.Sum256(clusterID[:])
	return fingerprint(sum[:fingerprintBytes])
}

// zookie returns the token of a revision.
func (f fingerprint) zookie(revision uint64) string {
	body := f.begin(make([]byte, 0, minTokenBytes+binary.MaxVarintLen64), zookieForm)
	return sealToken(binary.AppendUvarint(body, revision))
}

// parseZookie returns a zookie's revision. Errors wrap ErrDamagedZookie or ErrForeignZookie.
func (f fingerprint) parseZookie(text string) (uint64, error) {
	body, ofCluster, err := openToken(zookieForm, text)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamagedZookie, err)
	}
	revision, rest, err := cutRevision(body)
	if err == nil && len(rest) != 0 {
		err = errTokenBody
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamagedZookie, err)
	}
	if ofCluster != f {
		return 0, ErrForeignZookie
	}
	return revision, nil
}

func (f fingerprint) begin(dst []byte, form byte) []byte {
	return append(append(dst, form), f[:]...)
}

// sealToken appends the checksum and returns the text.
func sealToken(body []byte) string {
	body = binary.BigEndian.AppendUint32(body, crc32.Checksum(body, checksums))
	var text [128]byte
	return string(tokenText.AppendEncode(text[:0], body))
}

// openToken checks a token's text, form and checksum.
func openToken(form byte, text string) (body []byte, f fingerprint, err error) {
	if len(text) > maxTokenText {
		return nil, f, fmt.Errorf("it has %d bytes, %d are possible", len(text), maxTokenText)
	}
	// The decoder passes over line ends; a token has one spelling.
	if strings.ContainsAny(text, "\r\n") {
		return nil, f, errTokenText
	}
	data, err := tokenText.AppendDecode(nil, readOnlyBytes(text))
	if err != nil {
		return nil, f, errTokenText
	}
	if len(data) < minTokenBytes {
		return nil, f, errTokenShort
	}
	end := len(data) - checksumBytes
	if crc32.Checksum(data[:end], checksums) != binary.BigEndian.Uint32(data[end:]) {
		return nil, f, errTokenChecksum
	}
	if data[0] != form {
		return nil, f, fmt.Errorf("it is of form %#02x, not %#02x", data[0], form)
	}
	return data[1+fingerprintBytes : end], fingerprint(data[1 : 1+fingerprintBytes]), nil
}

// cutRevision takes a revision off the front of a token's body. A revision has
// one spelling, and is never 0.
func cutRevision(body []byte) (revision uint64, rest []byte, err error) {
	revision, n := binary.Uvarint(body)
	if n <= 0 || revision == 0 || (n > 1 && body[n-1] == 0) {
		return 0, nil, errTokenBody
	}
	return revision, body[n:], nil
}

// readOnlyBytes returns the bytes of s without copying them. Nobody may write
// to them; the decoder, the evaluator and the store only read what they are given.
func readOnlyBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
