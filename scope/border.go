package scope

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
)

// Border is what was seen of a port that policy closes from one zone to
// another: whether containment holds.
type Border struct {
	From        string     `json:"from"`
	To          string     `json:"to"`
	Port        uint16     `json:"port"`
	Holds       bool       `json:"holds"`       // no connection was accepted
	Connections uint64     `json:"connections"` // accepted
	Pairs       []Crossing `json:"pairs"`       // of hosts that were connected, the first 32
	Left        uint64     `json:"pairs_left_out,omitempty"`
	Refused     uint64     `json:"refused"` // attempts answered by RST, of a host or a firewall
	Silent      uint64     `json:"silent"`  // attempts that nothing answered
	First       time.Time  `json:"first"`
	Last        time.Time  `json:"last"`
}

// Crossing is a pair of hosts that were connected over a closed border.
type Crossing struct {
	From   string    `json:"from"`
	To     string    `json:"to"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Count  uint64    `json:"count"`
	Frames []uint64  `json:"frames"`
	Alert  string    `json:"alert"`
}

// maxBorders is how many alerts about closed borders are kept, the earliest;
// maxPairs how many pairs of hosts a border lists.
const (
	maxBorders = 20_000
	maxPairs   = 32
)

// crossing notes what a host did at a border that policy closes.
func (l *Ledger) crossing(a *alert.Alert) {
	known := l.borders[a.ID]
	switch {
	case known == nil && len(l.borders) >= maxBorders:
		l.bordersLost++
	case known == nil || a.Seq > known.Seq:
		l.borders[a.ID] = a
	}
	if !a.Evidence.Crossing.Open {
		return
	}
	f := alerted(a, kindCrossing, 1)
	f.peer, f.port = a.Resp.Addr(), a.Evidence.Crossing.Port
	f.alert = a
	l.record(a.Host, &f, a.Time, frameOf(a))
}

// borderList adds up what was seen of each border: those that do not hold come
// first, then the busiest.
func (l *Ledger) borderList() []Border {
	type key struct {
		from, to string
		port     uint16
	}
	byKey := map[key]*Border{}
	for _, a := range l.crossings() {
		x := a.Evidence.Crossing
		k := key{x.FromZone, x.ToZone, x.Port}
		if byKey[k] == nil {
			byKey[k] = &Border{
				From: k.from, To: k.to, Port: k.port, Holds: true, Pairs: []Crossing{},
				First: a.First.UTC(), Last: a.Last.UTC(),
			}
		}
		byKey[k].add(a)
	}
	if len(byKey) == 0 {
		return nil
	}
	list := make([]Border, 0, len(byKey))
	for _, b := range byKey {
		list = append(list, *b)
	}
	slices.SortFunc(list, func(a, b Border) int {
		return cmp.Or(
			cmp.Compare(min(1, b.Connections), min(1, a.Connections)),
			cmp.Compare(b.Connections+b.Refused+b.Silent, a.Connections+a.Refused+a.Silent),
			cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Port, b.Port),
		)
	})
	return list
}

// crossings returns the alerts about closed borders in the order of time.
func (l *Ledger) crossings() []*alert.Alert {
	list := make([]*alert.Alert, 0, len(l.borders))
	for _, a := range l.borders {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *alert.Alert) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// add counts one alert.
func (b *Border) add(a *alert.Alert) {
	if a.Last.After(b.Last) {
		b.Last = a.Last.UTC()
	}
	x := a.Evidence.Crossing
	if !x.Open {
		b.Refused += x.Refused
		b.Silent += x.Silent
		return
	}
	b.Holds = false
	b.Connections += a.Count
	if len(b.Pairs) >= maxPairs {
		b.Left++
		return
	}
	numbers, _ := frameList(a.Frames[:min(len(a.Frames), maxFrames)], nil)
	b.Pairs = append(b.Pairs, Crossing{
		From: a.Host.String(), To: a.Resp.Addr().String(), First: a.First.UTC(), Last: a.Last.UTC(),
		Count: a.Count, Frames: numbers, Alert: a.ID,
	})
}

// crossingWords tells a crossing.
func crossingWords(a *alert.Alert) string {
	x := a.Evidence.Crossing
	way := fmt.Sprintf(" from zone %s to zone %s, which policy closes", printable(x.FromZone), printable(x.ToZone))
	if x.Open {
		return fmt.Sprintf("connected to %s %s", endpoint(netip.AddrPortFrom(a.Resp.Addr(), x.Port)), often(a.Count)) + way
	}
	return fmt.Sprintf("tried %s%s %s,%s: %s refused, %s silent", counted(x.Targets, "host"), onPort(x.Port),
		often(a.Count), way, grouped(x.Refused), grouped(x.Silent))
}

// often writes how often.
func often(n uint64) string {
	if n == 1 {
		return "once"
	}
	return grouped(n) + " times"
}

// openBorders counts the borders that do not hold.
func (d *Document) openBorders() (n uint64) {
	for i := range d.Borders {
		if !d.Borders[i].Holds {
			n++
		}
	}
	return n
}
