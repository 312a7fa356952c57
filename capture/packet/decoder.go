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
	whole     [maxNested][]byte // datagrams made whole, by how deep they were in each other
}

// frameState is what the decoder knows of the frame it is in.
type frameState struct {
	layers  uint8 // Ethernet and IP headers read
	nested  uint8 // reassembled datagrams that we are inside of
	tagged  bool  // Packet.VLAN is set
	strict  bool  // inside a UDP port that may be a tunnel: what does not fit is no tunnel
	partial bool  // inside the first fragment of a datagram, of which the rest is missing
}

// NewDecoder returns a Decoder that has seen nothing yet.
func NewDecoder() *Decoder {
	return &Decoder{
		fragments: newFragmentTable(),
		stats:     Stats{Links: make(map[capture.LinkType]uint64)},
	}
}

// Decode fills p from f. It returns OK when p is to be given to detectors, and
// else why not; then p means nothing. What p holds of f is borrowed, and valid
// as long as f and until the next call.
//
// A fragmented datagram is given out twice: its first fragment at once, with
// Packet.Fragment set, and the whole of it when the last fragment comes, with
// Packet.Reassembled set.
func (d *Decoder) Decode(f *capture.Frame, p *Packet) Outcome {
	p.Time, p.File, p.Number = f.Time, f.File, f.Number
	p.VLAN, p.Fragment, p.Reassembled = 0, false, false
	d.frame = frameState{}
	b, wire := f.Data, max(f.Len, len(f.Data))
	var o Outcome
	switch {
	case f.Link != capture.LinkEthernet:
		o = d.link(p, f, wire)
	case len(b) >= 14 && u16(b[12:]) == typeIPv4: // most frames: save them two calls
		o = d.ipv4(p, b[14:], wire-14)
	default:
		o = d.ethernet(p, b, wire)
	}
	d.stats.Outcomes[o]++
	return o
}

// Stats returns what the Decoder counted so far. The caller owns the result.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Links = maps.Clone(d.stats.Links)
	s.Fragments = d.fragments.stats
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
