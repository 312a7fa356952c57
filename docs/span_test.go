// Package docs_test runs the commands of documents.
package docs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/testnet"
)

// recipe returns a block of commands of span.md.
func recipe(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("span.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- run: " + name + " -->\n```sh\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("span.md has no commands %q", name)
	}
	return string(m[1])
}

// A bench is a gateway with a host at its eth0 and a sensor at its eth1.
type bench struct {
	t      *testing.T
	prefix string
}

// newBench makes the three namespaces and the two cables.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t, fmt.Sprintf("wsdoc%d-%d-", os.Getpid(), time.Now().UnixNano()%1e6)}
	for _, name := range []string{"host", "gateway", "sensor"} {
		b.outside("ip netns add " + b.prefix + name)
		t.Cleanup(func() {
			if out, err := exec.CommandContext(context.Background(), "ip", "netns", "del", b.prefix+name).CombinedOutput(); err != nil {
				t.Errorf("remove namespace: %v: %s", err, out)
			}
		})
		b.in(name, "ip link set lo up; sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
	}
	for port, other := range map[string]string{"eth0": "host", "eth1": "sensor"} {
		b.outside(fmt.Sprintf("ip link add %s netns %sgateway type veth peer name %s netns %s%s", port, b.prefix, port, b.prefix, other))
		b.in("gateway", "ip link set "+port+" up")
		b.in(other, "ip link set "+port+" up")
	}
	b.in("host", "ip addr add 10.10.0.2/24 dev eth0")
	return b
}

// outside runs commands that must succeed.
func (b *bench) outside(commands string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-ec", commands).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return string(out)
}

// in runs commands in a namespace.
func (b *bench) in(name, commands string) string {
	b.t.Helper()
	return b.outside("ip netns exec " + b.prefix + name + " sh -ec '" + strings.ReplaceAll(commands, "'", `'\''`) + "'")
}

// reach pings an address until it answers: a busy switch may take a while.
func (b *bench) reach(from, address string) {
	b.t.Helper()
	b.in(from, "i=0; until ping -q -c 1 -W 5 "+address+"; do i=$((i + 1)); test $i -lt 20; sleep .1; done")
}

// record records what the sensor gets while five pings go to an address, and
// returns the file.
func (b *bench) record(address string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "sensor.pcap")
	cmd := exec.CommandContext(b.t.Context(), "ip", "netns", "exec", b.prefix+"sensor",
		"tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root", "-i", "eth1", "-w", path)
	messages, err := cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	if _, err := messages.Read(make([]byte, 1024)); err != nil { // "listening on"
		b.t.Fatal(err)
	}
	b.in("host", "ping -q -c 5 -i 0.02 -W 5 "+address)
	testnet.Until(b.t, "pings and answers are recorded", func() bool { return pings(path) >= 2*5 })
	time.Sleep(200 * time.Millisecond) // for what should not come
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// pings returns how many pings and answers a recording has so far: not what the
// hosts ask for each other's addresses with before.
func pings(path string) (n int) {
	r, err := capture.Open([]string{path}, nil)
	if err != nil {
		return 0
	}
	defer r.Close()
	d := packet.NewDecoder()
	var f capture.Frame
	var p packet.Packet
	for r.Next(&f) == nil {
		if d.Decode(&f, &p) == packet.OK && p.Proto == packet.ProtoICMP {
			n++
		}
	}
	return n
}

// count returns how many packets of a recording fit a filter.
func count(t *testing.T, path, filter string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "tshark", "-r", path, "-Y", filter, "-T", "fields", "-e", "frame.number").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(out), "\n")
}

// bothWays checks that the sensor got each ping and each answer once, and that
// wormscope reads all of it.
func bothWays(t *testing.T, path string) {
	t.Helper()
	for what, filter := range map[string]string{"requests": "icmp.type == 8", "answers": "icmp.type == 0"} {
		if n := count(t, path, filter); n != 5 {
			t.Errorf("the sensor got %d %s, want 5", n, what)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "../cmd/wormscope", "replay", path).CombinedOutput()
	if err != nil {
		t.Fatalf("replay: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "not decoded") || strings.Contains(string(out), "undecoded") {
		t.Errorf("wormscope does not read all of it:\n%s", out)
	}
}

func TestSpanTC(t *testing.T) {
	testnet.Need(t, "tc", "tshark", "ping")
	b := newBench(t)
	b.in("gateway", "ip addr add 10.10.0.1/24 dev eth0")
	b.in("gateway", recipe(t, "tc"))
	bothWays(t, b.record("10.10.0.1"))
}

func TestSpanPort(t *testing.T) {
	testnet.Need(t, "ethtool", "sysctl")
	b := newBench(t)
	b.in("sensor", "ip addr add 192.0.2.10/24 dev eth1")
	b.in("sensor", recipe(t, "port"))
	show := b.in("sensor", "ip addr show dev eth1; ethtool -k eth1")
	for _, want := range []string{"NOARP", "PROMISC", "generic-receive-offload: off"} {
		if !strings.Contains(show, want) {
			t.Errorf("the port is not %s:\n%s", want, show)
		}
	}
	for _, no := range []string{"inet", "MULTICAST"} {
		if strings.Contains(show, no) {
			t.Errorf("the port still has %s:\n%s", no, show)
		}
	}
}

func TestSpanOpenVSwitch(t *testing.T) {
	b := newSwitch(t)
	b.in("gateway", "ovs-vsctl --timeout=60 add-port br0 eth1")
	b.in("gateway", recipe(t, "ovs"))
	b.in("gateway", "ovs-appctl revalidator/purge") // the mirror is there for the flows that were there before
	bothWays(t, b.record("10.10.0.1"))
}

func TestSpanERSPAN(t *testing.T) {
	testnet.Need(t, "nft")
	b := newSwitch(t)
	b.in("gateway", `ovs-vsctl --timeout=60 add-br out -- set bridge out datapath_type=netdev -- add-port out eth1
		ip addr add 192.0.2.1/24 dev out
		ip link set out up`)
	b.in("sensor", "ip addr add 192.0.2.10/24 dev eth1")
	b.in("sensor", recipe(t, "erspan-sensor"))
	b.in("gateway", recipe(t, "ovs-erspan"))
	b.in("gateway", "ovs-appctl revalidator/purge")
	b.reach("gateway", "192.0.2.10") // the switch learns where the sensor is
	path := b.record("10.10.0.1")
	bothWays(t, path)
	if n := count(t, path, "erspan"); n < 10 {
		t.Errorf("%d copies came by ERSPAN, want at least 10", n)
	}
	if n := count(t, path, "icmp.type == 3"); n != 0 {
		t.Errorf("the sensor answered %d copies", n)
	}
}

// newSwitch is a bench whose gateway is an Open vSwitch, in the userspace
// datapath, with eth0 in its bridge br0.
func newSwitch(t *testing.T) *bench {
	t.Helper()
	testnet.Need(t, "ovs-vsctl", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "tshark", "ping")
	b := newBench(t)
	dir := t.TempDir()
	t.Setenv("OVS_RUNDIR", dir)
	db := filepath.Join(dir, "conf.db")
	b.outside("ovsdb-tool create " + db + " /usr/share/openvswitch/vswitch.ovsschema")
	b.daemon("ovsdb-server", db, "--remote=punix:"+filepath.Join(dir, "db.sock"))
	b.in("gateway", "ovs-vsctl --no-wait --timeout=60 init")
	b.daemon("ovs-vswitchd", "unix:"+filepath.Join(dir, "db.sock"))
	b.in("gateway", `ovs-vsctl --timeout=60 add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 eth0
		ip addr add 10.10.0.1/24 dev br0
		ip link set br0 up`)
	b.reach("host", "10.10.0.1") // the bridge learns; ARP is over
	return b
}

// daemon runs a server in the gateway until the test ends.
func (b *bench) daemon(name string, args ...string) {
	b.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	args = append([]string{"netns", "exec", b.prefix + "gateway", path, "--pidfile", "--log-file=" + filepath.Join(b.t.TempDir(), "log")}, args...)
	cmd := exec.CommandContext(b.t.Context(), "ip", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	b.t.Cleanup(func() { <-done }) // the context of a test ends before its clean-up
	if name == "ovsdb-server" {
		b.outside("i=0; until test -S $OVS_RUNDIR/db.sock; do i=$((i + 1)); test $i -lt 1200; sleep .05; done")
	}
}
