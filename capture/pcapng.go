package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng, chapter 4) that are read.
// All others are passed over.
const (
	blockSection    = magicSection
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// Sizes of blocks, in bytes.
const (
	minBlock   = 12       // type, length and the length again
	minSection = 28       // of a section header
	maxRead    = 1 << 20  // the longest block that is read; a frame with its options has no need for more
	maxSkipped = 16 << 20 // the longest that is passed over; Wireshark has the same limit
)

// byteOrderMark is in a section header in the byte order of the section.
const byteOrderMark = 0x1a2b3c4d

// maxInterfaces is how many interfaces a section can have.
const maxInterfaces = 1 << 16

// A pcapng reads the format of the same name (draft-ietf-opsawg-pcapng). Its
// blocks are told apart here; what each type says is in pcapngblock.go.
type pcapng struct {
	*stream
	swapped    bool // the section's numbers are big-endian
	interfaces []netInterface
	last       int64 // time of the last frame, used for frames that have none
}

// A netInterface is what a section says of one interface.
type netInterface struct {
	clock
	snaplen  uint32 // 0 is no limit
	link     LinkType
	reported uint64 // frames lost, as its statistics say
	noted    uint64 // frames lost, as its packets say
}

// newPcapng reads the first section header.
func newPcapng(s *stream) (*pcapng, error) {
	if !s.in.have(minSection) {
		return nil, shortHeader(s, "pcapng", minSection)
	}
	p := &pcapng{stream: s}
	_, size, wrong := p.header(s.in.rest())
	if wrong != "" {
		return nil, fmt.Errorf("is no capture: begins as pcapng does, but with %s", wrong)
	}
	if !s.in.have(size) {
		return nil, shortHeader(s, "pcapng", size)
	}
	b := s.in.rest()[:size]
	if last := p.u32(b[size-4:]); int64(last) != int64(size) || size < minSection {
		return nil, fmt.Errorf("is no capture: begins as pcapng does, but with a section header of %d bytes that ends as one of %d", size, last)
	}
	if major := p.u16(b[12:]); major != 1 {
		return nil, fmt.Errorf("is a pcapng file of version %d.%d, which is not known", major, p.u16(b[14:]))
	}
	s.in.pos += size
	return p, nil
}

// byteOrder reads the order that a section's numbers are in. It reports false
// where b does not begin with the mark that tells it.
func (p *pcapng) byteOrder(b []byte) bool {
	switch binary.LittleEndian.Uint32(b) {
	case byteOrderMark:
		p.swapped = false
	case bits.ReverseBytes32(byteOrderMark):
		p.swapped = true
	default:
		return false
	}
	return true
}

func (p *pcapng) u32(b []byte) uint32 {
	n := binary.LittleEndian.Uint32(b)
	if p.swapped {
		n = bits.ReverseBytes32(n)
	}
	return n
}

func (p *pcapng) u16(b []byte) uint16 {
	n := binary.LittleEndian.Uint16(b)
	if p.swapped {
		n = bits.ReverseBytes16(n)
	}
	return n
}

func (p *pcapng) next(f *Frame) error {
	for {
		kind, b, err := p.block()
		if err != nil {
			return err
		}
		ok := false
		switch kind {
		case blockEnhanced:
			ok = p.enhanced(b, f)
		case blockSimple:
			ok = p.simple(b, f)
		case blockPacket:
			ok = p.packet(b, f)
		case blockInterface:
			p.describe(b)
		case blockStatistics:
			p.statistics(b)
		case blockSection:
			if !p.section(b) {
				return io.EOF
			}
		default:
			if numbered(kind) {
				p.records++
			}
		}
		if ok {
			p.last = f.Time
			return nil
		}
	}
}

func (p *pcapng) more(r *Run, most int, before int64) {
	if p.swapped {
		return
	}
	r.Block = p.in.data[:p.in.end]
	p.in.pos = p.whole(r, p.in.pos, most, before)
}

// block returns the next block, whole: b has its type, both of its lengths and
// all between, and is valid until the next call. Very long ones of a type that
// is not read are passed over.
func (p *pcapng) block() (kind uint32, b []byte, err error) {
	for {
		if !p.in.have(minBlock) {
			return 0, nil, p.ended("block", p.in.offset())
		}
		kind, size, wrong := p.header(p.in.rest())
		from := p.in.offset()
		switch {
		case wrong != "":
			p.damaged(wrong)
		case size > maxRead:
			if !p.in.skip(size) {
				return 0, nil, p.ended("block", from)
			}
		case !p.in.have(size):
			if !p.goesOn(minBlock, noTime, p.plausible) {
				return 0, nil, p.ended("block", from)
			}
			p.damaged(fmt.Sprintf("a block of %d bytes, more than there are", size))
		default:
			b = p.in.rest()[:size:size]
			if last := p.u32(b[size-4:]); int64(last) != int64(size) {
				p.damaged(fmt.Sprintf("a block of %d bytes that ends as one of %d", size, last))
				continue
			}
			p.in.pos += size
			return kind, b, nil
		}
	}
}

// header reads the type and size of the block that h begins with. wrong says
// what makes it impossible.
func (p *pcapng) header(h []byte) (kind uint32, size int, wrong string) {
	kind = p.u32(h)
	if kind == blockSection && !p.byteOrder(h[8:]) {
		return kind, 0, "a section header without a byte order mark"
	}
	n := p.u32(h[4:])
	if n < minBlock || n%4 != 0 || n > longest(kind) {
		return kind, 0, fmt.Sprintf("a block of type %d and %d bytes", kind, n)
	}
	return kind, int(n), ""
}

// longest returns how long a block can be, in bytes.
func longest(kind uint32) uint32 {
	switch kind {
	case blockSection, blockInterface, blockPacket, blockSimple, blockStatistics, blockEnhanced:
		return maxRead
	default:
		return maxSkipped
	}
}

// damaged goes on behind bytes that can't be a block.
func (p *pcapng) damaged(what string) {
	from := p.in.offset()
	skipped, found := p.resync(minBlock, noTime, p.plausible)
	p.warnDamage(from, what, skipped, found)
}

// plausible is the test for a block after damage: its type is known, and it
// ends with its length. It has no use for times.
func (p *pcapng) plausible(b []byte, _ int64) (size int, at int64) {
	kind, n := p.u32(b), p.u32(b[4:])
	switch {
	case n < minBlock, n%4 != 0, n > maxRead, !registered(kind),
		kind == blockSection && p.u32(b[8:]) != byteOrderMark,
		int(n) <= len(b) && p.u32(b[n-4:]) != n:
		return 0, noTime
	}
	return int(n), noTime
}

// Further block types: not read, but Wireshark numbers them as it does frames.
const (
	blockJournal      = 9 // systemd's
	blockCustom       = 0xbad
	blockCustomNoCopy = 0x4000_0bad
)

// registered reports whether kind is a type of block of the standard.
func registered(kind uint32) bool {
	return kind >= 1 && kind <= 10 || kind == blockSection || numbered(kind)
}

// numbered reports whether Wireshark gives such a block a number, as it does
// to a frame.
func numbered(kind uint32) bool {
	return kind == blockJournal || kind == blockCustom || kind == blockCustomNoCopy
}
