package dns

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/dnsmsg"
	"wormscope/detect/dup"
	"wormscope/internal/ip"
	"wormscope/ioc"
)

const (
	maxLookups = 1 << 15
	// repeatWindow is how long the same query, by port and ID, is taken for a
	// repetition or a copy: stubs try again after 5 s, and once more.
	repeatWindow = int64(15 * time.Second)
	// answerWindow is how long after a query its answer may come: a resolver
	// gives up long before, but not always its client.
	answerWindow = int64(2 * time.Minute)
	// lookupSpan is how long a stub goes on with one lookup: it asks for both
	// types of address, and with search suffixes.
	lookupSpan = int64(5 * time.Second)
)

// lookup is a query for an indicator with its answers, or answers whose query
// was not seen.
type lookup struct {
	time      int64 // of the first message
	asked     bool  // the query was seen
	forwarded bool  // explained by a client's, there is no alert
	key       findingKey
	began     int64 // of the lookup that it is part of, see finding
}

// lookup returns what a message is part of, and whether it is the first one of
// that. The entry holds until the next call.
func (d *Detector) lookup(m *message, asker netip.AddrPort, question dup.Hash) (l *lookup, fresh bool) {
	response := d.parser.Response()
	h := question.AddrPort(ip.FromPort(asker)).Uint64(uint64(d.parser.ID))
	e := d.lookups.Get(h)
	if e == nil {
		e = d.lookups.Add(h)
		fresh = true
	}
	l = &e.Value
	window := repeatWindow
	if response {
		window = answerWindow
	}
	if age := m.time - l.time; fresh || age > window || age < -window {
		*l, fresh = lookup{time: m.time}, true
	}
	d.lookups.Touch(e)
	if !fresh {
		d.stats.Repeated++
	}
	l.asked = l.asked || !response
	return l, fresh
}

// questionHash sums up what a message asks for, and what was found of it.
func (d *Detector) questionHash(f found) dup.Hash {
	r := &d.reading
	h := dup.NewHash().Uint64(uint64(r.question.Type))
	if r.asked {
		h = h.Bytes(r.question.Name.Bytes())
	}
	return h.Bytes([]byte(f.name))
}

// beginLookup notes that a lookup began, unless it is part of the latest one.
func (v *finding) beginLookup(question dup.Hash, qtype string, now int64) {
	if v.began != 0 && now-v.began < lookupSpan && question != v.question {
		return
	}
	v.began, v.question = now, question
	v.dns.Last = alert.Lookup{Time: time.Unix(0, now).UTC(), Type: qtype}
}

// latest takes what an answer says about the latest lookup, the best of its
// answers, as in merge. It reports whether that is worth an update.
func (v *finding) latest(code dnsmsg.RCode, qtype string, r *reading) bool {
	last := &v.dns.Last
	was, is := rank(last.ResponseCode, len(last.Resolved)), rank(code.String(), len(r.addrs))
	if is < was {
		return false
	}
	if is > was || qtype == dnsmsg.TypeA.String() {
		last.ResponseCode, last.Type = code.String(), qtype
	}
	for _, a := range r.addrs {
		if len(last.Resolved) < maxAddrs && !slices.Contains(last.Resolved, a) {
			last.Resolved = append(last.Resolved, a)
		}
	}
	return v.alert.Indicator.Class == ioc.KillSwitch &&
		(v.said.ResponseCode != last.ResponseCode || !slices.Equal(v.said.Resolved, last.Resolved))
}
