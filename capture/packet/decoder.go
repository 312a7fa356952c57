package packet

import (
	"encoding/binary"
	"maps"

	"wormscope/capture"
)

// maxLayers is how many Ethernet and IP headers the decoder reads in one
// frame before it gives up. It also bounds the work where there is a choice
// of readings, as after an MPLS label stack.
const maxLayers = 32

// Decoder turns frames into packets. It reassembles fragments, so one Decoder
// must see all the frames of a tap, in order. It is not safe for use by
// several goroutines.
//
// Every stage of it is a method that is given the bytes captured from its
// header on, and wire, the length that those bytes have on the wire, which is
// never less than what was captured.
type Decoder struct {
	fragments fragmentTable
	stats     Stats
	frame     frameState
	whole     [maxNested][]byte // reassembled datagrams, by their depth in each other
}

// frameState is what the decoder knows of the frame it is in.
type frameState struct {
	layers  uint8 // Ethernet and IP headers read
	nested  uint8 // reassembled datagrams that we are inside of
	tagged  bool  // Packet.VLAN is set
	strict  bool  // inside what may be a tunnel: it is none if its lengths do not fit
	partial bool  // inside the first fragment of a datagram, whose rest is not here
	again   bool  // inside a fragment that is kept: the reassembled datagram is decoded again, and only that counts
}

// NewDecoder returns a Decoder that has seen nothing yet.
func NewDecoder() *Decoder {
	return &Decoder{
		fragments: newFragmentTable(),
		stats:     Stats{Links: make(map[capture.LinkType]uint64)},
	}
}

// Decode fills p from f. It returns OK when p is to be given to detectors;
// otherwise the outcome says why not, and p is undefined. The payload of p is
// borrowed: it is valid as long as f.Data, and until the next call.
//
// A fragmented datagram is given out twice: its first fragment at once, with
// Packet.Fragment set, and the whole of it when the last fragment comes, with
// Packet.Reassembled set.
//
// Decode itself reads what nearly all frames are: Ethernet and tags, IPv4
// without options or IPv6 without extension headers, no fragment, TCP or UDP
// to no tunnel. The stages read these frames as well, and see the same in
// them, but take twice the instructions.
func (d *Decoder) Decode(f *capture.Frame, p *Packet) Outcome {
	p.Time, p.File, p.Number = f.Time, f.File, f.Number
	p.VLAN, p.Fragment, p.Reassembled = 0, false, false
	if f.Link != capture.LinkEthernet {
		return d.stages(p, f)
	}
	const after4, after6 = 14 + 20, 14 + 40 // where the IP header ends
	var (
		h          *[20]byte // the transport header
		proto      Proto
		start, end int // of what IP carries, then of the payload; end is as on the wire
	)
	be := binary.BigEndian // u16 and u32 would cost an instruction more each time
	b, tags := f.Data, uint64(0)
network:
	for {
		if len(b) < after4+20 {
			return d.stages(p, f)
		}
		v4 := (*[20]byte)(b[14:])
		switch t := be.Uint16(b[12:]); {
		case t == typeIPv4 && v4[0] == 0x45 && be.Uint32(v4[4:])&0x3fff == 0:
			h = (*[20]byte)(b[after4:])
			proto, start, end = p.readIPv4(v4), after4, 14+int(be.Uint16(v4[2:]))
			break network
		case t == typeIPv6 && v4[0]>>4 == 6 && len(b) >= after6+20:
			v6 := (*[40]byte)(b[14:])
			h = (*[20]byte)(b[after6:])
			proto, start, end = p.readIPv6(v6), after6, after6+int(be.Uint16(v6[4:]))
			break network
		case isTag(t):
			if tags == 0 {
				p.VLAN = be.Uint16(b[14:]) & 0x0fff
			}
			tags++
			b = b[4:] // which puts the tag's type where the frame's was
		default:
			return d.stages(p, f)
		}
	}
	p.Proto, p.Src.Port, p.Dst.Port = proto, be.Uint16(h[:]), be.Uint16(h[2:])
	switch {
	case proto == ProtoTCP && h[12] >= 5<<4:
		start += p.readTCP((*[14]byte)(h[:]))
	case proto == ProtoUDP && int(be.Uint16(h[4:])) <= end-start && tunnelAt(p.Src.Port, p.Dst.Port) == nil:
		start, end = start+8, start+int(be.Uint16(h[4:]))
		p.Flags, p.Seq, p.Ack = 0, 0, 0
	default:
		return d.stages(p, f)
	}
	p.PayloadLen, p.Truncated = end-start, end > len(b)
	if uint(end) < uint(len(b)) {
		b = b[:end]
	}
	if uint(start) > uint(len(b)) {
		return d.stages(p, f)
	}
	p.Payload = b[start:len(b):len(b)]
	d.stats.Encaps[VLAN] += tags
	d.stats.Outcomes[OK]++
	d.countCut(p, f)
	return OK
}

// stages decodes a frame of any kind. The time, place and fragment marks of p
// are set.
func (d *Decoder) stages(p *Packet, f *capture.Frame) (o Outcome) {
	p.VLAN, d.frame = 0, frameState{}
	b, wire := f.Data, max(f.Len, len(f.Data))
	switch {
	case f.Link != capture.LinkEthernet:
		o = d.link(p, f, wire)
	case len(b) >= 14 && u16(b[12:]) == typeIPv4: // save it two calls
		o = d.ipv4(p, b[14:], wire-14)
	default:
		o = d.ethernet(p, b, wire)
	}
	d.stats.Outcomes[o]++
	if o == OK {
		d.countCut(p, f)
	}
	return o
}

// countCut counts a packet that was cut short before its frame was captured:
// the frame itself is complete.
func (d *Decoder) countCut(p *Packet, f *capture.Frame) {
	if p.Truncated && f.Len <= len(f.Data) {
		d.stats.Sliced++
	}
}

// Stats returns what the Decoder counted so far. The caller owns the result.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Links = maps.Clone(d.stats.Links)
	s.Fragments = d.fragments.stats
	s.Fragments.Waiting = d.fragments.waiting()
	return s
}

// deeper counts one more header, and reports whether it is too many.
func (d *Decoder) deeper() bool {
	d.frame.layers++
	return d.frame.layers > maxLayers
}

// u16 and its like read network byte order.
func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
