package testnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Process is a server that runs on a host until it is stopped, or the test
// ends.
type Process struct {
	host *Host
	cmd  *exec.Cmd
	stop context.CancelFunc
	done chan error
	out  *output
}

// output is what a process wrote so far; safe for use by several goroutines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// Start starts a server on the host and waits until it has written a text
// that says that it is ready; empty for none.
func (h *Host) Start(ready, name string, args ...string) *Process {
	h.net.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &Process{host: h, cmd: h.command(ctx, name, args...), stop: cancel, done: make(chan error, 1), out: &output{}}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		cancel()
		h.net.t.Fatalf("%s: %v", name, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	h.net.t.Cleanup(p.Stop)
	Eventually(h.net.t, name+" is ready", func() error {
		if strings.Contains(p.out.String(), ready) {
			return nil
		}
		return fmt.Errorf("it wrote %q", p.out.String())
	})
	return p
}

// Stop asks the process to stop and waits for it. A second call does nothing.
func (p *Process) Stop() {
	p.stop()
	if err, ok := <-p.done; ok {
		close(p.done)
		_ = err // it was told to stop: how it ended says nothing
	}
}

// Await waits until a TCP port of the host accepts connections.
func (h *Host) Await(address string) {
	h.net.t.Helper()
	Eventually(h.net.t, address+" accepts", func() error {
		return h.inside(func() error {
			c, err := (&net.Dialer{Timeout: time.Second}).DialContext(h.net.t.Context(), "tcp", address)
			if err != nil {
				return err
			}
			return c.Close()
		})
	})
}

// Accept accepts TCP connections at an address of the host, and closes each as
// soon as the other end has said something or gone.
func (h *Host) Accept(address string) {
	h.net.t.Helper()
	var l net.Listener
	err := h.inside(func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(h.net.t.Context(), "tcp", address)
		return err
	})
	if err != nil {
		h.net.t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()                                    //nolint:errcheck // nothing was written
				_ = c.SetDeadline(time.Now().Add(2 * time.Second)) // on a connection that is open this can't fail
				_, _ = io.ReadAtLeast(c, make([]byte, 1), 1)       // whatever it is
			})
		}
	})
	h.net.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			h.net.t.Error(err)
		}
		serving.Wait()
	})
}

// nudge sends an empty datagram each second until the returned function is
// called: masscan notices that its time is over only when a packet comes in.
func (h *Host) nudge(address string) (stop func()) {
	h.net.t.Helper()
	var c net.Conn
	err := h.inside(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(h.net.t.Context(), "udp", address)
		return err
	})
	if err != nil {
		h.net.t.Fatal(err)
	}
	done := make(chan struct{})
	var nudging sync.WaitGroup
	nudging.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Second):
				_, _ = c.Write(nil) // that nobody listens is expected
			}
		}
	})
	return func() {
		close(done)
		nudging.Wait()
		_ = c.Close() // a datagram socket has nothing left to say
	}
}

// inside calls f in the host's namespace, in which the sockets then are that it
// makes.
func (h *Host) inside(f func() error) error {
	return OnThread(func() error {
		ns, err := os.Open("/run/netns/" + h.net.prefix + h.name)
		if err != nil {
			return err
		}
		defer ns.Close() //nolint:errcheck // only held
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter namespace: %w", err)
		}
		return f()
	})
}

// A Recording is a capture of everything on the bridge while it is made.
type Recording struct{ process *Process }

// Record begins to record everything on the bridge into a file, at most
// snaplen bytes of each packet (0 for all).
func (n *Net) Record(path string, snaplen int) *Recording {
	n.t.Helper()
	sw := &Host{n, "switch"}
	p := sw.Start("listening on", "tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root", "-i", bridge, "-B", "65536", "-s", strconv.Itoa(snaplen), "-w", path)
	return &Recording{p}
}

// Stop ends the recording after the last packets have come, and are written: what
// tcpdump has not read when it is told to end it leaves.
func (r *Recording) Stop() {
	r.process.host.net.t.Helper()
	time.Sleep(200 * time.Millisecond)
	Eventually(r.process.host.net.t, "all that came is recorded", r.whole)
	r.process.Stop()
	if out := r.process.out.String(); !strings.Contains(out, "\n0 packets dropped by kernel") {
		r.process.host.net.t.Fatalf("the recording is not whole: %s", out)
	}
}

// tcpdumpCounts is what tcpdump says when it is asked by a signal.
var tcpdumpCounts = regexp.MustCompile(`(\d+) packets? captured, (\d+) packets? received by filter`)

// whole asks tcpdump whether it has read all that came, and looks at what it
// answered the last time.
func (r *Recording) whole() error {
	r.process.Signal(unix.SIGUSR1)
	answers := tcpdumpCounts.FindAllStringSubmatch(r.process.out.String(), -1)
	if len(answers) == 0 {
		return errors.New("it does not say how much it has")
	}
	if last := answers[len(answers)-1]; last[1] != last[2] {
		return fmt.Errorf("it has %s of %s packets", last[1], last[2])
	}
	return nil
}
