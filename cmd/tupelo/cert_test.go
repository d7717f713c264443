package main

import (
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/cert"
)

// made is what `cert ca` and `cert node` print as JSON, of which tests need parts.
func made(t *testing.T, args ...string) (m madeCertificate) {
	t.Helper()
	if err := json.Unmarshal([]byte(mustTupelo(t, append([]string{"cert", "--json"}, args...)...)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCertificatesThatAreMadeCanBeUsedBetweenNodes(t *testing.T) {
	t.Chdir(t.TempDir())
	authority := made(t, "ca", "certs")
	node := made(t, "node", "certs", "--name", "n1", "--host", "n1.example", "--host", "10.0.0.1,::1", "--days", "30")
	source, err := cert.Open(cert.Files{Certificate: node.Certificate, Key: node.Key, Authorities: authority.Certificate},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pair, _ := source.Newest()
	for _, host := range []string{"n1.example", "10.0.0.1", "::1"} {
		if err := pair.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if want := time.Now().Add(30 * day); node.ValidUntil.After(want) || node.ValidUntil.Before(want.Add(-time.Minute)) {
		t.Errorf("valid until %s", node.ValidUntil)
	}
	for _, key := range []string{node.Key, authority.Key} {
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", key, info, err)
		}
	}
}

func TestMakingACertificateSaysWhatToDoNext(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, step := range []struct {
		args []string
		want []string
	}{
		{[]string{"cert", "ca", "certs"}, []string{"certs/ca.crt   for every node", "certs/ca.key   for no node", "tupelo cert node certs"}},
		{[]string{"cert", "node", "certs", "--name", "n1", "--host", "10.0.0.1"}, []string{"certs/n1.crt", "--node-id n1 --peer-cert n1.crt --peer-key n1.key --peer-ca ca.crt"}},
	} {
		printed := mustTupelo(t, step.args...)
		for _, want := range step.want {
			if !strings.Contains(printed, want) {
				t.Errorf("%q does not print %q:\n%s", step.args, want, printed)
			}
		}
	}
	if got := mustTupelo(t, "cert", "node", "certs", "--name", "n2", "--host", "10.0.0.2", "-q"); got != "certs/n2.crt\n" {
		t.Errorf("quiet: %q", got)
	}
}

func TestNothingIsOverwrittenUnlessANodeIsRenewed(t *testing.T) {
	t.Chdir(t.TempDir())
	authority := made(t, "ca", "certs")
	node := made(t, "node", "certs", "--name", "n1", "--host", "localhost")
	before := readText(t, node.Certificate) + readText(t, node.Key) + readText(t, authority.Certificate) + readText(t, authority.Key)
	for _, args := range [][]string{
		{"ca", "certs"},
		{"node", "certs", "--name", "n1", "--host", "localhost"},
	} {
		if o := tupelo(t, append([]string{"cert"}, args...)...); o.code != exitError {
			t.Errorf("%q: exit status %d: %s", args, o.code, o.diag)
		}
	}
	if after := readText(t, node.Certificate) + readText(t, node.Key) + readText(t, authority.Certificate) + readText(t, authority.Key); after != before {
		t.Error("a file was overwritten")
	}
	// The key alone is enough to be in the way.
	if err := os.Remove(node.Certificate); err != nil {
		t.Fatal(err)
	}
	if o := tupelo(t, "cert", "node", "certs", "--name", "n1", "--host", "localhost"); o.code != exitError || !strings.Contains(o.diag, "n1.key is there already") {
		t.Errorf("exit status %d: %s", o.code, o.diag)
	}
	renewed := made(t, "node", "certs", "--name", "n1", "--host", "localhost", "--renew")
	if _, err := tls.LoadX509KeyPair(renewed.Certificate, renewed.Key); err != nil || strings.Contains(before, readText(t, renewed.Certificate)) {
		t.Errorf("not renewed: %v", err)
	}
}

func TestCertificatesThatCannotBeMadeAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	made(t, "ca", "certs", "--days", "10")
	for _, c := range []struct{ args, want string }{
		{"ca", "something is missing"},
		{"ca other --days 0", "--days must be above zero"},
		{"ca other --days 36501", "not a number of days"},
		{"ca other --days -1", "not a number of days"},
		{"node certs --host localhost", "--name"},
		{"node certs --name n1", "--host"},
		{"node certs --name ca --host localhost", "cannot be the name of its files"},
		{"node certs --name ../n1 --host localhost", "cannot be the name of its files"},
		{"node certs --name n1 --host localhost:7000", "no host name and no IP address"},
		{"node certs --name n1 --host localhost --days 0", "--days must be above zero"},
		{"node elsewhere --name n1 --host localhost", "tupelo cert ca elsewhere"},
		{"show none.crt", "no such file"},
		{"show certs/ca.key", "holds no certificate"},
		{"", "ca, node or show"},
	} {
		o := tupelo(t, append([]string{"cert"}, strings.Fields(c.args)...)...)
		if o.code != exitError || !strings.Contains(o.diag, c.want) {
			t.Errorf("cert %s: exit status %d: %s", c.args, o.code, o.diag)
		}
	}
	if node := made(t, "node", "certs", "--name", "n1", "--host", "localhost"); node.ValidUntil.After(time.Now().Add(10 * day)) {
		t.Errorf("valid until %s, longer than the authority", node.ValidUntil)
	}
	left, err := filepath.Glob("*")
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

func TestShowTellsOfEachCertificateAndWhetherAllStayValid(t *testing.T) {
	t.Chdir(t.TempDir())
	made(t, "ca", "certs", "--name", "the test's")
	made(t, "node", "certs", "--name", "n1", "--host", "n1.example", "--host", "10.0.0.1", "--days", "30")
	date := regexp.MustCompile(`\d{4}-\d\d-\d\d|[0-9a-f]{64}`)
	got := date.ReplaceAllString(mustTupelo(t, "cert", "show", "certs/n1.crt", "certs/ca.crt"), "…")
	const want = `certs/n1.crt: n1
  hosts     n1.example, 10.0.0.1
  uses      server, client
  signed by the test's
  valid     … to …, 29 days left
  SHA-256   …
certs/ca.crt: the test's
  is        an authority
  signed by the test's
  valid     … to …, 3649 days left
  SHA-256   …
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for least, code := range map[string]int{"0": exitOK, "29": exitOK, "31": exitNo, "3651": exitNo} {
		if o := tupelo(t, "cert", "show", "certs/ca.crt", "certs/n1.crt", "--min-days", least, "-q"); o.code != code || o.out != "3649\n29\n" {
			t.Errorf("--min-days %s: exit status %d: %s%s", least, o.code, o.out, o.diag)
		}
	}
	// While an authority is replaced, one file holds both.
	made(t, "ca", "next")
	both := readText(t, "certs/ca.crt") + readText(t, "next/ca.crt")
	o := tupeloWith(t, both, "cert", "show", "-", "--json")
	if o.code != exitOK || strings.Count(o.out, `"authority":true`) != 2 || strings.Count(o.out, "\n") != 2 {
		t.Errorf("exit status %d: %s%s", o.code, o.out, o.diag)
	}
}

func TestACertificateThatHasExpiredOrLacksAUseIsShownAsSuch(t *testing.T) {
	now := time.Now()
	s := shownCertificate{ValidFrom: now.Add(-9 * day), ValidUntil: now.Add(-3*day - time.Hour), DaysLeft: -3, Uses: []string{"server"}}
	text := s.text(now)
	for _, want := range []string{"EXPIRED 3 days ago", "hosts     none", "server (a node's needs server and client)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	t.Chdir(t.TempDir())
	a, err := cert.NewAuthority("old", now.Add(-9*day), 6*day)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Save("ca.crt", "ca.key"); err != nil {
		t.Fatal(err)
	}
	if o := tupelo(t, "cert", "show", "ca.crt"); o.code != exitNo || !strings.Contains(o.out, "EXPIRED 3 days ago") {
		t.Errorf("exit status %d: %s", o.code, o.out)
	}
	if o := tupelo(t, "cert", "node", ".", "--name", "n1", "--host", "localhost"); o.code != exitError || !strings.Contains(o.diag, "valid until") {
		t.Errorf("exit status %d: %s", o.code, o.diag)
	}
}
