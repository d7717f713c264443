package peer

import (
	"net"
	"syscall"
	"testing"

	hraft "github.com/hashicorp/raft"
)

// A machine that is dead cannot be had in a test; that its death is looked for
// can be asked of the kernel.
func TestBothSidesOfAConnectionLookForTheDeathOfTheOther(t *testing.T) {
	client, server := listen(t, Options{}), listen(t, Options{})
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := server.Raft().Accept()
		accepted <- conn
	}()
	dialled, err := client.Raft().Dial(hraft.ServerAddress(server.Address()), patience)
	if err != nil {
		t.Fatal(err)
	}
	for side, conn := range map[string]net.Conn{"the dialling": dialled, "the dialled": <-accepted} {
		raw, err := conn.(*tracked).Conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range []struct {
			name               string
			level, which, want int
		}{
			{"the limit for acknowledgements", syscall.IPPROTO_TCP, tcpUserTimeout, int(deadAfter.Milliseconds())},
			{"keepalive", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{"the idle time before a probe", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 2},
			{"the time between probes", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 1},
			{"the probes", syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 2},
		} {
			var got int
			err := raw.Control(func(fd uintptr) { got, _ = syscall.GetsockoptInt(int(fd), option.level, option.which) })
			if err != nil || got != option.want {
				t.Errorf("on %s side %s is %d, want %d: %v", side, option.name, got, option.want, err)
			}
		}
	}
}
