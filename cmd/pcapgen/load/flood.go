package load

import (
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/story"
	"wormscope/cmd/pcapgen/wire"
)

// A FloodTruth is what was planted in the capture of a flood.
type FloodTruth struct {
	Flood    story.Flood      `json:"flood"`
	Spoofed  int              `json:"spoofed_inside"` // sources that are inside addresses
	Scanners []*story.Scanner `json:"scanners"`
	Busy     []netip.Addr     `json:"must_not_alarm"` // inside hosts at work
}

// The flood lasts from the second minute to the eighth of ten.
const (
	floodBegins = 2 * time.Minute
	floodLasts  = 6 * time.Minute
	floodStory  = 10 * time.Minute
)

// WriteFlood writes the capture of a flood of SYN from this many spoofed
// sources to port 445 of one server inside, one in ten of them an inside
// address; with real scanners in it: inside a fast one and a slow one, and one
// from outside. It returns what was planted, as JSON.
func WriteFlood(w io.Writer, sources int) ([]byte, error) {
	target := netip.MustParseAddrPort("10.1.0.20:445")
	t := &FloodTruth{Flood: story.Flood{IP: target.Addr(), Port: target.Port(), Sources: sources, First: story.Start().Add(floodBegins)}}
	n := story.NewNet(2_000_000, story.Segment{Prefix: netip.MustParsePrefix("10.0.0.0/8")})
	t.plantWork(n)
	t.plantScanners(n)
	out := capfile.NewWriter(w, capfile.Pcap{Link: capfile.LinkEthernet})
	r := rand.New(rand.NewPCG(2, 1_000_000)) //nolint:gosec // reproducible traffic, no secret
	f := flooder{out: out, rand: r, target: target, planted: n.Trace.Records()}
	begin := story.Start().Add(floodBegins).UnixNano()
	for k := range sources {
		t.Spoofed += f.packet(begin+int64(floodLasts)/int64(sources)*int64(k), uint64(k))
	}
	f.until(math.MaxInt64)
	truth, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return nil, err
	}
	return truth, out.Flush()
}

// plantWork has thirty inside hosts read files all the time.
func (t *FloodTruth) plantWork(n *story.Net) {
	server := story.FileServer{Addr: netip.MustParseAddr("10.1.0.21"), Name: "FILES02", Major: 6, Minor: 3, Build: 9600, Dialect: 0x0302}
	for k := range 30 {
		client := netip.AddrFrom4([4]byte{10, 3, 0, byte(10 + k)})
		t.Busy = append(t.Busy, client)
		for when := time.Duration(k) * time.Second; when < floodStory; when += 40 * time.Second {
			n.ReadFile(when, client, server, 900)
		}
	}
}

// plantScanners has three real scanners sweep port 445.
func (t *FloodTruth) plantScanners(n *story.Net) {
	fast, slow := netip.MustParseAddr("10.2.0.66"), netip.MustParseAddr("10.2.0.77")
	outside := cleanAddress(999_999 * 20)
	t.sweep(n, fast, true, 5*time.Minute, 50*time.Millisecond, 200)
	t.sweep(n, slow, true, 10*time.Second, 20*time.Second, 29)
	t.sweep(n, outside, false, 3*time.Minute, 500*time.Millisecond, 150)
}

// sweep has a host try port 445 of one host after the other: two of ten
// refuse, one of ten accepts.
func (t *FloodTruth) sweep(n *story.Net, src netip.Addr, isInside bool, when, gap time.Duration, targets int) {
	s := &story.Scanner{IP: src, Inside: isInside, Port: 445, First: story.Start().Add(when), Targets: targets}
	for k := range targets {
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 4, src.As4()[3], byte(1 + k)}), 445)
		switch k % 10 {
		case 4:
			s.Answered++
			n.Dial(when, src, dst).Close()
		case 1, 7:
			s.Refused++
			n.Refuse(when, src, dst, 1)
		default:
			s.Silent++
			n.Silent(when, src, dst, 1)
		}
		when += gap
	}
	t.Scanners = append(t.Scanners, s)
}

// flooder writes the packets of the flood, and those that were planted between
// them.
type flooder struct {
	out     *capfile.Writer
	rand    *rand.Rand
	target  netip.AddrPort
	planted []story.Record // still to be written, by time
	replies []story.Record // the same
}

// scatter is odd, so that multiplying by it permutes.
const scatter = 0x9e3779

// packet writes the k-th source's SYN, and the server's answer to one in
// twenty, which every second of those throws away. It returns 1 when the
// source is an inside address.
func (f *flooder) packet(now int64, k uint64) int {
	src, spoofed := cleanAddress(k*20+1), 0
	if k%10 == 3 {
		v := uint32(k) * scatter // each k another one
		src, spoofed = netip.AddrFrom4([4]byte{10, 64 | byte(v>>16)&63, byte(v >> 8), byte(v)}), 1
	}
	from := netip.AddrPortFrom(src, uint16(1024+f.rand.UintN(60_000)))
	t := wire.TCP{Flags: wire.SYN, Seq: f.rand.Uint32(), Window: 1024}
	f.until(now)
	f.out.Packet(now, f.segment(from, f.target, t))
	if k%20 == 0 {
		back := wire.TCP{Flags: wire.SYN | wire.ACK, Seq: f.rand.Uint32(), Ack: t.Seq + 1, Window: 8192}
		f.replies = append(f.replies, story.Record{At: now + 100_000, Frame: f.segment(f.target, from, back)})
	}
	if k%40 == 0 {
		f.replies = append(f.replies, story.Record{At: now + 150_000, Frame: f.segment(from, f.target, wire.TCP{Flags: wire.RST, Seq: t.Seq + 1})})
	}
	return spoofed
}

// until writes what waits for its time, up to now.
func (f *flooder) until(now int64) {
	for {
		next := &f.planted
		if len(f.planted) == 0 || len(f.replies) > 0 && f.replies[0].At < f.planted[0].At {
			next = &f.replies
		}
		if len(*next) == 0 || (*next)[0].At > now {
			return
		}
		f.out.Packet((*next)[0].At, (*next)[0].Frame)
		*next = (*next)[1:]
	}
}

func (f *flooder) segment(src, dst netip.AddrPort, t wire.TCP) []byte {
	b := wire.AppendEthernet(nil, wire.MACOf(dst.Addr()), wire.MACOf(src.Addr()), wire.TypeIPv4)
	b = wire.AppendTCPPacket(b, src, dst, wire.Envelope{TTL: uint8(40 + f.rand.UintN(20)), ID: uint16(f.rand.Uint32())}, t, nil)
	for len(b) < minFrame {
		b = append(b, 0)
	}
	return b
}
