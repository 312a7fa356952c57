package story

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Truth is what was planted in a story: what a monitor that watches it must
// find, and what it must leave alone.
type Truth struct {
	Capture      string              `json:"capture"`
	Feed         string              `json:"feed,omitempty"`
	Zones        map[string][]string `json:"zones"`
	Infected     []Infected          `json:"infected"`
	Suspected    []Infected          `json:"suspected"`
	Scanners     []*Scanner          `json:"scanners"`
	Targeted     []netip.Addr        `json:"targeted"` // inside, answered or refused a scanner
	Exposed      []Exposed           `json:"exposed"`  // inside, answered on port 445
	Lookups      []*Lookup           `json:"lookups"`
	Contacts     []*Contact          `json:"contacts"`
	Floods       []Flood             `json:"floods"`
	Resolvers    []netip.Addr        `json:"resolvers"`
	MustNotAlarm []Bystander         `json:"must_not_alarm"`
}

// Infected is a host that carries the worm, or looks as if it might.
type Infected struct {
	IP   netip.Addr `json:"ip"`
	Zone string     `json:"zone"`
	When time.Time  `json:"when"` // of the first sign
	Why  string     `json:"why"`
}

// Scanner is a host that scans a port, with what became of its attempts.
type Scanner struct {
	IP       netip.Addr `json:"ip"`
	Inside   bool       `json:"inside"`
	Port     uint16     `json:"port"`
	First    time.Time  `json:"first"`
	Targets  int        `json:"targets"`
	Answered int        `json:"answered"`
	Refused  int        `json:"refused"`
	Silent   int        `json:"silent"`
}

// Exposed is a host inside that answers on port 445.
type Exposed struct {
	IP         netip.Addr `json:"ip"`
	ToInternet bool       `json:"to_internet"`
}

// Lookup is a host's own lookup of an indicator name.
type Lookup struct {
	IP    netip.Addr `json:"ip"`
	Name  string     `json:"name"` // as an indicator, in lower case
	Rcode string     `json:"rcode"`
	Count int        `json:"count"`
	First time.Time  `json:"first"`
}

// Contact is traffic between a host and an indicator address.
type Contact struct {
	IP          netip.Addr `json:"ip"`
	Indicator   netip.Addr `json:"indicator"`
	State       string     `json:"state"`     // attempted or established
	Initiator   string     `json:"initiator"` // host or peer
	Connections int        `json:"connections"`
	First       time.Time  `json:"first"`
}

// Flood is one target of many sources.
type Flood struct {
	IP      netip.Addr `json:"ip"`
	Port    uint16     `json:"port"`
	Sources int        `json:"sources"`
	First   time.Time  `json:"first"`
}

// Bystander is a host that looks odd and is not.
type Bystander struct {
	IP   netip.Addr `json:"ip"`
	What string     `json:"what"`
}

// at is a time of a story.
func at(d time.Duration) time.Time { return Start().Add(d) }

// finish sorts what was collected out of order, and leaves each host once.
func (t *Truth) finish() {
	slices.SortFunc(t.Targeted, netip.Addr.Compare)
	t.Targeted = slices.Compact(t.Targeted)
	slices.SortFunc(t.Exposed, func(a, b Exposed) int { return a.IP.Compare(b.IP) })
	slices.SortStableFunc(t.Infected, func(a, b Infected) int { return cmp.Compare(a.When.UnixNano(), b.When.UnixNano()) })
}
