package scan

import (
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// A life is an alert that is open: a scanner that scans, a target that is
// flooded. What each further attempt touches comes first, in two cache lines.
type life struct {
	kind    lifeKind
	inside  bool // who the alert is about is
	lateral bool // the port is
	sampled bool // the sample is full
	port    uint16
	vlan    uint16

	last                      int64 // of what was counted, Unix nanoseconds
	quiet                     int64 // how long after last it ends
	attempts                  uint64
	answered, refused, silent uint64
	known                     uint64 // distinct destinations at the alarm, of several ports the most; of a flood, sources

	pace    alert.Pace
	targets sketch // distinct destinations since the alarm

	first   int64  // like last
	aged    uint64 // attempts that an answer is due to
	aging   uint64 // attempts when the alert was last visited
	sample  []netip.Addr
	ports   []uint16
	atAlarm uint64 // attempts at the alarm
	packets uint64 // of a flood
	sources uint64 // of a distributed scan
	llr     float64
	seq     int
	told    verdict // as last said
	again   int64   // latest of more than a few repeats that failed, like last
	frames  []alert.FrameRef

	keys []sourceKey // of the sources that it belongs to
	pop  *population // where they are

	failedAgain handful // destinations, since the alarm

	rule     alert.Rule
	id, name string
	host     ip.Addr        // whom the alert is about
	orig     netip.AddrPort // of the deciding attempt
	resp     netip.AddrPort
	since    int64 // like last: the first attempt that speaks for a scan, 0 where it is not known
}

// lifeKind is what an open alert is about.
type lifeKind uint8

const (
	sweep    lifeKind = iota // a source at one port, or one outside at any
	several                  // a source at further ports
	vertical                 // a source at the ports of single destinations
	network                  // a network that many sources share the sweep of
	flood                    // a destination
)

// aboutSource reports whether the alert's host is who scans.
func (l *life) aboutSource() bool { return l.kind <= vertical }

const (
	maxLives   = 8192            // alerts open at a time
	samplePart = alert.MostPorts // addresses and ports in an alert
)

// lives holds the open alerts by place, and who they are about.
type lives struct {
	places   []*life // nil where free
	free     []int32
	scanners scanners
}

func newLives() lives { return lives{scanners: newScanners()} }

// get returns the alert at a place, as open returned it.
func (t *lives) get(place int32) *life { return t.places[place-1] }

// of returns what is open about a source, nil when nothing is. It is good until
// the next alert is opened.
func (t *lives) of(a ip.Addr) *scanner {
	if slot := t.scanners.find(a); slot >= 0 {
		return &t.scanners.slots[slot]
	}
	return nil
}

// scanning reports whether an alert about this source is open.
func (t *lives) scanning(a ip.Addr) bool { return t.scanners.find(a) >= 0 }

// open adds an alert and returns its place, 0 when there are too many.
func (t *lives) open(l *life) int32 {
	if len(t.free) == 0 {
		if len(t.places) == maxLives {
			return 0
		}
		t.places = append(t.places, nil)
		t.free = append(t.free, int32(len(t.places))) //nolint:gosec // G115: at most maxLives.
	}
	n := len(t.free) - 1
	place := t.free[n]
	if l.aboutSource() && !t.scanners.opened(l, place) {
		return 0
	}
	t.free = t.free[:n]
	t.places[place-1] = l
	return place
}

// close takes an alert out.
func (t *lives) close(place int32) {
	l := t.places[place-1]
	t.places[place-1] = nil
	t.free = append(t.free, place)
	if l.aboutSource() {
		t.scanners.closed(l)
	}
}

// visit looks at each alert once a second. It closes those that nothing was added
// to for long enough, and says anew those that turn out to be worse.
func (d *Detector) visit(now int64) {
	for i, l := range d.lives.places {
		switch {
		case l == nil:
		case now-l.latest() >= l.quiet:
			d.close(int32(i+1), l.latest()+l.quiet)
		default:
			l.aged, l.aging = l.aging, l.attempts
			if v := d.judge(l); v.news(&l.told) {
				d.say(l, alert.PhaseUpdate, now)
			}
		}
	}
}

// Hurry has the alerts about some hosts said again when next they grow.
func (d *Detector) Hurry(hosts map[netip.Addr]bool) {
	for _, l := range d.lives.places {
		if l != nil && hosts[l.host.Netip()] {
			l.pace.Hurry()
		}
	}
}

// closeAll closes all alerts, at the end of the capture or where its clock was
// set back.
func (d *Detector) closeAll(now int64) {
	for i, l := range d.lives.places {
		if l != nil {
			d.close(int32(i+1), max(now, l.latest()))
		}
	}
}

// close says the totals of an alert and lets its sources begin anew.
func (d *Detector) close(place int32, now int64) {
	l := d.lives.get(place)
	if l.kind == network {
		d.leaveNet(l, place)
	}
	l.aged = l.attempts // nothing is waited for any more
	d.say(l, alert.PhaseEnd, now)
	d.lives.close(place)
	for _, k := range l.keys {
		kh := k.hash(k.addr.Hash())
		if s := l.pop.find(kh, k); s != nil && s.life == place {
			s.life, s.llr = 0, 0
			s.learn()
			s.restart()
			if l.relapses() {
				s.scanned = d.tick(now)
				l.pop.eras.add(kh)
			}
		}
	}
	if l.kind == flood {
		if c := d.targets.find(l.host, l.host.Hash()); c != nil && c.life == place {
			c.life = 0
			d.targets.restart(c, d.tick(now), now, l.port)
		}
	}
}
