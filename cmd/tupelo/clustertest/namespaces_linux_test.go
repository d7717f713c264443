package clustertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// childAttributes has a process end with the thread that started it, and not get
// what a terminal sends to the tests.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// startInside starts a command in namespaces of its own: of networks, mounts and
// processes, and of users for whoever may not have those otherwise.
func startInside(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	runtime.LockOSThread() // for good: the child ends with this thread
	return cmd.Start()
}

// mountSmallDisk mounts a disk of a size that nobody outside sees.
func mountSmallDisk(dir string, sizeBytes int) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping mounts to ourselves: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", sizeBytes)); err != nil {
		return fmt.Errorf("mounting a small disk: %w", err)
	}
	return nil
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

// room is a network namespace, with a thread in it.
type room struct {
	thread
	name, address string
	id            int // of its thread
}

// newRoom makes a room with nothing in it but its address. The clients' room is
// that of this process.
func newRoom(name, address string, own bool) (*room, error) {
	r := &room{name: name, address: address}
	var err error
	r.thread, err = newThread(func() error {
		r.id = syscall.Gettid()
		if own {
			return nil
		}
		return syscall.Unshare(syscall.CLONE_NEWNET)
	})
	if err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	err = errors.Join(
		r.ip("address add %s/32 dev lo", address),
		r.ip("link set lo up"),
		// What leads nowhere: frames have no address there, and nobody takes them.
		r.ip("link add sink type veth peer name drain"),
		r.ip("link set sink arp off up"),
		r.ip("link set drain up"),
		r.thread.do(acceptDetours),
	)
	return r, err
}

// acceptDetours has packets count that come by another way than answers would
// take: after a cut in one direction.
func acceptDetours() error {
	for _, name := range []string{"all", "default"} {
		path := "/proc/sys/net/ipv4/conf/" + name + "/rp_filter"
		if now, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(now)) == "0" {
			continue
		}
		if err := os.WriteFile(path, []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}

// ip runs the command ip in a room.
func (r *room) ip(format string, args ...any) error {
	words := strings.Fields(fmt.Sprintf(format, args...))
	return r.do(func() error {
		if output, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(words, " "), err, output)
		}
		return nil
	})
}

// link names the device that leads to a room.
func (r *room) link() string { return "to-" + r.name }

// connect makes a link between two rooms.
func connect(a, b *room) error {
	return errors.Join(
		a.ip("link add %s type veth peer name %s netns %d", b.link(), a.link(), b.id),
		a.ip("link set %s up", b.link()), b.ip("link set %s up", a.link()),
		a.route(b), b.route(a),
	)
}

// route has packets from one room to another take their link.
func (r *room) route(to *room) error {
	return r.ip("route replace %s/32 dev %s src %s", to.address, to.link(), r.address)
}

// cut has nothing pass between two rooms.
func (r *room) cut(other *room) error { return r.ip("link set %s down", other.link()) }

// cutOneWay has nothing pass from a room to another; what comes from there does.
func (r *room) cutOneWay(to *room) error {
	return r.ip("route replace %s/32 dev sink src %s", to.address, r.address)
}

// mend undoes cut and cutOneWay.
func (r *room) mend(other *room) error {
	return errors.Join(r.ip("link set %s up", other.link()), r.route(other))
}
