package ports

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// takeAsProcess has the test binary take ports and tell them, and then wait for the
// end of its standard input.
const takeAsProcess = "TAKE_PORTS"

func TestMain(m *testing.M) {
	if os.Getenv(takeAsProcess) == "" {
		os.Exit(m.Run())
	}
	process.block = 0
	addresses, err := Take(20)
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(strings.Join(addresses, "\n"))
	os.Stdout.Close()
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func TestNoProcessGetsAPortOfAnother(t *testing.T) {
	const processes = 4
	told := make([]string, processes)
	for i := range told {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), takeAsProcess+"=1")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Wait()
		defer in.Close()
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		buffer := make([]byte, 1024)
		for {
			n, err := out.Read(buffer)
			text.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		told[i] = text.String()
	}
	owner := make(map[string]int)
	for i, text := range told {
		addresses := strings.Fields(text)
		if len(addresses) != 20 {
			t.Fatalf("a process has %q", text)
		}
		for _, a := range addresses {
			if other, taken := owner[a]; taken {
				t.Errorf("processes %d and %d have %s", other, i, a)
			}
			owner[a] = i
		}
	}
}

func TestAPortIsGivenOnceAndSuccessiveOnesTogether(t *testing.T) {
	var own taker
	defer own.release()
	seen := make(map[string]bool)
	for n := 1; n <= Max; n += 7 {
		list, err := own.take(n)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != n {
			t.Fatalf("%d ports for %d", len(list), n)
		}
		for i, a := range list {
			if seen[a] {
				t.Errorf("%s is given twice", a)
			}
			seen[a] = true
			if i > 0 && len(a) == len(list[i-1]) && a <= list[i-1] {
				t.Errorf("%s follows %s", a, list[i-1])
			}
			l, err := net.Listen("tcp", a)
			if err != nil {
				t.Errorf("it was to be free: %v", err)
				continue
			}
			l.Close()
		}
	}
}

func TestAPortThatSomebodyListensAtIsPassedBy(t *testing.T) {
	var own taker
	defer own.release()
	own.hold()
	for own.left == 0 {
		own.hold()
	}
	for _, offset := range []int{0, 3} {
		l, err := net.Listen("tcp", address(own.next+offset))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	begun := own.next
	for _, test := range []struct{ n, from int }{{2, 1}, {2, 4}, {1, 6}} {
		list, err := own.take(test.n)
		if err != nil {
			t.Fatal(err)
		}
		if list[0] != address(begun+test.from) {
			t.Errorf("%d ports are %v, want them from %d", test.n, list, begun+test.from)
		}
	}
}

func TestWhatCannotBeHadIsAnError(t *testing.T) {
	for _, n := range []int{-1, 0, Max + 1} {
		if list, err := Take(n); !errors.Is(err, ErrNone) {
			t.Errorf("%d ports: %v, %v", n, list, err)
		}
	}
}

func (t *taker) release() {
	for _, l := range t.held {
		l.Close()
	}
}
