package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newCertShowCommand(t *terminal) *cobra.Command {
	least := days(0)
	cmd := &cobra.Command{
		Use:   "show FILE...",
		Short: "Show whom certificates are of, and how long they are valid",
		Long: `Show whom the certificates in PEM files are of, what they may be used for, and how
long they are valid. Exit status: 0 if all are valid, and stay so for --min-days, 1 if
one is not, 2 if a file cannot be read.`,
		Example: `  tupelo cert show certs/n1.crt certs/ca.crt
  tupelo cert show certs/n1.crt --min-days 30 -q || echo "time to renew"`,
		Args: arguments(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			good := true
			for _, path := range args {
				ok, err := showCertificates(t, path, time.Now(), least)
				if err != nil {
					return err
				}
				good = good && ok
			}
			if !good {
				return errNo
			}
			return nil
		},
	}
	cmd.Flags().Var(&least, "min-days", "how long each must be valid still")
	return cmd
}

// shownCertificate is what --json prints of each certificate.
type shownCertificate struct {
	File       string    `json:"file"`
	Name       string    `json:"name"`
	Authority  bool      `json:"authority"`
	Hosts      []string  `json:"hosts"`
	Uses       []string  `json:"uses"`
	SignedBy   string    `json:"signed_by"`
	ValidFrom  time.Time `json:"valid_from"`
	ValidUntil time.Time `json:"valid_until"`
	DaysLeft   int       `json:"days_left"`
	SHA256     string    `json:"sha256"`
}

// showCertificates prints those of one file, and reports whether all will do.
func showCertificates(t *terminal, path string, now time.Time, least days) (good bool, err error) {
	text, name, err := t.readFile(path)
	if err != nil {
		return false, err
	}
	all, err := certificates(text)
	if err != nil {
		return false, situated{name, err}
	}
	if len(all) == 0 {
		return false, fmt.Errorf("%s holds no certificate in PEM", name)
	}
	good = true
	for _, c := range all {
		good = good && !now.Before(c.NotBefore) && !now.Add(least.duration()).After(c.NotAfter)
		s := describeCertificate(name, c, now)
		switch {
		case t.json:
			if err := t.object(s); err != nil {
				return false, err
			}
		case t.quiet:
			t.printf("%d\n", s.DaysLeft)
		default:
			t.printf("%s", s.text(now))
		}
	}
	return good, nil
}

func describeCertificate(file string, c *x509.Certificate, now time.Time) shownCertificate {
	sum := sha256.Sum256(c.Raw)
	s := shownCertificate{
		File: file, Name: certificateName(c.Subject.CommonName, c.Subject.String()),
		SignedBy:  certificateName(c.Issuer.CommonName, c.Issuer.String()),
		Authority: c.IsCA, Hosts: slices.Clone(c.DNSNames), Uses: []string{},
		ValidFrom: c.NotBefore.UTC(), ValidUntil: c.NotAfter.UTC(),
		DaysLeft: int(c.NotAfter.Sub(now) / day), SHA256: hex.EncodeToString(sum[:]),
	}
	for _, ip := range c.IPAddresses {
		s.Hosts = append(s.Hosts, ip.String())
	}
	if c.IsCA {
		s.Uses = append(s.Uses, "sign")
	}
	for _, usage := range c.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageServerAuth:
			s.Uses = append(s.Uses, "server")
		case x509.ExtKeyUsageClientAuth:
			s.Uses = append(s.Uses, "client")
		case x509.ExtKeyUsageAny:
			s.Uses = append(s.Uses, "server", "client")
		}
	}
	return s
}

// certificateName prefers what people call it.
func certificateName(common, distinguished string) string {
	if common != "" {
		return common
	}
	return distinguished
}

// text renders a certificate for people.
func (s shownCertificate) text(now time.Time) string {
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "  %-10s%s\n", name, value) }
	fmt.Fprintf(&b, "%s: %s\n", s.File, s.Name)
	if s.Authority {
		row("is", "an authority")
	} else {
		row("hosts", orNone(s.Hosts))
		row("uses", orNone(s.Uses)+s.lacking())
	}
	row("signed by", s.SignedBy)
	row("valid", dateText(s.ValidFrom)+" to "+dateText(s.ValidUntil)+", "+s.left(now))
	row("SHA-256", s.SHA256)
	return b.String()
}

// lacking says why nodes would refuse it: each dials and is dialled.
func (s shownCertificate) lacking() string {
	if slices.Contains(s.Uses, "server") && slices.Contains(s.Uses, "client") {
		return ""
	}
	return " (a node's needs server and client)"
}

func (s shownCertificate) left(now time.Time) string {
	switch {
	case now.After(s.ValidUntil):
		return fmt.Sprintf("EXPIRED %s ago", plural(-s.DaysLeft, "day"))
	case now.Before(s.ValidFrom):
		return "NOT YET VALID"
	}
	return plural(s.DaysLeft, "day") + " left"
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
