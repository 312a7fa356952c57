package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
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
	unit     int64 // nanoseconds that one unit of a time's fraction stands for
	link     LinkType
	last     int64  // time of the last record, seconds, or noTime
	fraction uint32 // units in a second
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
	p := &pcap{stream: s}
	if err := p.describe(s.in.rest()[:pcapFileHeader]); err != nil {
		return nil, err
	}
	s.in.pos += pcapFileHeader
	return p, nil
}

// describe takes from a file header what the records after it are like.
func (p *pcap) describe(h []byte) error {
	p.header, p.unit, p.fraction, p.lengths = pcapRecordHeader, 1000, 1_000_000, capturedFirst
	p.last = noTime
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
		return fmt.Errorf("is a pcap file of version %d.%d, which is not known", major, minor)
	case minor < 3:
		p.lengths = wireFirst
	case minor == 3:
		p.lengths = smallerIsCaptured
	}
	// The upper half says whether frames end with a frame check sequence: decoders
	// go by the lengths in IP headers, and ignore what follows.
	p.link = LinkType(p.u32(h[20:]) & 0xffff)
	return nil
}

// joins reports whether a further file header begins where a record is due. Read
// as a record header it would say that 0 bytes were captured, of 0 on the wire.
func joins(b []byte) bool {
	magic := binary.LittleEndian.Uint32(b)
	return (pcapMagic(magic) || pcapMagic(bits.ReverseBytes32(magic))) && binary.LittleEndian.Uint64(b[8:]) == 0
}

// join goes on with a file that was appended to the one before, as cat does and
// as packed files allow.
func (p *pcap) join() error {
	from := p.in.offset()
	if !p.in.have(pcapFileHeader) {
		return p.ended("file header", from)
	}
	if err := p.describe(p.in.rest()[:pcapFileHeader]); err != nil {
		p.warn(from, "what is appended %v; the rest of the file is not read", err)
		return io.EOF
	}
	p.warn(from, "several pcap files in one, as cat joins them; all are read")
	p.in.pos += pcapFileHeader
	return nil
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
		if captured == 0 && joins(h) {
			if err := p.join(); err != nil {
				return err
			}
			continue
		}
		if captured > maxFrame || p.astray(captured, wire) {
			p.damaged(captured)
			continue
		}
		size := p.header + int(captured)
		if !p.in.have(size) {
			return p.ended("record", p.in.offset())
		}
		h = p.in.rest()
		p.last = int64(p.u32(h))
		f.Time = p.last*nsPerSecond + int64(p.u32(h[4:]))*p.unit
		end := p.in.pos + size
		f.Data = p.in.data[p.in.pos+p.header : end : end]
		f.Len = asInt(max(wire, captured))
		f.Link = p.link
		p.in.pos = end
		return nil
	}
}

func (p *pcap) more(r *Run, most int, before int64) {
	if p.swapped || p.lengths != capturedFirst || p.header != pcapRecordHeader {
		return // rare variants: testing for them at each record would cost all files
	}
	r.Block, r.Link = p.in.data[:p.in.end], p.link
	last := p.last
	p.in.pos = p.whole(r, p.in.pos, most, before)
	p.endAtLeap(r, last)
}

// endAtLeap ends a run before the first record that is far in time from the one
// before it, since that may be damage, which next has to judge. last is the time
// of the record before the run, in seconds.
func (p *pcap) endAtLeap(r *Run, last int64) {
	if r.N == 0 || !far(last, r.Sum.Oldest/nsPerSecond) && !far(last, r.Sum.Newest/nsPerSecond) &&
		r.Sum.Newest-r.Sum.Oldest <= day*nsPerSecond {
		return
	}
	for i := range r.Heads[:r.N] {
		at := r.Heads[i].Time / nsPerSecond
		if far(last, at) {
			p.in.pos, p.last = int(r.Heads[i].At)-p.header, last
			r.End(i)
			return
		}
		last = at
	}
}

// whole takes records into r, beginning at offset at, and returns the offset of the
// first that it does not take: one that is incomplete, implausible, not before the
// given time, or without bytes, which may be a further file header.
func (p *pcap) whole(r *Run, at, most int, before int64) int {
	order, unit := binary.LittleEndian, p.unit
	reach := min(len(r.Block), at+maxFrame) // so that no larger record is whole
	b := r.Block[:reach:reach]              // with length and capacity the same, the loop needs one register less
	heads, n := r.Heads[:min(most, MaxRun)], 0
	from, length, oldest, newest := at, int64(0), int64(math.MaxInt64), int64(math.MinInt64)
	for n < len(heads) && at <= len(b)-pcapRecordHeader {
		h := (*[pcapRecordHeader]byte)(b[at : at+pcapRecordHeader : at+pcapRecordHeader])
		captured, wire := order.Uint32(h[8:]), uint32(asInt(order.Uint32(h[12:]))) //nolint:gosec // G115: what it was
		time := int64(order.Uint32(h[0:]))*nsPerSecond + int64(order.Uint32(h[4:]))*unit
		data := at + pcapRecordHeader
		end := data + int(captured)
		if captured == 0 || captured > wire || uint(end) > uint(len(b)) || time >= before {
			break
		}
		at = end
		heads[n] = Head{Time: time, At: uint32(data), Captured: captured, Len: wire} //nolint:gosec // G115: blocks are far smaller
		n++
		length += int64(wire)
		oldest, newest = min(oldest, time), max(newest, time)
	}
	if n > 0 {
		p.last = heads[n-1].Time / nsPerSecond
	}
	r.end(n, RunSum{Captured: at - from - n*pcapRecordHeader, Len: length, Oldest: oldest, Newest: newest})
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

// damaged goes on behind bytes that can't be a record.
func (p *pcap) damaged(captured uint32) {
	from := p.in.offset()
	skipped, found := p.resync(p.header, p.last, p.plausible)
	p.warnDamage(from, fmt.Sprintf("a record of %d bytes", captured), skipped, found)
}

// plausible is the test for a record after damage. Random bytes pass with a
// probability of about 2^-54, and of 2^-40 where no time is known: at least
// three more such records follow it then, or it ends with the file.
func (p *pcap) plausible(b []byte, prev int64) (size int, at int64) {
	at = int64(p.u32(b))
	switch {
	case joins(b):
		return pcapFileHeader, prev
	case !p.sound(b), far(prev, at),
		prev == noTime && at < year1980: // or small numbers in a row would be records
		return 0, 0
	}
	captured, _ := p.sizes(b)
	return p.header + int(captured), at
}

// sound reports whether a record header makes sense, whatever its time.
func (p *pcap) sound(h []byte) bool {
	captured, wire := p.sizes(h)
	return captured <= wire && p.sized(h)
}

// sized is like sound, but allows fewer bytes on the wire than were captured: some
// writers get the length on the wire wrong.
func (p *pcap) sized(h []byte) bool {
	captured, wire := p.sizes(h)
	return captured > 0 && max(captured, wire) <= maxFrame && p.u32(h[4:]) < p.fraction
}

const (
	// day is how far apart the times of two neighbouring records may be, in
	// seconds, before one of them is suspected of damage.
	day = 86_400
	// year1980 is the time at which that year began: few clocks are set to a time
	// before it, but most small numbers would be one.
	year1980 = 315_532_800
)

// far reports whether the time at is more than a day away from that of the last
// record, if there was one. Both are in seconds.
func far(last, at int64) bool { return last != noTime && (at < last-day || at > last+day) }

// astray reports whether no record begins at the unused bytes, because a length is
// damaged: that of this record, or of one before it. A record is suspicious if it is
// larger than what is left of the file or than it was on the wire, or far in time from
// the one before. Some good records are so, too, but other good ones follow those.
func (p *pcap) astray(captured, wire uint32) bool {
	size := p.header + int(captured)
	whole := p.in.have(size)
	h := p.in.rest()
	at := int64(p.u32(h))
	leaps := far(p.last, at)
	switch {
	case whole && !leaps && captured <= wire:
		return false
	case leaps && at == 0 && captured == 0: // zeros: nothing is lost by passing over them
		return true
	case whole && (!leaps || at >= year1980 && p.sound(h)) && p.followed(size):
		return false
	}
	return p.goesOn(p.header, p.last, p.plausible)
}

// followed reports whether a record of size bytes is the last, or one that makes
// sense follows it.
func (p *pcap) followed(size int) bool {
	if !p.in.have(size + p.header) {
		return true
	}
	next := p.in.rest()[size:]
	return joins(next) || p.sized(next)
}
