package exposure

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

const second = int64(time.Second)

type recorder struct{ lines []string }

func (r *recorder) Alert(a alert.Alert) {
	e := a.Evidence.Exposure
	r.lines = append(r.lines, fmt.Sprintf("%s %v:%d sev=%d by %v n=%d clients=%d %s frames=%d",
		a.Phase, a.Host, e.Port, a.Severity, e.By, a.Count, e.Clients, strings.Join(e.Zones, ","), len(a.Frames)))
}

func (r *recorder) Fact(f alert.Fact) {
	r.lines = append(r.lines, fmt.Sprintf("fact %s %v:%d by %v", f.Kind, f.Host, f.Port, f.Peer))
}

type bench struct {
	*Detector
	recorder
	now int64
}

func newBench(t testing.TB, cfg Config) *bench {
	t.Helper()
	zones, err := zone.New(zone.DefaultInside(), []zone.Zone{
		{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		{Name: "servers", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{now: 1000 * second}
	b.Detector = New(&b.recorder, zones, cfg)
	return b
}

// send gives the detector a segment a second after the last.
func (b *bench) send(src, dst string, flags packet.Flags, seq uint32, payload int) {
	b.now += second
	b.Packet(&packet.Packet{
		Time: b.now, Src: ip.FromPort(netip.MustParseAddrPort(src)), Dst: ip.FromPort(netip.MustParseAddrPort(dst)), Proto: packet.ProtoTCP,
		Flags: flags, Seq: seq, PayloadLen: payload, Payload: make([]byte, payload),
	})
}

const synAck = packet.SYN | packet.ACK

// TestExposure plays answers on lateral ports and compares the alerts.
func TestExposure(t *testing.T) {
	const server = "10.2.0.1:445"
	for _, c := range []struct {
		what string
		play func(b *bench)
		want string
	}{
		{"from farther and farther", func(b *bench) {
			b.send(server, "10.2.0.9:50000", synAck, 1, 0)
			b.send(server, "10.2.0.8:50000", synAck, 2, 0)
			b.send(server, "10.1.0.9:50000", synAck, 3, 0)
			b.send(server, "198.51.100.1:50000", synAck, 4, 0)
			b.send(server, "10.9.0.9:50000", synAck, 5, 0)
			b.send(server, "198.51.100.2:50000", synAck, 6, 0)
		}, `
			start 10.2.0.1:445 sev=10 by 10.2.0.9 n=1 clients=1 servers frames=1
			update 10.2.0.1:445 sev=50 by 10.1.0.9 n=3 clients=3 servers,office frames=2
			update 10.2.0.1:445 sev=95 by 198.51.100.1 n=4 clients=4 servers,office,internet frames=3
			update 10.2.0.1:445 sev=95 by 198.51.100.1 n=5 clients=5 servers,office,internet,internal frames=4
			end 10.2.0.1:445 sev=95 by 198.51.100.1 n=6 clients=6 servers,office,internet,internal frames=4`},
		{"copies and retransmissions", func(b *bench) {
			for range 3 {
				b.send(server, "10.2.0.9:50000", synAck, 1, 0)
			}
			b.send(server, "10.2.0.9:50000", packet.ACK, 2, 100)
		}, `
			start 10.2.0.1:445 sev=10 by 10.2.0.9 n=1 clients=1 servers frames=1`},
		{"in the middle", func(b *bench) {
			b.send(server, "10.1.0.9:50000", packet.ACK, 1, 0)
			b.send(server, "10.1.0.9:50000", packet.ACK, 1, 100)
			b.send(server, "10.1.0.9:50000", packet.ACK, 101, 100)
		}, `
			start 10.2.0.1:445 sev=50 by 10.1.0.9 n=1 clients=1 office frames=1`},
		{"NetBIOS from outside", func(b *bench) { b.send("10.2.0.1:139", "198.51.100.1:5000", synAck, 1, 0) }, `
			start 10.2.0.1:139 sev=75 by 198.51.100.1 n=1 clients=1 internet frames=1`},
		{"other lateral ports are facts", func(b *bench) {
			b.send("10.2.0.1:3389", "10.2.0.9:5000", synAck, 1, 0)
			b.send("10.2.0.1:3389", "10.1.0.9:5000", synAck, 1, 0)
			b.send("10.2.0.1:3389", "198.51.100.1:5000", synAck, 1, 0)
			b.send("10.2.0.1:3389", "198.51.100.1:5001", synAck, 1, 0)
			b.send("10.2.0.1:22", "198.51.100.1:5001", packet.ACK, 1, 50)
		}, `
			fact exposed 10.2.0.1:3389 by 10.2.0.9
			fact exposed 10.2.0.1:3389 by 198.51.100.1`},
		{"nothing to see", func(b *bench) {
			b.send("198.51.100.1:445", "10.2.0.9:5000", synAck, 1, 0)
			b.send("10.2.0.1:446", "10.2.0.9:5000", synAck, 1, 0)
			b.send("10.2.0.1:445", "10.2.0.9:5000", packet.RST|packet.ACK, 1, 0)
			b.send("10.2.0.1:445", "10.2.0.9:5000", packet.SYN, 1, 0)
			b.send("10.2.0.1:445", "10.2.0.9:445", packet.ACK, 1, 9)
			for _, noClient := range []string{"0.0.0.0:5000", "239.0.0.1:5000"} {
				b.send(server, noClient, synAck, 1, 0)
			}
			for _, noClient := range []string{"[::]:5000", "[ff02::1]:5000"} {
				b.send("[fd00::1]:445", noClient, synAck, 1, 0)
			}
		}, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Config{})
			c.play(b)
			b.Tick(b.now)
			b.Close(b.now)
			got := strings.Join(b.lines, "\n")
			if want := strings.TrimSpace(strings.ReplaceAll(c.want, "\t", "")); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	b := newBench(t, Config{MaxHosts: 10})
	for i := range 1000 {
		b.send(fmt.Sprintf("10.2.%d.%d:445", i>>8, i&255), fmt.Sprintf("10.2.9.%d:5000", i%250), synAck, uint32(i), 0)
	}
	if b.hosts.Len() != 10 || b.Stats().Evicted != 990 {
		t.Errorf("%d hosts are kept, want 10: %+v", b.hosts.Len(), b.Stats())
	}
	b.lines = nil
	for i := range 1000 {
		b.send("10.2.0.1:445", fmt.Sprintf("10.%d.%d.1:5000", i>>8, i&255), synAck, uint32(i), 0)
	}
	b.send("10.2.0.1:445", "10.9.9.9:5000", packet.ACK, 1, 100) // who knows whether it was counted
	b.Close(b.now)
	if last := b.lines[len(b.lines)-1]; !strings.Contains(last, "n=1000 clients=64 ") {
		t.Errorf("the end is %q, want 1000 answers to at least 64 clients", last)
	}
}

// TestHurry: that a host answers after a mark is said at once.
func TestHurry(t *testing.T) {
	b := newBench(t, Config{})
	seq := uint32(0)
	answer := func() {
		for _, from := range []string{"10.2.0.1:445", "10.2.0.1:22", "10.2.0.2:445"} {
			seq++
			b.send(from, "10.2.9.9:5000", synAck, seq, 0)
		}
	}
	answer()
	answer()
	b.lines = nil
	b.Hurry(map[netip.Addr]bool{netip.MustParseAddr("10.2.0.1"): true})
	answer()
	answer()
	want := []string{"update 10.2.0.1:445 sev=10 by 10.2.9.9 n=3 clients=1 servers frames=1", "fact exposed 10.2.0.1:22 by 10.2.9.9"}
	if !slices.Equal(b.lines, want) {
		t.Errorf("%q, want %q", b.lines, want)
	}
}

func TestAllocatesNothing(t *testing.T) {
	b := newBench(t, Config{})
	packets := []packet.Packet{
		{Src: ip.FromPort(netip.MustParseAddrPort("10.2.0.1:443")), Dst: ip.FromPort(netip.MustParseAddrPort("10.1.0.1:5000")), Flags: packet.ACK, PayloadLen: 5},
		{Src: ip.FromPort(netip.MustParseAddrPort("10.2.0.1:445")), Dst: ip.FromPort(netip.MustParseAddrPort("10.1.0.1:5000")), Flags: packet.ACK, PayloadLen: 5},
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range packets {
			b.Packet(&packets[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations for known hosts, want none", n)
	}
}

func BenchmarkOtherPort(b *testing.B) { benchmark(b, "10.2.0.1:443") }
func BenchmarkSMBData(b *testing.B)   { benchmark(b, "10.2.0.1:445") }

func benchmark(b *testing.B, src string) {
	b.Helper()
	x := newBench(b, Config{})
	p := packet.Packet{
		Src: ip.FromPort(netip.MustParseAddrPort(src)), Dst: ip.FromPort(netip.MustParseAddrPort("10.1.0.1:5000")),
		Proto: packet.ProtoTCP, Flags: packet.ACK, PayloadLen: 5,
	}
	b.ReportAllocs()
	for b.Loop() {
		x.Packet(&p)
	}
}

// TestPortsAsConfigured: other lateral ports take the place of the usual ones,
// but never of SMB's.
func TestPortsAsConfigured(t *testing.T) {
	b := newBench(t, Config{Ports: []uint16{7001, 445}})
	for _, port := range []string{"7001", "445", "139", "3389"} {
		b.send("10.2.0.1:"+port, "10.2.0.9:5000", synAck, 1, 0)
	}
	want := []string{
		"fact exposed 10.2.0.1:7001 by 10.2.0.9",
		"start 10.2.0.1:445 sev=10 by 10.2.0.9 n=1 clients=1 servers frames=1",
		"start 10.2.0.1:139 sev=10 by 10.2.0.9 n=1 clients=1 servers frames=1",
	}
	if !slices.Equal(b.lines, want) {
		t.Errorf("got %q, want %q", b.lines, want)
	}
}
