package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// The defaults of lifetimes, and how far certificates are dated back, for nodes
// whose clocks are behind.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	nodeLifetime      = 365 * 24 * time.Hour
	datedBack         = 5 * time.Minute
)

// Authority signs the certificates of one cluster's nodes.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pair        Pair
}

// Pair is a certificate and its private key, in PEM.
type Pair struct {
	Certificate []byte
	Key         []byte
}

// NewAuthority makes an authority, valid for ten years unless lifetime says
// otherwise. The name is for people to read.
func NewAuthority(name string, now time.Time, lifetime time.Duration) (*Authority, error) {
	if strings.TrimSpace(name) == "" {
		return nil, fmt.Errorf("%w: the authority needs a name", ErrRequest)
	}
	template, err := newTemplate(name, now, lifetime, authorityLifetime)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.MaxPathLenZero = true // it signs nodes, and no further authorities
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return (&Authority{certificate: template, key: key}).signed(template, key)
}

// OpenAuthority reads an authority that Save wrote.
func OpenAuthority(certFile, keyFile string) (*Authority, error) {
	loaded, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAuthority, err)
	}
	key, ok := loaded.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !loaded.Leaf.IsCA {
		return nil, fmt.Errorf("%w: %s must be a certificate that may sign others, with an ECDSA key", ErrNotAuthority, certFile)
	}
	return &Authority{certificate: loaded.Leaf, key: key}, nil
}

// signed returns an authority with the certificate that it signs for itself.
func (a *Authority) signed(template *x509.Certificate, key *ecdsa.PrivateKey) (*Authority, error) {
	pair, err := a.sign(template, key)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(pair.Certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate just made: %w", err)
	}
	return &Authority{certificate: certificate, key: key, pair: pair}, nil
}

// Issue makes a node's certificate for the hosts, names or IP addresses, that
// the other nodes dial it by. It is valid for a year unless lifetime says
// otherwise, and never for longer than the authority is.
func (a *Authority) Issue(name string, hosts []string, now time.Time, lifetime time.Duration) (Pair, error) {
	if strings.TrimSpace(name) == "" || len(hosts) == 0 {
		return Pair{}, fmt.Errorf("%w: a node needs a name, and at least one host that it is dialled by", ErrRequest)
	}
	template, err := newTemplate(name, now, lifetime, nodeLifetime)
	if err != nil {
		return Pair{}, err
	}
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	if !now.Before(template.NotAfter) {
		return Pair{}, fmt.Errorf("%w: the authority is valid until %s only", ErrRequest, a.certificate.NotAfter.Format(time.RFC3339))
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	// A node dials and is dialled.
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if isHostName(host) {
			template.DNSNames = append(template.DNSNames, host)
		} else {
			return Pair{}, fmt.Errorf("%w: %q is no host name and no IP address", ErrRequest, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making a key: %w", err)
	}
	return a.sign(template, key)
}

// sign returns a certificate for key, signed by the authority.
func (a *Authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) (Pair, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

func newTemplate(name string, now time.Time, lifetime, fallback time.Duration) (*x509.Certificate, error) {
	if lifetime == 0 {
		lifetime = fallback
	}
	if lifetime < 0 {
		return nil, fmt.Errorf("%w: a lifetime of %s", ErrRequest, lifetime)
	}
	// 128 random bits: no two certificates of an authority meet.
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Tupelo"}},
		NotBefore:    now.Add(-datedBack),
		NotAfter:     now.Add(lifetime),
	}, nil
}

// isHostName reports whether a DNS name could be looked up: labels of letters,
// digits and hyphens.
func isHostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label {
			return false
		}
		for _, r := range label {
			if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				return false
			}
		}
	}
	return true
}
