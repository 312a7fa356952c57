package dns

import (
	"net/netip"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
	"wormscope/detect/dnsmsg"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

// message is one DNS message and how it came.
type message struct {
	data     []byte
	src, dst ip.AddrPort
	proto    packet.Proto
	vlan     uint16
	time     int64
	frame    alert.FrameRef
	cut      bool // there was more of it on the wire
}

// Limits for what is read of one message. No real one comes near; they keep
// the cost of a crafted one low.
const (
	maxQuestions = 4
	maxTargets   = 32
	maxFound     = 4
	maxAddrs     = 16
)

// reading is what one message says. It is used again for each.
type reading struct {
	time     int64           // of the message
	question dnsmsg.Question // the first one
	asked    bool            // there is a question
	next     dnsmsg.Question // for those behind the first
	name     dnsmsg.Name
	targets  int // names looked up beside the questions
	found    []found
	addrs    []netip.Addr // answered, at most maxAddrs
	client   netip.Prefix // EDNS Client Subnet
	dnssec   bool         // DNSSEC's records are wanted
}

// reset makes the reading ready for the next message, of a packet time. Names
// are large and are overwritten when they are read.
func (r *reading) reset(at int64) {
	r.time, r.asked, r.targets, r.addrs = at, false, 0, r.addrs[:0]
	if len(r.found) > 0 { // otherwise nothing else was read either
		r.found, r.client, r.dnssec = r.found[:0], netip.Prefix{}, false
	}
}

// found is an indicator name in a message.
type found struct {
	match ioc.Match
	name  string      // as in the message
	asked bool        // it is a question, and no alias led there
	qtype dnsmsg.Type // of that question
}

// message looks at one DNS message.
func (d *Detector) message(m *message) {
	p, r := &d.parser, &d.reading
	if !p.Start(m.data) {
		d.fault(m)
		return
	}
	if p.Response() {
		d.stats.Responses++
		if m.reflected() {
			d.stats.Reflected++
		}
		if d.met < enoughMet && d.queries.asked(m.dst, p.ID, m.time) {
			d.met++
		}
	} else {
		d.stats.Queries++
		d.queries.note(m.src, p.ID, m.time)
		d.sought(m)
	}
	if p.Opcode() != 0 {
		d.stats.OtherOpcodes++
		return
	}
	if p.Response() && p.RecursionAvailable() && m.src.Port == port {
		d.learn(m)
	}
	if d.clean(m.data) {
		return
	}
	r.reset(m.time)
	d.readQuestions()
	if len(r.found) > 0 || p.Response() && !d.transfers(m) {
		d.readRecords()
	}
	if p.Fault() != dnsmsg.OK {
		d.fault(m)
	}
	for i := range r.found {
		d.stats.Matches++
		d.match(m, r.found[i])
	}
}

// reflected reports whether a datagram goes to a system port other than DNS's own,
// from which nobody asks: an answer there was made to be sent, by a question with a
// forged sender for instance, so that a service drowns.
func (m *message) reflected() bool {
	return m.proto == packet.ProtoUDP && m.dst.Port < ip.SystemPorts && m.dst.Port != port
}

// clean reports that a message holds no indicator for certain, nor anything to
// count, as it can of nearly all that hold none.
func (d *Detector) clean(msg []byte) bool {
	name, ok := d.parser.Glance()
	return ok && d.tails.Clean(msg[:name.End], name.Start, name.Lengths)
}

// fault counts a message that could not be read to its end.
func (d *Detector) fault(m *message) {
	if f := d.parser.Fault(); m.cut && f.Short() {
		d.stats.CutShort++
	} else {
		d.stats.Undecoded[f]++
	}
}

// readQuestions looks up what is asked for.
func (d *Detector) readQuestions() {
	r := &d.reading
	if r.asked = d.parser.Question(&r.question); !r.asked {
		return
	}
	d.lookAsked(&r.question)
	for n := min(d.parser.Questions, maxQuestions); n > 1 && d.parser.Question(&r.next); n-- {
		d.lookAsked(&r.next)
	}
}

// transfers reports whether an answer is part of a zone transfer (RFC 5936), which
// holds names that nobody asked for. Only its first message needs to have a question,
// and over TCP no other answer goes without one.
func (d *Detector) transfers(m *message) bool {
	r := &d.reading
	if !r.asked {
		return m.proto == packet.ProtoTCP
	}
	return r.question.Type == dnsmsg.TypeAXFR || r.question.Type == dnsmsg.TypeIXFR
}

// readRecords looks up where aliases lead, and collects the addresses, the client's
// network, and whether DNSSEC is wanted. A message in which nothing was found is read no further
// than its answers.
func (d *Detector) readRecords() {
	p, rec, r := &d.parser, &d.record, &d.reading
	for p.Record(rec) {
		if rec.Section != dnsmsg.Answer {
			if len(r.found) == 0 {
				return
			}
			if client, ok := rec.ClientSubnet(); ok {
				r.client = client
			}
			r.dnssec = r.dnssec || rec.WantsDNSSEC()
			continue
		}
		if addr, ok := rec.Addr(); ok && len(r.addrs) < maxAddrs {
			r.addrs = append(r.addrs, addr)
		}
		d.readNames()
	}
}

// readNames looks up the names of an answer: where an alias leads, and whose
// answer it is when the message does not hold the question.
func (d *Detector) readNames() {
	p, rec, r := &d.parser, &d.record, &d.reading
	if r.targets >= maxTargets {
		return
	}
	if !r.asked && p.Owner(rec, &r.name) {
		d.look(&r.name)
		r.targets++
	}
	if p.Target(rec, &r.name) {
		d.look(&r.name)
		r.targets++
	}
}

// lookAsked looks the name of a question up.
func (d *Detector) lookAsked(q *dnsmsg.Question) {
	n := len(d.reading.found)
	d.look(&q.Name)
	for i := range d.reading.found[n:] {
		f := &d.reading.found[n+i]
		f.asked, f.qtype = true, q.Type
	}
}

// look looks one name up and notes when it is an indicator.
func (d *Detector) look(name *dnsmsg.Name) {
	if d.set.Clean(name.Wire()) {
		return
	}
	r := &d.reading
	match, ok := d.set.Name(name.Bytes(), r.time)
	if !ok || len(r.found) >= maxFound {
		return
	}
	for i := range r.found {
		if r.found[i].match == match {
			return
		}
	}
	r.found = append(r.found, found{match: match, name: name.String()})
}
