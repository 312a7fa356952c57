package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// Sizes of the headers of a pcap file, in bytes.
const (
	pcapFileHeader     = 24
	pcapRecordHeader   = 16
	pcapModifiedHeader = 24 // of the records of a "modified" file
)

// A pcap reads the format of libpcap's savefiles (pcap-savefile(5),
// draft-ietf-opsawg-pcap), versions 2.0 to 2.4.
type pcap struct {
	*stream
	swapped  bool // numbers are big-endian
	lengths  lengthOrder
	header   int   // bytes of a record header
	unit     int64 // nanoseconds of a unit of the time's fraction
	link     LinkType
	last     uint32 // time of the last record, seconds
	fraction uint32 // units a second
}

// lengthOrder says in which order a record has its two lengths: versions up to
// 2.2 had the one on the wire first, and in 2.3 both exist.
type lengthOrder uint8

const (
	capturedFirst lengthOrder = iota
	wireFirst
	smallerIsCaptured
)

// newPcap reads the file header.
func newPcap(s *stream) (*pcap, error) {
	if !s.in.have(pcapFileHeader) {
		return nil, shortHeader(s, "pcap", pcapFileHeader)
	}
	h := s.in.rest()[:pcapFileHeader]
	p := &pcap{stream: s, header: pcapRecordHeader, unit: 1000, fraction: 1_000_000}
	p.swapped = !pcapMagic(binary.LittleEndian.Uint32(h))
	switch p.u32(h) {
	case magicNano:
		p.unit, p.fraction = 1, nsPerSecond
	case magicModified:
		p.header = pcapModifiedHeader
	}
	major, minor := p.version(h[4:])
	switch {
	case major != 2:
		return nil, fmt.Errorf("is a pcap file of version %d.%d, which is not known", major, minor)
	case minor < 3:
		p.lengths = wireFirst
	case minor == 3:
		p.lengths = smallerIsCaptured
	}
	// The upper half tells of frame check sequences, which no decoder minds.
	p.link = LinkType(p.u32(h[20:]) & 0xffff)
	s.in.pos += pcapFileHeader
	return p, nil
}

// shortHeader is the error for a stream that ends within its file header.
func shortHeader(s *stream, what string, size int) error {
	switch {
	case s.raw.err != nil:
		return bare(s.raw.err)
	case !errors.Is(s.in.err, io.EOF):
		return fmt.Errorf("the %s data are damaged or cut short: %w", s.packing, s.in.err)
	default:
		return fmt.Errorf("is no capture: the %s header is cut short: %d of %d bytes", what, len(s.in.rest()), size)
	}
}

func (p *pcap) u32(b []byte) uint32 {
	n := binary.LittleEndian.Uint32(b)
	if p.swapped {
		n = bits.ReverseBytes32(n)
	}
	return n
}

func (p *pcap) version(b []byte) (major, minor uint16) {
	if p.swapped {
		return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	return binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
}

func (p *pcap) next(f *Frame) error {
	for {
		if !p.in.have(p.header) {
			return p.ended("record", p.in.offset())
		}
		h := p.in.rest()
		captured, wire := p.sizes(h)
		if captured > maxFrame {
			p.damaged(captured)
			continue
		}
		p.last = p.u32(h)
		f.Time = int64(p.last)*nsPerSecond + int64(p.u32(h[4:]))*p.unit
		size := p.header + int(captured)
		if !p.in.have(size) {
			return p.ended("record", p.in.offset())
		}
		end := p.in.pos + size
		f.Data = p.in.data[p.in.pos+p.header : end : end]
		f.Len = int(max(wire, captured))
		f.Link = p.link
		p.in.pos = end
		return nil
	}
}

func (p *pcap) more(r *Run, most int, before int64) {
	if p.swapped || p.lengths != capturedFirst || p.header != pcapRecordHeader {
		return // rare, and not worth their tests at each record
	}
	r.Block, r.Link = p.in.data[:p.in.end], p.link
	p.in.pos = p.whole(r, p.in.pos, most, before)
}

// whole takes the records from a place on, up to one that is not whole, damaged
// or too late, and returns where that is.
func (p *pcap) whole(r *Run, at, most int, before int64) int {
	order, unit := binary.LittleEndian, p.unit
	b := slices.Clip(r.Block) // a capacity that is the length takes no register
	heads, n := r.Heads[:min(most, MaxRun)], 0
	for n < len(heads) && at <= len(b)-pcapRecordHeader {
		h := (*[pcapRecordHeader]byte)(b[at : at+pcapRecordHeader : at+pcapRecordHeader])
		sec, captured := order.Uint32(h[0:]), order.Uint32(h[8:])
		time := int64(sec)*nsPerSecond + int64(order.Uint32(h[4:]))*unit
		data := at + pcapRecordHeader
		end := data + int(captured)
		if captured > maxFrame || end > len(b) || time >= before {
			break
		}
		p.last, at = sec, end
		heads[n] = Head{Time: time, At: uint32(data), Captured: captured, Len: max(order.Uint32(h[12:]), captured)} //nolint:gosec // G115: blocks are far smaller
		n++
	}
	r.End(n)
	return at
}

// sizes returns a record's two lengths.
func (p *pcap) sizes(h []byte) (captured, wire uint32) {
	captured, wire = p.u32(h[8:]), p.u32(h[12:])
	if p.lengths == wireFirst || p.lengths == smallerIsCaptured && captured > wire {
		return wire, captured
	}
	return captured, wire
}

// damaged goes on after a record that can't be one.
func (p *pcap) damaged(captured uint32) {
	from := p.in.offset()
	skipped, found := p.resync(p.header, p.last, p.plausible)
	p.warnDamage(from, fmt.Sprintf("a record of %d bytes", captured), skipped, found)
}

// plausible is the test for a record after damage. Random bytes pass with a
// probability of about 2^-54.
func (p *pcap) plausible(b []byte, prev uint32) (size int, at uint32) {
	const day = 86_400
	at = p.u32(b)
	captured, wire := p.sizes(b)
	switch {
	case captured == 0, captured > maxFrame, captured > wire, wire > maxFrame,
		p.u32(b[4:]) >= p.fraction,
		prev != 0 && (at+day < prev || at > prev+day):
		return 0, 0
	}
	return p.header + int(captured), at
}
