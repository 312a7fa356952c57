// Package testnet gives a test a network of its own: namespaces joined by a
// bridge, with no way out, in which real tools run while tcpdump listens on
// the bridge as on a span port. It needs root and Linux. Beside that it has what
// any test may use: Eventually and Until wait for a condition.
package testnet

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wormscope/internal/needs"
)

// Patience is how long tests wait before they take something for hanging. It is
// long because machines may be slow: under the race detector, a start of wormscope
// has taken 40 seconds.
const Patience = 3 * time.Minute

// Need gives the test up, as package needs does, when it does not run as root or a tool
// is missing.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	needs.Root(t, "to make network namespaces")
	needs.Tools(t, append(tools, "ip", "tcpdump", "ethtool")...)
}

// A Net is a bridge in a namespace of its own, and the hosts on it. It is gone
// when the test ends.
type Net struct {
	t      testing.TB
	prefix string // of the names of its namespaces
	hosts  int
}

// bridge is the name of the bridge in the switch's namespace.
const bridge = "br0"

// New makes a network without hosts.
func New(t testing.TB) *Net {
	t.Helper()
	Need(t)
	n := newNet(t)
	n.namespace("switch")
	n.ip("switch", "link", "add", bridge, "type", "bridge")
	n.ip("switch", "link", "set", bridge, "up")
	return n
}

// newNet returns a network that has nothing yet.
func newNet(t testing.TB) *Net {
	t.Helper()
	return &Net{t: t, prefix: fmt.Sprintf("ws%d-%d-", os.Getpid(), time.Now().UnixNano()%1e6)}
}

// namespace makes a namespace that forwards, without IPv6, whose chatter would
// be in every recording, and removes it when the test ends.
func (n *Net) namespace(name string) {
	n.t.Helper()
	n.must("ip", "netns", "add", n.prefix+name)
	n.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "ip", "netns", "del", n.prefix+name).CombinedOutput(); err != nil {
			n.t.Errorf("remove namespace: %v: %s", err, out)
		}
	})
	n.must("ip", "netns", "exec", n.prefix+name, "sh", "-c",
		"cd /proc/sys/net && echo 1 >ipv6/conf/all/disable_ipv6 && echo 1 >ipv6/conf/default/disable_ipv6 && echo 1 >ipv4/ip_forward")
}

// ip runs ip in a namespace.
func (n *Net) ip(name string, args ...string) {
	n.t.Helper()
	n.must("ip", append([]string{"-n", n.prefix + name}, args...)...)
}

// must runs a command outside of all namespaces.
func (n *Net) must(name string, args ...string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// A Host is a namespace with one interface, eth0, on the bridge.
type Host struct {
	net  *Net
	name string
}

// Host adds a host with these addresses, each with the length of its prefix.
// What is to be seen on the wire has right checksums: nothing is offloaded.
func (n *Net) Host(name string, addrs ...string) *Host {
	n.t.Helper()
	n.hosts++
	port := fmt.Sprintf("port%d", n.hosts)
	n.namespace(name)
	n.ip("switch", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", n.prefix+name)
	n.ip("switch", "link", "set", port, "master", bridge, "up")
	h := &Host{n, name}
	h.Run(Patience, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
	n.ip(name, "link", "set", "lo", "up")
	for _, a := range addrs {
		n.ip(name, "addr", "add", a, "dev", "eth0")
	}
	n.ip(name, "link", "set", "eth0", "up")
	return h
}

// Route sends what goes to a prefix to a gateway, or where that is empty, to
// whoever answers on the bridge.
func (h *Host) Route(prefix, gateway string) {
	h.net.t.Helper()
	if gateway == "" {
		h.net.ip(h.name, "route", "add", prefix, "dev", "eth0")
		return
	}
	h.net.ip(h.name, "route", "add", prefix, "via", gateway)
}

// Behind makes the host a router before a network in which only some
// addresses live: the others' packets vanish, as behind a firewall.
func (h *Host) Behind(prefix string, live ...netip.Addr) {
	h.net.t.Helper()
	h.net.ip(h.name, "route", "add", "blackhole", prefix)
	for _, a := range live {
		h.net.ip(h.name, "addr", "add", a.String()+"/32", "dev", "lo")
	}
}

// Run runs a command on the host to its end and returns what it wrote. The
// test fails when the command does, or takes longer than the limit.
func (h *Host) Run(limit time.Duration, name string, args ...string) string {
	h.net.t.Helper()
	out, err := h.Try(limit, name, args...)
	if err != nil {
		h.net.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Run for commands that may fail.
func (h *Host) Try(limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := h.command(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// command is a command that runs on the host; when its context ends, it is
// asked to stop, and killed if it does not.
func (h *Host) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if path := needs.Find(name); path != "" {
		name = path
	}
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.net.prefix + h.name, name}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = Patience
	return cmd
}
