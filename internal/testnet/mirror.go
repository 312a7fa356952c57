package testnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Monitor is the sensor's interface that mirrored traffic comes to.
const Monitor = "mon0"

// Mirror adds a sensor without an address of its own, to whose interface
// Monitor the bridge copies all that comes in at the ports that it has by now:
// a span port of `tc … mirred egress mirror`. With both, what goes out at them
// is copied, too, so that each frame comes twice.
func (n *Net) Mirror(both bool) *Host {
	n.t.Helper()
	n.namespace("sensor")
	n.ip("sensor", "link", "set", "lo", "up")
	n.plug()
	directions := []string{"ingress"}
	if both {
		directions = append(directions, "egress")
	}
	sw := &Host{n, "switch"}
	for i := 1; i <= n.hosts; i++ {
		port := fmt.Sprintf("port%d", i)
		sw.Run(Patience, "tc", "qdisc", "add", "dev", port, "clsact")
		for _, d := range directions {
			sw.Run(Patience, "tc", "filter", "add", "dev", port, d, "protocol", "all", "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "mirror", "dev", "span")
		}
	}
	return &Host{n, "sensor"}
}

// plug makes the link to the sensor.
func (n *Net) plug() {
	n.t.Helper()
	n.ip("switch", "link", "add", "span", "type", "veth", "peer", "name", Monitor, "netns", n.prefix+"sensor")
	n.ip("switch", "link", "set", "span", "up")
	(&Host{n, "sensor"}).Link(Monitor, "up")
	(&Host{n, "switch"}).awaitRunning("span")
}

// Replug takes the sensor's interface away and, after what is done meanwhile,
// gives it another of the same name. What was mirrored to it no longer is.
func (n *Net) Replug(meanwhile func()) {
	n.t.Helper()
	n.ip("switch", "link", "del", "span")
	meanwhile()
	n.plug()
}

// Link sets an interface of the host up, and waits until it runs, or down.
func (h *Host) Link(iface, state string) {
	h.net.t.Helper()
	h.net.ip(h.name, "link", "set", iface, state)
	if state == "up" {
		h.awaitRunning(iface)
	}
}

// awaitRunning waits until the kernel has noticed that an interface has a link.
func (h *Host) awaitRunning(iface string) {
	h.net.t.Helper()
	Eventually(h.net.t, iface+" runs", func() error {
		return h.inside(func() error {
			i, err := net.InterfaceByName(iface)
			if err == nil && i.Flags&net.FlagRunning == 0 {
				err = errors.New("it has no link")
			}
			return err
		})
	})
}

// Record begins to record an interface of the host into a file, with the time
// of each frame to the nanosecond.
func (h *Host) Record(iface, path string) *Recording {
	h.net.t.Helper()
	return &Recording{h.Start("listening on", "tcpdump", "-n", "-U", "--immediate-mode", "--time-stamp-precision=nano", "-Z", "root", "-i", iface, "-B", "65536", "-w", path)}
}

// Pid returns the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output returns what the process wrote so far.
func (p *Process) Output() string { return p.out.String() }

// Signal sends the process a signal.
func (p *Process) Signal(sig os.Signal) {
	p.host.net.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.host.net.t.Fatalf("signal %v: %v", sig, err)
	}
}

// Wait waits for the end of the process and returns its exit status. The test
// fails when it takes longer than the limit.
func (p *Process) Wait(limit time.Duration) int {
	p.host.net.t.Helper()
	select {
	case err := <-p.done:
		close(p.done)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode()
		}
		if err != nil {
			p.host.net.t.Fatal(err)
		}
		return 0
	case <-time.After(limit):
		p.host.net.t.Fatalf("it still runs after %v; it wrote %q", limit, p.out.String())
		return -1
	}
}

// A Stage is a network that a sensor watches through a mirror: two hosts that
// can sweep a network behind a router, a client and a resolver, and a clerk
// and a file server.
type Stage struct {
	*Net
	Sensor                  *Host
	Nmap, Masscan           *Host // 10.10.1.23 and 10.10.1.24
	Client, Resolver, Clerk *Host // 10.10.1.25, 10.10.0.53, 10.10.1.30
	Server                  *Host // 10.10.0.20
	router                  *Host // 10.10.0.1
}

// Swept is the network that a Stage's hosts can sweep: six of its addresses
// accept connections to port 445, from 10.20.2.10 on, and twelve refuse them.
const Swept = "10.20.2.0/24"

// NewStage makes a network whose traffic a sensor sees, once or, with both,
// twice.
func NewStage(n *Net, both bool) *Stage {
	n.t.Helper()
	s := &Stage{
		Net: n, Nmap: n.Host("nmap", "10.10.1.23/16"), Masscan: n.Host("masscan", "10.10.1.24/16"),
		Client: n.Host("client", "10.10.1.25/16"), Resolver: n.Host("resolver", nearest+"/16"),
		Clerk: n.Host("clerk", "10.10.1.30/16"), Server: n.Host("server", "10.10.0.20/16"),
		router: n.Host("router", "10.10.0.1/16"),
	}
	for _, h := range []*Host{s.Nmap, s.Masscan} {
		h.Route(Swept, "10.10.0.1")
	}
	var live []netip.Addr
	for last := 10; last < 28; last++ {
		live = append(live, netip.AddrFrom4([4]byte{10, 20, 2, byte(last)}))
	}
	s.router.Behind(Swept, live...)
	for _, a := range live[:6] {
		s.router.Accept(netip.AddrPortFrom(a, 445).String())
	}
	unbound(n.t, s.Resolver, nearest, "local-zone: \"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com.\" static")
	samba(n.t, s.Server)
	s.Sensor = n.Mirror(both)
	return s
}

// SweepNmap has nmap sweep port 445, so many packets a second.
func (s *Stage) SweepNmap(rate int) {
	s.t.Helper()
	s.Nmap.Run(Patience, "nmap", "-n", "-Pn", "-sS", "-p", "445", "--max-retries", "1", "--min-rate", strconv.Itoa(rate), "--max-rate", strconv.Itoa(rate), Swept)
}

// SweepMasscan has masscan sweep port 445.
func (s *Stage) SweepMasscan(rate int) {
	s.t.Helper()
	stop := s.router.nudge("10.10.1.24:9")
	defer stop()
	s.Masscan.Run(Patience, "masscan", Swept, "-p445", "--rate", strconv.Itoa(rate), "--wait", "2", "--seed", "7",
		"--interface", "eth0", "--source-ip", "10.10.1.24", "--router-ip", "10.10.0.1")
}

// Ask has the client ask for the kill switch and for a harmless name.
func (s *Stage) Ask() {
	s.t.Helper()
	s.Client.ask(killSwitch)
	s.Client.ask("www.site1.example")
}

// Fetch has the clerk read a file from the file server.
func (s *Stage) Fetch() {
	s.t.Helper()
	out := s.Clerk.Run(Patience, "smbclient", "-N", "-s", os.DevNull, "-U", "clerk", "--option=netbios name=WS30", "-m", "SMB3",
		"//10.10.0.20/wards", "-c", "ls")
	if !strings.Contains(out, "plan.txt") {
		s.t.Fatalf("the file server does not list its file: %s", out)
	}
}

// Client returns a client for servers on the host, at addresses.
func (h *Host) Client() *http.Client {
	dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = h.inside(func() (err error) {
			c, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
	return &http.Client{Timeout: Patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// An Injector puts frames onto a link as they are.
type Injector struct {
	fd int
	to unix.SockaddrLinklayer
}

// Injector returns what puts frames onto the sensor's link, so that they come
// to its Monitor.
func (n *Net) Injector() *Injector {
	n.t.Helper()
	i := &Injector{}
	sw := &Host{n, "switch"}
	err := sw.inside(func() error {
		link, err := net.InterfaceByName("span")
		if err != nil {
			return err
		}
		i.to = unix.SockaddrLinklayer{Ifindex: link.Index}
		i.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		n.t.Fatalf("inject: %v", err)
	}
	n.t.Cleanup(func() { _ = unix.Close(i.fd) }) // nothing waits
	return i
}

// Send sends a frame.
func (i *Injector) Send(frame []byte) error { return unix.Sendto(i.fd, frame, 0, &i.to) }
