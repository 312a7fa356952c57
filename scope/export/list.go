// Package export makes lists of a scope document for those who act on it: whom
// to isolate, and what to block. It writes them for firewalls, name servers
// and spreadsheets, and says what it left out and why. docs/export.md has the
// rules and the formats.
package export

import (
	"net/netip"
	"strings"
	"time"

	"wormscope/scope"
)

// Purpose is what a list is for.
type Purpose string

// The purposes.
const (
	ToIsolate Purpose = "isolate" // inside hosts
	ToBlock   Purpose = "block"   // outside addresses and names
)

// A List is what to isolate or to block, in the order of the document: the
// worst first. Entries are distinct.
type List struct {
	Purpose Purpose   `json:"list"`
	At      time.Time `json:"at"` // packet time of the last packet seen
	Entries []Entry   `json:"entries"`
	LeftOut []LeftOut `json:"left_out"`
}

// An Entry is one address or one name. Exactly one of Addr and Name is set.
type Entry struct {
	Addr   netip.Addr
	Name   string // lower case, without a final dot
	Exact  bool   // the name alone, without names below it
	Scans  bool   // it is listed only because it scans
	Reason string // why it is listed, one line

	// For inside hosts.
	Zone       string
	State      string
	Confidence float64
	Marks      []string
	Role       []string // what others need it for
	// When it was first and last heard of.
	First, Last time.Time
}

// Value returns the address or the name.
func (e *Entry) Value() string {
	if e.Addr.IsValid() {
		return e.Addr.String()
	}
	return e.Name
}

// comment says why the entry is listed. The role of the host comes first: isolating a
// resolver cuts all other hosts off from names.
func (e *Entry) comment() string {
	if len(e.Role) == 0 {
		return e.Reason
	}
	return strings.Join(e.Role, ", ") + "; " + e.Reason
}

// LeftOut is what was not listed, and why.
type LeftOut struct {
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// Isolate lists the inside hosts whose state is least or worse.
func Isolate(d *scope.Document, least scope.State) List {
	l := newList(d, ToIsolate)
	for i := range d.Hosts {
		h := &d.Hosts[i]
		addr, err := netip.ParseAddr(h.IP)
		switch {
		case err != nil:
			l.leave(h.IP, "is no address")
		case h.Allowed && h.State >= scope.Suspected:
			l.leave(h.IP, "is an allowed scanner or translator: look behind it")
		case h.State >= least:
			l.add(hostEntry(h, plain(addr)))
		case h.State == scope.Suspected:
			l.leave(h.IP, "is only suspected")
		}
	}
	return l.List
}

// hostEntry lists one inside host.
func hostEntry(h *scope.HostEntry, addr netip.Addr) Entry {
	e := Entry{
		Addr: addr, Zone: h.Zone, State: h.State.String(), Confidence: h.Confidence,
		First: h.FirstSeen, Last: h.LastSeen, Role: h.Role,
	}
	for _, m := range h.Marks {
		e.Marks = append(e.Marks, string(m))
	}
	e.Reason = h.State.String()
	if f := h.MainFact(); f != nil {
		e.Reason += ": " + oneLine(f.Detail)
	}
	return e
}

// A builder makes a list in which nothing is twice.
type builder struct {
	List
	index  map[string]int  // of entries, by value
	leaves map[string]bool // values in LeftOut
}

func newList(d *scope.Document, p Purpose) *builder {
	l := &builder{
		List:  List{Purpose: p, Entries: []Entry{}, LeftOut: []LeftOut{}},
		index: map[string]int{}, leaves: map[string]bool{},
	}
	if d.Capture.Last != nil {
		l.At = *d.Capture.Last
	}
	return l
}

// add lists an entry, or widens the times of one that is listed.
func (l *builder) add(e Entry) {
	at, known := l.index[e.Value()]
	if !known {
		l.index[e.Value()] = len(l.Entries)
		l.Entries = append(l.Entries, e)
		return
	}
	k := &l.Entries[at]
	k.Exact = k.Exact && e.Exact
	k.Scans = k.Scans && e.Scans
	if e.First.Before(k.First) {
		k.First = e.First
	}
	if e.Last.After(k.Last) {
		k.Last = e.Last
	}
}

// leave notes that something is left out, once for each value.
func (l *builder) leave(value, reason string) {
	if !l.leaves[value] {
		l.leaves[value] = true
		l.LeftOut = append(l.LeftOut, LeftOut{oneLine(value), reason})
	}
}

// plain returns an address as packet filters take it: IPv4 not mapped into IPv6, and
// IPv6 without a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
