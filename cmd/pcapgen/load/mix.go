package load

import (
	"io"
	"math/rand/v2"
	"net/netip"

	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/story"
	"wormscope/cmd/pcapgen/wire"
)

// A Mix is a mixture of traffic to measure with: 70 % TCP data, 10 % DNS, 5 %
// SYN to port 445, and TCP control, UDP and ICMP; 9 % of it IPv6, 12 % with one
// or two VLAN tags.
type Mix struct {
	// size draws the payload of a TCP segment, datagram of a UDP packet.
	size     func(r *rand.Rand) int
	datagram int // the largest UDP payload
	smb      int // of ten connections, how many are file transfers by SMB1
}

// Mixes are the mixtures by name: small has about 125 bytes a packet, large
// about 640, and smb is large with a fifth of its packets SMB1.
func Mixes() map[string]Mix {
	return map[string]Mix{
		"small": {datagram: 120, size: func(r *rand.Rand) int {
			switch p := r.IntN(100); {
			case p < 42:
				return 0
			case p < 78:
				return 20 + r.IntN(160)
			default:
				return 100 + r.IntN(210)
			}
		}},
		"large": {datagram: 1200, size: large},
		"smb":   {datagram: 1200, size: large, smb: 3},
	}
}

// large draws the payload of a segment of bulk traffic.
func large(r *rand.Rand) int {
	switch p := r.IntN(100); {
	case p < 36:
		return 0
	case p < 81:
		return 1428
	default:
		return 100 + r.IntN(1300)
	}
}

// meanGap is the mean time between two packets: 20,000 a second.
const meanGap = 50_000

// openFlows is how many TCP connections there are at a time.
const openFlows = 20_000

// generator is a mixture while it is written.
type generator struct {
	mix      Mix
	rand     *rand.Rand
	out      *capfile.Writer
	now      int64
	buf      []byte
	noise    []byte
	flows    []flow
	control  queue[event]
	answers  queue[answer]
	names    *rand.Zipf
	queries  int
	opened   int
	every    int // a planted name each so many queries
	scanners []netip.Addr
	id       uint16
}

// Write writes a capture of this many packets.
func (m Mix) Write(w io.Writer, packets int) error {
	r := rand.New(rand.NewPCG(445, 1705)) //nolint:gosec // reproducible traffic, no secret
	g := &generator{
		mix: m, rand: r, now: story.Start().UnixNano(),
		out:   capfile.NewWriter(w, capfile.Pcap{Link: capfile.LinkEthernet}),
		noise: make([]byte, 1<<16),
		names: rand.NewZipf(r, 1.1, 8, 300_000),
		every: max(packets/22/Planted, 1),
	}
	for k := range g.noise {
		g.noise[k] = byte(r.Uint32())
	}
	for k := range 300 {
		g.scanners = append(g.scanners, inside(uint64(k)+1<<30, k%11 == 0))
	}
	for range openFlows {
		g.flows = append(g.flows, g.newFlow())
	}
	for range packets {
		g.now += g.rand.Int64N(2 * meanGap)
		g.packet()
	}
	return g.out.Flush()
}

// packet writes one packet of the mixture.
func (g *generator) packet() {
	switch p := g.rand.IntN(100); {
	case p < 70:
		g.data()
	case p < 80:
		g.dns()
	case p < 85:
		g.sweep()
	default:
		if g.control.len() > 0 && p < 98 {
			g.handshake(g.control.pop())
		} else {
			g.other()
		}
	}
}

// payload is noise of a length.
func (g *generator) payload(size int) []byte {
	at := g.rand.IntN(len(g.noise) - size)
	return g.noise[at : at+size]
}

// frame begins a frame from one host to another: Ethernet and the tags of the
// host inside.
func (g *generator) frame(src, dst netip.Addr, tags uint8) {
	b := wire.AppendEthernet(g.buf[:0], wire.MACOf(dst), wire.MACOf(src), 0)
	kind := uint16(wire.TypeIPv4)
	if !src.Is4() {
		kind = wire.TypeIPv6
	}
	b = b[:12]
	switch tags {
	case 0:
		b = append(b, byte(kind>>8), byte(kind))
	case 1:
		b = wire.AppendTag(append(b, 0x81, 0), 101, kind)
	default:
		b = wire.AppendTag(append(b, 0x88, 0xa8), 7, wire.TypeVLAN)
		b = wire.AppendTag(b, 102, kind)
	}
	g.buf = b
}

// done pads the frame as Ethernet does and writes it.
func (g *generator) done() {
	for len(g.buf) < minFrame {
		g.buf = append(g.buf, 0)
	}
	g.out.Packet(g.now, g.buf)
}

// minFrame is the shortest Ethernet frame, without its check sequence.
const minFrame = 60

// envelope is the next IP identification.
func (g *generator) envelope() wire.Envelope {
	g.id++
	return wire.Envelope{TTL: 64, ID: g.id}
}

// inside is the k-th host of the institution.
func inside(k uint64, v6 bool) netip.Addr {
	h := mix(k)
	if v6 {
		return netip.AddrFrom16([16]byte{0xfd, 0, 0, 0x10, 0, byte(h >> 40 % 40), 13: byte(h >> 8), 14: byte(h >> 16), 15: byte(h >> 24)})
	}
	return netip.AddrFrom4([4]byte{10, byte(10 + h>>40%40), byte(h >> 8), byte(1 + h>>16%254)})
}

// tagsOf says how many VLAN tags a host's frames have.
func tagsOf(a netip.Addr) uint8 {
	b := a.As16()
	switch h := hashOf(b[:]) >> 8 % 100; {
	case h < 9:
		return 1
	case h < 12:
		return 2
	}
	return 0
}

// queue is a first-in first-out list.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(v T) {
	if q.head > 1024 && q.head*2 > len(q.items) {
		q.items = append(q.items[:0], q.items[q.head:]...)
		q.head = 0
	}
	q.items = append(q.items, v)
}

func (q *queue[T]) pop() T {
	q.head++
	return q.items[q.head-1]
}
