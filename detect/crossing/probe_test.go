package crossing

import (
	"net/netip"
	"strings"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/internal/ip"
)

// TestProbesOpenNothing: a FIN without ACK closes no connection, so a port scan
// that nobody answers does not show a border that is open.
func TestProbesOpenNothing(t *testing.T) {
	const client, server = "10.1.0.9:50000", "10.2.0.1:445"
	for what, flags := range map[string]packet.Flags{"FIN": packet.FIN, "Xmas": packet.FIN | packet.PSH | packet.URG} {
		b := newBench(t, Config{})
		b.send(client, server, packet.SYN, 1)
		b.send(client, server, flags, 2)
		b.now += 30 * second
		b.Tick(b.now)
		b.Close(b.now)
		if got := strings.Join(b.lines, "\n"); strings.Contains(got, "open") || !strings.Contains(got, "blocked") {
			t.Errorf("after a SYN and a %s probe:\n%s", what, got)
		}
	}
}

// TestRejected: a firewall that rejects with ICMP refuses, as one does that resets.
// What it says of another connection, or of the size of packets, refuses nothing.
func TestRejected(t *testing.T) {
	client, server := "10.1.0.9:50000", "10.2.0.1:445"
	for _, c := range []struct {
		what, from, to string
		proto          packet.Proto
		code           uint8
		want           string
	}{
		{"port unreachable", client, server, packet.ProtoTCP, 3, "refused=1 silent=0"},
		{"administratively prohibited", client, server, packet.ProtoTCP, 13, "refused=1 silent=0"},
		{"fragmentation needed", client, server, packet.ProtoTCP, 4, "refused=0 silent=1"},
		{"of another port of the client", "10.1.0.9:50001", server, packet.ProtoTCP, 13, "refused=0 silent=1"},
		{"of another server", client, "10.2.0.2:445", packet.ProtoTCP, 13, "refused=0 silent=1"},
		{"of a datagram", client, server, packet.ProtoUDP, 13, "refused=0 silent=1"},
	} {
		b := newBench(t, Config{})
		e := detect.NewEngine(b.Detector) // which knows what the detector wants
		at := func(n int64, p packet.Packet) {
			p.Time = (1000 + n) * second
			e.Packet(&p)
		}
		addr := func(s string) ip.AddrPort { return ip.FromPort(netip.MustParseAddrPort(s)) }
		at(0, packet.Packet{Proto: packet.ProtoTCP, Flags: packet.SYN, Src: addr(client), Dst: addr(server), Seq: 7})
		at(1, packet.Packet{
			Proto: packet.ProtoICMP, Src: addr("10.2.0.254:0"), Dst: addr("10.1.0.9:0"),
			ICMP: packet.ICMP{Type: 3, Code: c.code, HasInner: true, InnerProto: c.proto, InnerSrc: addr(c.from), InnerDst: addr(c.to)},
		})
		e.Close()
		if got := strings.Join(b.lines, "\n"); strings.Count(got, "n=1 targets=1 "+c.want) != 2 || strings.Contains(got, "open") {
			t.Errorf("%s:\n%s\nwant %s", c.what, got, c.want)
		}
	}
}
