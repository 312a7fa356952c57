package dns

import (
	"encoding/binary"

	"wormscope/capture/packet"
	"wormscope/detect/dnsmsg"
	"wormscope/detect/flow"
	"wormscope/internal/ip"
)

// stream is one connection of DNS over TCP: messages with their length before
// them (RFC 1035, chapter 4.2.2), both ways.
type stream struct {
	d    *Detector
	info flow.Info
	dirs [2]framer
}

// framer finds the messages of one direction.
type framer struct {
	buf  []byte       // the beginning of a message that is not whole yet, with its length
	need int          // length of that message with its length, 0 while it is not known
	skip int          // bytes still to come of a message that was given up
	lost bool         // where messages begin is not known
	bad  int          // messages in a row that make no sense
	dead bool         // this is no DNS
	at   flow.Segment // of the last bytes in buf
}

const (
	prefix = 2 // bytes of length before a message
	// maxHeld is how much of a message that comes in several segments is
	// kept: questions and aliases are at its beginning, and a zone transfer
	// can be left out.
	maxHeld = 4096
	// maxHeldAll is how much framers hold in all.
	maxHeldAll = 16 << 20
	// maxBad is how many messages in a row may make no sense.
	maxBad = 3
	// maxOpcode is the highest kind of message there is (IANA dns-parameters
	// registry).
	maxOpcode = 6
)

// openStream makes the consumer of a connection. When its opening was not
// seen, its first bytes may be the middle of a message.
func (d *Detector) openStream(info flow.Info) flow.Consumer {
	s := &stream{d: d, info: info}
	for i := range s.dirs {
		s.dirs[i].lost = info.Guessed
	}
	return s
}

// Data takes the next bytes of a direction.
func (s *stream) Data(dir flow.Dir, b []byte, at flow.Segment) {
	f := &s.dirs[dir]
	if f.lost {
		if !plausible(b) {
			return
		}
		f.lost = false
	}
	for len(b) > 0 && !f.dead {
		switch {
		case f.skip > 0:
			n := min(f.skip, len(b))
			f.skip -= n
			b = b[n:]
		case len(f.buf) == 0 && whole(b):
			n := prefix + int(binary.BigEndian.Uint16(b))
			s.message(dir, b[prefix:n], at, false)
			b = b[n:]
		default:
			b = s.collect(dir, b, at)
		}
	}
}

// whole reports whether b begins with a whole message.
func whole(b []byte) bool {
	return len(b) >= prefix && len(b) >= prefix+int(binary.BigEndian.Uint16(b))
}

// collect keeps what b holds of the message at its beginning, and returns the
// rest.
func (s *stream) collect(dir flow.Dir, b []byte, at flow.Segment) (rest []byte) {
	f := &s.dirs[dir]
	if f.need == 0 {
		n := min(prefix-len(f.buf), len(b))
		s.hold(f, b[:n])
		b = b[n:]
		if len(f.buf) < prefix {
			return nil
		}
		f.need = prefix + int(binary.BigEndian.Uint16(f.buf))
	}
	f.at = at
	n := min(f.need-len(f.buf), len(b))
	room := max(0, min(maxHeld-len(f.buf), maxHeldAll-s.d.buffered))
	switch ends := n == f.need-len(f.buf); {
	case len(f.buf) == prefix && (ends || n > room):
		s.readNow(dir, b[:n], !ends)
		return b[n:]
	case n > room:
		s.hold(f, b[:room])
		s.giveUp(dir)
		return b[room:]
	}
	s.hold(f, b[:n])
	if len(f.buf) == f.need {
		msg := f.buf[prefix:]
		s.release(f)
		s.message(dir, msg, at, false)
	}
	return b[n:]
}

// readNow reads a message of which nothing but its length came before, and which need not
// be kept, since it is whole, or can't.
func (s *stream) readNow(dir flow.Dir, b []byte, cut bool) {
	f := &s.dirs[dir]
	f.skip = f.need - prefix - len(b)
	s.release(f)
	s.message(dir, b, f.at, cut)
}

// giveUp reads what is there of a message that will not become whole, and lets
// the rest of it pass by.
func (s *stream) giveUp(dir flow.Dir) {
	f := &s.dirs[dir]
	msg := f.buf[prefix:]
	f.skip = f.need - len(f.buf)
	s.release(f)
	s.message(dir, msg, f.at, true)
}

// hold keeps bytes of a message.
func (s *stream) hold(f *framer, b []byte) {
	f.buf = append(f.buf, b...)
	s.d.buffered += len(b)
}

// release lets go of what is held; the caller may still read it.
func (s *stream) release(f *framer) {
	s.d.buffered -= len(f.buf)
	f.buf, f.need = nil, 0
}

// Gap says that n bytes of a direction are lost. When they are all of a
// message that is being read, the next one still begins where it should.
func (s *stream) Gap(dir flow.Dir, n int) {
	f := &s.dirs[dir]
	switch {
	case f.lost || f.dead:
	case n > 0 && n <= f.skip:
		f.skip -= n
	case n > 0 && f.skip == 0 && f.need > 0 && n <= f.need-len(f.buf):
		s.giveUp(dir)
		f.skip -= n
	default:
		f.skip = 0
		s.release(f)
		f.lost = true
	}
}

// Close lets go of what is held.
func (s *stream) Close() {
	for i := range s.dirs {
		s.release(&s.dirs[i])
	}
}

// message takes one message of a direction.
func (s *stream) message(dir flow.Dir, msg []byte, at flow.Segment, cut bool) {
	m := message{
		data: msg, src: ip.FromPort(s.info.Orig), dst: ip.FromPort(s.info.Resp), proto: packet.ProtoTCP, vlan: s.info.VLAN,
		time: at.Time, frame: at.Frame, cut: cut,
	}
	if dir == flow.FromResp {
		m.src, m.dst = m.dst, m.src
	}
	s.d.message(&m)
	f := &s.dirs[dir]
	if p := &s.d.parser; cut || p.Fault() == dnsmsg.OK && p.Opcode() <= maxOpcode {
		f.bad = 0
		return
	}
	if f.bad++; f.bad >= maxBad {
		f.dead = true
		s.d.stats.NotDNS++
	}
}

// plausible reports whether b begins with a message, in a stream of which the
// beginning or a part is lost: its length, the beginning of a header, one
// question, and no more records than could fit.
func plausible(b []byte) bool {
	const header = 12
	if len(b) < prefix+header {
		return false
	}
	n := int(binary.BigEndian.Uint16(b))
	opcode := b[prefix+2] >> 3 & 0xf
	questions := binary.BigEndian.Uint16(b[prefix+4:])
	records := 0
	for at := prefix + 6; at < prefix+header; at += 2 {
		records += int(binary.BigEndian.Uint16(b[at:]))
	}
	return n >= header && opcode <= maxOpcode && questions == 1 && header+5+records*11 <= n
}
