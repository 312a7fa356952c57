package capture

import "encoding/binary"

// Option codes, whose meaning depends on the block that they stand in
// (draft-ietf-opsawg-pcapng, chapters 3.5 and 4).
const (
	optEnd          = 0
	optTimeResol    = 9  // if_tsresol
	optTimeOffset   = 14 // if_tsoffset
	optLostBefore   = 4  // epb_dropcount
	optLostByDevice = 5  // isb_ifdrop
	optLostBySystem = 7  // isb_osdrop
)

// microseconds is if_tsresol where an interface says nothing.
const microseconds = 6

// unknownLost is what the obsolete packet block says when it does not know how
// many frames were lost.
const unknownLost = 0xffff

// section begins a further section. It reports false, after a warning, when
// that can't be read.
func (p *pcapng) section(b []byte) bool {
	from := p.in.offset() - int64(len(b))
	if len(b) < minSection || p.u16(b[12:]) != 1 {
		p.warn(from, "a section of an unknown version; the rest of the file is not read")
		return false
	}
	p.interfaces = p.interfaces[:0]
	return true
}

// describe adds an interface to the section.
func (p *pcapng) describe(b []byte) {
	const fixed = 16 // bytes before the options
	if len(b) < fixed+4 {
		p.spoiled(b, "an interface description of %d bytes; skipped", len(b))
		return
	}
	if len(p.interfaces) == maxInterfaces {
		p.spoiled(b, "over %d interfaces in one section; skipped", maxInterfaces)
		return
	}
	resol, offset := uint8(microseconds), int64(0)
	options := b[fixed : len(b)-4]
	if v := p.option(options, optTimeResol); len(v) >= 1 {
		resol = v[0]
	}
	if v := p.option(options, optTimeOffset); len(v) >= 8 {
		offset = int64(p.u64(v)) //nolint:gosec // a signed number in the file
	}
	p.interfaces = append(p.interfaces, netInterface{
		clock:   newClock(resol, offset),
		link:    LinkType(p.u16(b[8:])),
		snaplen: p.u32(b[12:]),
	})
}

// enhanced reads an enhanced packet block into f. Like the others it reports
// false, after a warning, when it can't.
func (p *pcapng) enhanced(b []byte, f *Frame) bool {
	const fixed = 28 // bytes before the data
	if len(b) < fixed+4 {
		p.spoiled(b, "a packet block of %d bytes; skipped", len(b))
		return false
	}
	nif := p.find(b, p.u32(b[8:]))
	if nif == nil || !p.frame(b, fixed, nif, f) {
		return false
	}
	// Most blocks end right after the data and its padding.
	if options := b[fixed+(len(f.Data)+3)&^3 : len(b)-4]; len(options) > 4 {
		if v := p.option(options, optLostBefore); len(v) >= 8 {
			p.lose(nif, p.u64(v))
		}
	}
	return true
}

// whole takes blocks into r, beginning at offset at, and returns the offset of the
// first that it does not take: one that is not an enhanced packet block, has options
// or another link type, or is incomplete, damaged, or not before the given time.
func (p *pcapng) whole(r *Run, at, most int, before int64) int {
	const fixed = 28
	order := binary.LittleEndian
	heads, n := r.Heads[:min(most, MaxRun)], 0
	for n < len(heads) && at <= len(r.Block)-fixed-4 {
		b := r.Block[at:]
		captured, number := order.Uint32(b[20:]), order.Uint32(b[8:])
		if captured > maxFrame || uint64(number) >= uint64(len(p.interfaces)) {
			break
		}
		size := fixed + int(captured+3)&^3 + 4
		if size > len(b) || order.Uint32(b) != blockEnhanced ||
			int(order.Uint32(b[4:])) != size || int(order.Uint32(b[size-4:])) != size {
			break
		}
		nif := &p.interfaces[number]
		time := nif.ns(uint64(order.Uint32(b[12:]))<<32 | uint64(order.Uint32(b[16:])))
		if time >= before || n > 0 && nif.link != r.Link {
			break
		}
		r.Link = nif.link
		heads[n] = Head{Time: time, At: uint32(at + fixed), Captured: captured, Len: uint32(asInt(max(order.Uint32(b[24:]), captured)))} //nolint:gosec // G115: blocks are far smaller
		p.last = time
		at += size
		n++
	}
	r.End(n)
	return at
}

// packet reads an obsolete packet block.
func (p *pcapng) packet(b []byte, f *Frame) bool {
	const fixed = 28
	if len(b) < fixed+4 {
		p.spoiled(b, "a packet block of %d bytes; skipped", len(b))
		return false
	}
	nif := p.find(b, uint32(p.u16(b[8:])))
	if nif == nil || !p.frame(b, fixed, nif, f) {
		return false
	}
	if lost := p.u16(b[10:]); lost != unknownLost {
		p.lose(nif, uint64(lost))
	}
	return true
}

// frame fills in f from the part that the enhanced and the obsolete packet
// block have in common.
func (p *pcapng) frame(b []byte, fixed int, nif *netInterface, f *Frame) bool {
	captured, wire := p.u32(b[20:]), p.u32(b[24:])
	if captured > maxFrame || int(captured+3)&^3 > len(b)-fixed-4 {
		p.spoiled(b, "a frame of %d bytes in a block of %d; skipped", captured, len(b))
		return false
	}
	f.Time = nif.ns(uint64(p.u32(b[12:]))<<32 | uint64(p.u32(b[16:])))
	end := fixed + int(captured)
	f.Data = b[fixed:end:end]
	f.Len = asInt(max(wire, captured))
	f.Link = nif.link
	return true
}

// simple reads a simple packet block, which has no time, and is of the
// section's first interface.
func (p *pcapng) simple(b []byte, f *Frame) bool {
	const fixed = 12
	if len(b) < fixed+4 {
		p.spoiled(b, "a packet block of %d bytes; skipped", len(b))
		return false
	}
	nif := p.find(b, 0)
	if nif == nil {
		return false
	}
	wire := asInt(p.u32(b[8:]))
	captured := min(wire, len(b)-fixed-4)
	if nif.snaplen != 0 {
		captured = min(captured, asInt(nif.snaplen))
	}
	if captured > maxFrame {
		p.spoiled(b, "a frame of %d bytes in a block of %d; skipped", captured, len(b))
		return false
	}
	if p.last == 0 {
		p.warn(p.in.offset()-int64(len(b)), "a packet without a time, and none before it has one: taken as of 1970")
	}
	end := fixed + captured
	*f = Frame{Time: p.last, Data: b[fixed:end:end], Len: wire, Link: nif.link}
	return true
}

// statistics reads how many frames an interface has lost since the capture
// began. Several such blocks of one interface repeat each other.
func (p *pcapng) statistics(b []byte) {
	const fixed = 20
	if len(b) < fixed+4 {
		p.spoiled(b, "interface statistics of %d bytes; skipped", len(b))
		return
	}
	nif := p.find(b, p.u32(b[8:]))
	if nif == nil {
		return
	}
	var lost uint64
	for _, code := range []uint16{optLostByDevice, optLostBySystem} {
		if v := p.option(b[fixed:len(b)-4], code); len(v) >= 8 {
			lost += sane(p.u64(v))
		}
	}
	p.lost(nif, max(nif.reported, lost), nif.noted)
}

// lose notes that n frames were lost before a packet.
func (p *pcapng) lose(nif *netInterface, n uint64) {
	p.lost(nif, nif.reported, nif.noted+sane(n))
}

// lost brings an interface's two counts of lost frames up to date. Both are of the
// same frames, so only the larger one is added to the sum.
func (p *pcapng) lost(nif *netInterface, reported, noted uint64) {
	p.Dropped -= max(nif.reported, nif.noted)
	nif.reported, nif.noted = reported, noted
	p.Dropped += max(reported, noted)
}

// sane turns a count that no capture can have reached, such as the -1 for one
// that is not known, into 0.
func sane(n uint64) uint64 {
	if n > 1<<48 {
		return 0
	}
	return n
}

// find returns the section's interface of that number, or nil after a warning
// about block b.
func (p *pcapng) find(b []byte, number uint32) *netInterface {
	if uint64(number) < uint64(len(p.interfaces)) {
		return &p.interfaces[number]
	}
	p.spoiled(b, "a block of interface %d, which the file does not describe; skipped", number)
	return nil
}

// spoiled warns about the block b, which was read last.
func (p *pcapng) spoiled(b []byte, format string, args ...any) {
	p.Skipped += uint64(len(b))
	p.warn(p.in.offset()-int64(len(b)), format, args...)
}

// option returns the value of the first option of that code, nil without one.
// What is damaged ends the options.
func (p *pcapng) option(b []byte, code uint16) []byte {
	for len(b) >= 4 {
		this, size := p.u16(b), int(p.u16(b[2:]))
		b = b[4:]
		if this == optEnd || size > len(b) {
			return nil
		}
		if this == code {
			return b[:size]
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

func (p *pcapng) u64(b []byte) uint64 {
	if p.swapped {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}
