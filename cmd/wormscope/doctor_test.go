package main

import (
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"wormscope/capture/doctor"
	"wormscope/cmd/pcapgen/wire"
	"wormscope/internal/testnet"
)

// A conversation is frames of TCP connections, each of both ends.
type conversation struct {
	there, back [][]byte
}

// converse makes segments of twenty connections, whose numbers no two packets
// share.
func converse(vlan uint16, ttl uint8, round uint16) (c conversation) {
	server := netip.MustParseAddrPort("203.0.113.5:443")
	for i := range uint16(20) {
		client := netip.AddrPortFrom(netip.MustParseAddr("10.10.1.23"), 40000+i)
		frame := func(from, to netip.AddrPort) []byte {
			var b []byte
			if vlan == 0 {
				b = wire.AppendEthernet(nil, wire.MACOf(to.Addr()), wire.MACOf(from.Addr()), wire.TypeIPv4)
			} else {
				b = wire.AppendEthernet(nil, wire.MACOf(to.Addr()), wire.MACOf(from.Addr()), wire.TypeVLAN)
				b = wire.AppendTag(b, vlan, wire.TypeIPv4)
			}
			const ack = 16
			return wire.AppendTCPPacket(b, from, to, wire.Envelope{TTL: ttl, ID: round}, wire.TCP{Flags: ack, Seq: uint32(round), Ack: 1, Window: 1000}, []byte("hello"))
		}
		c.there, c.back = append(c.there, frame(client, server)), append(c.back, frame(server, client))
	}
	return c
}

// half is a half where it begins, or ends, in the middle of a round.
const half = `(4[5-9]|5[0-5])%`

// TestDoctor plants faults on a link and wants them found, and nothing else.
func TestDoctor(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(p *testnet.Pair)
		round func(n uint16) [][]byte // the frames of a round
		want  []string                // checks that warn
		text  string                  // part of what is said, a regular expression
	}{
		{"sound", nil, func(n uint16) [][]byte { c := converse(0, 64, n); return slices.Concat(c.there, c.back) }, nil, "no frame has a VLAN tag"},
		{"one direction", nil, func(n uint16) [][]byte { return converse(0, 64, n).there }, []string{"directions"}, "100% of 20 TCP connections"},
		{"same frames twice", nil, func(n uint16) [][]byte {
			c := converse(0, 64, n)
			return slices.Concat(c.there, c.there, c.back, c.back)
		}, []string{"duplicates"}, half + " of the packets come twice"},
		{"before and behind a router", nil, func(n uint16) [][]byte {
			c, routed := converse(0, 64, n), converse(7, 63, n)
			return slices.Concat(c.there, routed.there, c.back, routed.back)
		}, []string{"duplicates"}, "with another time to live"},
		{"tagged", nil, func(n uint16) [][]byte {
			c, d := converse(42, 64, 2*n), converse(0, 64, 2*n+1)
			return slices.Concat(c.there, c.back, d.there, d.back)
		}, nil, "VLANs seen: 42; " + half + " of the packets are untagged"},
		{
			"segments put together", func(p *testnet.Pair) { p.Run("ethtool", "-K", testnet.Right, "gro", "on") },
			func(n uint16) [][]byte { c := converse(0, 64, n); return slices.Concat(c.there, c.back) },
			[]string{"offloads"},
			"ethtool -K right gro off",
		},
		{
			"an address", func(p *testnet.Pair) { p.IP("addr", "add", "10.9.9.9/24", "dev", testnet.Right) },
			func(n uint16) [][]byte { c := converse(0, 64, n); return slices.Concat(c.there, c.back) },
			[]string{"silent"},
			"10.9.9.9/24",
		},
		{"nothing", nil, func(uint16) [][]byte { return nil }, []string{"traffic"}, `nothing was received(?s:.*)"whole",\s*"status": *"unknown"`},
		{
			"down", func(p *testnet.Pair) { p.IP("link", "set", testnet.Right, "down") },
			func(uint16) [][]byte { return nil },
			[]string{"link"},
			"ip link set right up",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := testnet.NewPair(t)
			p.Run("ethtool", "-K", testnet.Right, "gro", "off")
			if tt.setUp != nil {
				tt.setUp(p)
			}
			stop := keepSending(p.Sender(testnet.Left), tt.round)
			out := p.Run("wormscope", "doctor", "-i", testnet.Right, "--duration", "1s", "--json")
			stop()
			var report doctor.Report
			unmarshal(t, []byte(out), &report)
			var warned []string
			for _, f := range report.Findings {
				// Whether this machine's clock is set, or how its driver is made, is not the test's.
				if f.Status == doctor.Warning && f.Check != "clock" {
					warned = append(warned, f.Check)
				}
				if f.Status == doctor.Warning && f.Do == "" {
					t.Errorf("%s does not say what to do", f.Check)
				}
			}
			if !slices.Equal(warned, tt.want) {
				t.Errorf("warned of %v, want %v: %s", warned, tt.want, out)
			}
			if !regexp.MustCompile(tt.text).MatchString(out) {
				t.Errorf("does not say %q: %s", tt.text, out)
			}
		})
	}
}

// keepSending sends rounds of frames until it is told to stop.
func keepSending(s *testnet.Sender, round func(uint16) [][]byte) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := uint16(1); ; n++ {
			s.Send(round(n)...)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

// TestDoctorLosesTheInterface takes the interface down while it is listened to: that
// nothing came is not the mirror's fault.
func TestDoctorLosesTheInterface(t *testing.T) {
	p := testnet.NewPair(t)
	const listens = `ip -d link show right | grep -q 'promiscuity [1-9]'`
	out := p.Run("sh", "-c", "wormscope doctor -i right --duration 1m & until "+listens+"; do sleep 0.1; done; ip link set right down; kill $!; wait")
	if !regexp.MustCompile(`warning  link +the interface went down or away, or lost its link, 1 time`).MatchString(out) {
		t.Errorf("does not say that the interface was lost: %s", out)
	}
}

// TestDoctorText looks at what people read.
func TestDoctorText(t *testing.T) {
	p := testnet.NewPair(t)
	stop := keepSending(p.Sender(testnet.Left), func(n uint16) [][]byte { return converse(0, 64, n).there })
	out := p.Run("wormscope", "doctor", "-i", testnet.Right, "--duration", "1s")
	stop()
	for _, text := range []string{`right, \d+ s of traffic`, "warning  directions", "→ mirror both directions", "need attention"} { // a busy machine takes longer
		if !regexp.MustCompile(text).MatchString(out) {
			t.Errorf("does not say %q: %s", text, out)
		}
	}
}
