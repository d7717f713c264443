package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/cert"
)

// The files of an authority, in the folder that it is given.
const (
	authorityCertFile = "ca.crt"
	authorityKeyFile  = "ca.key"
)

func newCertCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Make and show the certificates by which nodes know each other",
		Long: `Make and show the certificates by which the nodes of a cluster know each other, on
the port that they share (--raft-addr of serve). They have nothing to do with those
of the API's clients.

Any certificate of the authority makes its holder a member, so the authority must
sign nothing else, and its key belongs on no node.`,
		Example: `  tupelo cert ca certs
  tupelo cert node certs --name n1 --host n1.example --host 10.0.0.1
  tupelo cert show certs/n1.crt`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("cert: say what to do: ca, node or show")
		},
	}
	cmd.AddCommand(newCertAuthorityCommand(t), newCertNodeCommand(t), newCertShowCommand(t))
	return cmd
}

// madeCertificate is what --json prints of a certificate that was made.
type madeCertificate struct {
	Name        string    `json:"name"`
	Certificate string    `json:"certificate"`
	Key         string    `json:"key"`
	ValidUntil  time.Time `json:"valid_until"`
}

// print tells what was made, and with words around it what to do next.
func (m madeCertificate) print(t *terminal, format string, args ...any) error {
	switch {
	case t.json:
		return t.object(m)
	case t.quiet:
		t.printf("%s\n", m.Certificate)
	default:
		t.printf(format, args...)
	}
	return nil
}

func newCertAuthorityCommand(t *terminal) *cobra.Command {
	name, valid := "tupelo", days(3650)
	cmd := &cobra.Command{
		Use:   "ca DIR",
		Short: "Make the authority of a cluster",
		Long: `Make the authority of a cluster: ca.crt and ca.key in DIR, which is made if absent.
Files that are there are never overwritten.`,
		Example: "  tupelo cert ca certs",
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			return makeAuthority(t, args[0], name, valid)
		},
	}
	cmd.Flags().StringVar(&name, "name", name, "what people shall read in it")
	cmd.Flags().Var(&valid, "days", "how long it is valid")
	return cmd
}

func makeAuthority(t *terminal, dir, name string, valid days) error {
	lifetime, err := valid.lifetime()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the authority: %w", err)
	}
	now := time.Now()
	a, err := cert.NewAuthority(name, now, lifetime)
	if err != nil {
		return err
	}
	made := madeCertificate{
		Name: name, Certificate: filepath.Join(dir, authorityCertFile), Key: filepath.Join(dir, authorityKeyFile),
		ValidUntil: now.Add(lifetime).UTC().Truncate(time.Second),
	}
	if err := a.Save(made.Certificate, made.Key); err != nil {
		return err
	}
	return made.print(t, `made the authority %s, valid until %s

  %s   for every node: whose certificates to trust
  %s   for no node: keep it where certificates are made

Next, a certificate for each node, with all names and addresses that others dial it by:

  tupelo cert node %s --name n1 --host n1.example --host 10.0.0.1
`, name, dateText(made.ValidUntil), made.Certificate, made.Key, dir)
}

// nodeCertOptions say which certificate of a node to make.
type nodeCertOptions struct {
	name  string
	hosts []string
	valid days
	renew bool
}

func newCertNodeCommand(t *terminal) *cobra.Command {
	o := nodeCertOptions{valid: 365}
	cmd := &cobra.Command{
		Use:   "node DIR --name NAME --host HOST",
		Short: "Make the certificate of a node",
		Long: `Make the certificate of a node, NAME.crt and NAME.key in DIR, where the authority
that cert ca made is. It is never valid for longer than the authority.

Files that are there are left as they are, unless --renew says to replace them. A
node that runs uses new ones from its next connection on.`,
		Example: `  tupelo cert node certs --name n1 --host n1.example --host 10.0.0.1
  tupelo cert node certs --name n1 --host n1.example --host 10.0.0.1 --renew`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return makeNodeCert(t, args[0], o) },
	}
	cmd.Flags().StringVar(&o.name, "name", "", "name of the node, and of the files")
	cmd.Flags().StringSliceVar(&o.hosts, "host", nil, "name or IP address that other nodes dial it by; repeatable")
	cmd.Flags().Var(&o.valid, "days", "how long it is valid")
	cmd.Flags().BoolVar(&o.renew, "renew", false, "replace the node's files")
	return cmd
}

// nodeName is what becomes the name of a file on any system.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (o *nodeCertOptions) validate() error {
	switch {
	case o.name == "":
		return usagef("cert node: give the node's name with --name")
	case !nodeName.MatchString(o.name) || o.name == "ca":
		return usagef("cert node: --name %q cannot be the name of its files: use letters, digits, dots and hyphens, and not \"ca\"", o.name)
	case len(o.hosts) == 0:
		return usagef("cert node: give each name and address that other nodes dial it by with --host")
	}
	return nil
}

func makeNodeCert(t *terminal, dir string, o nodeCertOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	lifetime, err := o.valid.lifetime()
	if err != nil {
		return err
	}
	made := madeCertificate{Name: o.name, Certificate: filepath.Join(dir, o.name+".crt"), Key: filepath.Join(dir, o.name+".key")}
	for _, path := range []string{made.Certificate, made.Key} {
		if _, err := os.Lstat(path); !o.renew && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already, and was left as it is; --renew replaces it", path)
		}
	}
	a, err := cert.OpenAuthority(filepath.Join(dir, authorityCertFile), filepath.Join(dir, authorityKeyFile))
	if err != nil {
		return fmt.Errorf("%w; `tupelo cert ca %s` makes one", err, dir)
	}
	pair, err := a.Issue(o.name, o.hosts, time.Now(), lifetime)
	if err != nil {
		return err
	}
	issued, err := certificates(pair.Certificate)
	if err != nil {
		return err
	}
	made.ValidUntil = issued[0].NotAfter
	if err := pair.Save(made.Certificate, made.Key); err != nil {
		return err
	}
	return made.print(t, `made a certificate of %s, valid until %s

  %s
  %s

Next, bring both to the node, with %s, and start it with

  tupelo serve --node-id %s --peer-cert %s.crt --peer-key %s.key --peer-ca %s …

A node that runs uses them from its next connection on.
`, o.name, dateText(made.ValidUntil), made.Certificate, made.Key, filepath.Join(dir, authorityCertFile),
		o.name, o.name, o.name, authorityCertFile)
}

// certificates returns those in a PEM text; it may hold other things.
func certificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
}

func dateText(at time.Time) string { return at.UTC().Format(time.DateOnly) }
