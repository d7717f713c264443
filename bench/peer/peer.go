package peer

import (
	"bufio"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options names the programs that peers are made of. A peer whose program is not
// named cannot be started.
type Options struct {
	Tupelo   string // the program under test, which is also the server that does nothing
	Version  string // of Tupelo
	SpiceDB  string
	OpenFGA  string
	Keto     string
	Permify  string
	Postgres string // the folder of PostgreSQL's server programs, such as /usr/lib/postgresql/15/bin
	// Dir is where each peer gets a folder for its data and logs until it is
	// stopped; the system's folder for such things if empty.
	Dir string
	// Namespaces are the schema in Keto's language: it reads it when it starts, and
	// takes none by its protocol. Empty for all others.
	Namespaces Namespaces

	patience patience // as usual, unless a test says otherwise
}

// Namespaces are a schema for Keto.
type Namespaces struct {
	Text string
	By   string // the command that prints it
}

// Peer is a server that answers.
type Peer struct {
	ID       string // such as spicedb-postgres; it begins with the product's name
	Name     string // for people
	Protocol string // which calls it takes
	Version  string // of the program, and of its database
	Why      string // the settings that are not the peer's own, and why
	Commands []string
	Addr     string // host:port
	// WriteAddr is where Keto takes writes, and nobody else.
	WriteAddr string
	Token     string // to be sent with each call, if any

	processes []*process // in the order in which they were started
	dir       string
}

// The protocols of peers.
const (
	Native  = "native"
	Authzed = "authzed"
	OpenFGA = "openfga"
	Keto    = "keto"
	Permify = "permify"
	Echo    = "echo"
)

// Start starts a peer and waits until it answers. The caller stops it.
func Start(ctx context.Context, id string, o Options) (*Peer, error) {
	i := slices.IndexFunc(products, func(p product) bool { return p.id == id })
	if i < 0 {
		return nil, fmt.Errorf("peer %s: %w: there are %s", id, ErrUnknown, strings.Join(IDs(), ", "))
	}
	if missing := products[i].missing(o); missing != "" {
		return nil, fmt.Errorf("peer %s: %w: %s", id, ErrNoBinary, missing)
	}
	if o.patience == (patience{}) {
		o.patience = usual
	}
	dir, err := os.MkdirTemp(o.Dir, "tupelo-bench-"+id+"-")
	if err != nil {
		return nil, err
	}
	p := &Peer{ID: id, Name: products[i].name, Protocol: products[i].protocol, Why: products[i].why, dir: dir}
	// A database that runs as somebody else must get at its folder within.
	if err = os.Chmod(dir, 0o711); err == nil {
		err = products[i].start(ctx, p, o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("peer %s: %w", id, err), p.Stop())
	}
	return p, nil
}

// IDs returns the ids of all peers, the most interesting first.
func IDs() []string {
	ids := make([]string, len(products))
	for i, p := range products {
		ids[i] = p.id
	}
	return ids
}

// NameOf returns what people call a peer.
func NameOf(id string) string {
	for _, p := range products {
		if p.id == id {
			return p.name
		}
	}
	return id
}

// ProtocolOf returns which calls a peer takes.
func ProtocolOf(id string) string {
	for _, p := range products {
		if p.id == id {
			return p.protocol
		}
	}
	return ""
}

// Startable returns the ids of the peers whose programs are named.
func (o Options) Startable() []string {
	var ids []string
	for _, p := range products {
		if p.missing(o) == "" {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// add starts one more process of the peer.
func (p *Peer) add(s *process) {
	p.processes = append(p.processes, s)
	p.tell(s.program)
}

// tell notes how a program was started, without the places of this machine.
func (p *Peer) tell(what program) {
	what.path = filepath.Base(what.path)
	p.Commands = append(p.Commands, strings.ReplaceAll(what.line(), p.dir, "$DIR"))
}

// PIDs returns the ids of the peer's processes; what they start themselves, such as
// the workers of a database, is below them.
func (p *Peer) PIDs() []int {
	ids := make([]int, len(p.processes))
	for i, s := range p.processes {
		ids[i] = s.command.Process.Pid
	}
	return ids
}

// Pause takes the processors from the peer until Resume, so that it does not
// disturb who is measured meanwhile. Its connections stay.
func (p *Peer) Pause() {
	for _, s := range p.processes {
		pause(s.command.Process)
	}
}

// Resume lets a paused peer go on.
func (p *Peer) Resume() {
	for _, s := range p.processes {
		resume(s.command.Process)
	}
}

// Ended returns an error if a process of the peer has ended by itself.
func (p *Peer) Ended() error {
	for _, s := range p.processes {
		select {
		case <-s.ended:
			return fmt.Errorf("%s: %w: %v%s", s.name, ErrEnded, s.how, s.tail())
		default:
		}
	}
	return nil
}

// Stop ends the peer's processes, the last one started first, and removes its folder.
func (p *Peer) Stop() error {
	var errs []error
	for _, s := range slices.Backward(p.processes) {
		errs = append(errs, s.stop())
	}
	p.processes = nil
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// orStop stops a process that is of no use because of an error.
func orStop(err error, s *process) error { return errors.Join(err, s.stop()) }

// versionOf returns the version of a program: what the Go toolchain noted in it,
// else the first line that it prints if asked.
func versionOf(ctx context.Context, what program) string {
	if info, err := buildinfo.ReadFile(what.path); err == nil && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version + ", " + info.GoVersion
	}
	return what.firstLine(ctx)
}

// firstLine returns the first line that a program prints, or why there is none.
func (p program) firstLine(ctx context.Context) string {
	const limit = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := exec.CommandContext(ctx, p.path, p.args...)
	command.Env = append(environment(), p.env...)
	out, err := command.CombinedOutput()
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	if lines.Scan() && strings.TrimSpace(lines.Text()) != "" {
		return strings.Join(strings.Fields(strings.TrimPrefix(lines.Text(), "Version:")), " ") // Keto says what it says
	}
	return fmt.Sprintf("%s does not say (%v)", filepath.Base(p.path), err)
}
