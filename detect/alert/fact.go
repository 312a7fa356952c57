package alert

import (
	"net/netip"
	"time"
)

// A Fact is something a detector learned about a host that belongs in the
// ledger and is no alert in itself.
type Fact struct {
	Kind  FactKind
	Host  netip.Addr // the host that the fact is about
	Peer  netip.Addr // who did it, invalid where nobody did
	Port  uint16     // the port it happened on, 0 where none
	Time  time.Time
	Frame FrameRef

	Detail     string  // what the kind leaves open, such as the name of an exploit; see the kinds
	Confidence float64 // 0 to 1; 0 means the kind's own
	Asset      *Asset  // of FactAsset
	Alert      string  // id of the alert that tells more, empty where there is none
}

// FactKind is a kind of fact, as the scope document names it.
type FactKind string

// The facts that are not alerts.
const (
	// FactTargeted: the host answered, or refused, an attempt of a scanner.
	FactTargeted FactKind = "targeted"
	// FactResolver: the host answers DNS queries of many others.
	FactResolver FactKind = "resolver"
	// FactExposed: the host answers on a lateral port other than SMB's; the
	// peer is who was answered first.
	FactExposed FactKind = "exposed"
)

// Refused is the Detail of a FactTargeted whose port was not open.
const Refused = "refused"

// An Emitter takes what detectors say. It owns what it is given, but for what a type
// says is shared. It is called by the goroutine that runs the detectors, which waits
// for it.
type Emitter interface {
	Alert(Alert)
	Fact(Fact)
}

// Pace says when a growing alert is worth saying again: at each power of ten
// of its count, and every PaceInterval while it grows. The zero value is for
// an alert whose start was not said yet.
type Pace struct {
	next uint64 // count at which to speak next
	last int64  // when it last spoke, Unix nanoseconds
}

// PaceInterval is how long a growing alert stays quiet at most.
const PaceInterval = 5 * time.Minute

// Due reports whether to speak at this count and packet time (Unix
// nanoseconds), and if so notes that it was done.
func (p *Pace) Due(count uint64, now int64) bool {
	if p.Quiet(count, now) {
		return false
	}
	p.last = now
	for p.next = max(p.next, 10); p.next <= count; p.next *= 10 {
	}
	return true
}

// Hurry makes the next count Due, whatever it is.
func (p *Pace) Hurry() { p.next = 0 }

// Quiet reports whether there is nothing to say at a count and packet time, nor
// at any below or before them.
func (p *Pace) Quiet(count uint64, now int64) bool {
	return count < p.next && now-p.last < int64(PaceInterval)
}
