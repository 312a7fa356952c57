package scan

import (
	"net/netip"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// A finding is an alert that is open: a scanner that scans, a target that is
// flooded. What each further attempt touches comes first, in two cache lines.
type finding struct {
	kind    findingKind
	inside  bool // who the alert is about is
	turning bool // the outcomes may turn
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
	lateral bool // the port is
	turn    turn
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
	since    int64    // like last: the first attempt that speaks for a scan, 0 where it is not known
	_        [32]byte // up to a whole number of cache lines
}

// findingKind is what an open alert is about.
type findingKind uint8

const (
	sweep    findingKind = iota // a source at one port, or one outside at any
	several                     // a source at further ports
	vertical                    // a source at the ports of single destinations
	network                     // a network that many sources share the sweep of
	flood                       // a destination
)

// aboutSource reports whether the alert's host is who scans.
func (f *finding) aboutSource() bool { return f.kind <= vertical }

const (
	maxFindings = 8192 // alerts open at a time
	// maxOutside is how many of them may be about sources outside, or floods: who
	// forges these must leave room for what happens inside.
	maxOutside = maxFindings / 2
	samplePart = alert.MaxPorts // addresses and ports in an alert
)

// findings holds the open alerts by place, and who they are about.
type findings struct {
	places   []*finding // nil where free
	free     []int32
	outside  int // see maxOutside
	scanners scanners
}

func newFindings() findings { return findings{scanners: newScanners()} }

// get returns the alert at a place, as open returned it.
func (t *findings) get(place int32) *finding { return t.places[place-1] }

// of returns what is open about a source, nil when nothing is. It is good until
// the next alert is opened.
func (t *findings) of(a ip.Addr) *scanner {
	if slot := t.scanners.find(a); slot >= 0 {
		return &t.scanners.slots[slot]
	}
	return nil
}

// scanning reports whether an alert about this source is open.
func (t *findings) scanning(a ip.Addr) bool { return t.scanners.find(a) >= 0 }

// open adds an alert and returns its place, 0 when there are too many.
func (t *findings) open(f *finding) int32 {
	if !f.inside && t.outside == maxOutside {
		return 0
	}
	if len(t.free) == 0 {
		if len(t.places) == maxFindings {
			return 0
		}
		t.places = append(t.places, nil)
		t.free = append(t.free, int32(len(t.places))) //nolint:gosec // G115: at most maxFindings.
	}
	n := len(t.free) - 1
	place := t.free[n]
	if f.aboutSource() && !t.scanners.opened(f, place) {
		return 0
	}
	t.free = t.free[:n]
	t.places[place-1] = f
	if !f.inside {
		t.outside++
	}
	return place
}

// close takes an alert out.
func (t *findings) close(place int32) {
	f := t.places[place-1]
	t.places[place-1] = nil
	t.free = append(t.free, place)
	if !f.inside {
		t.outside--
	}
	if f.aboutSource() {
		t.scanners.closed(f)
	}
}

// visit looks at each alert once a second. It closes those that nothing was added
// to for long enough, and says anew those that turn out to be worse.
func (d *Detector) visit(now int64) {
	for i, f := range d.findings.places {
		switch {
		case f == nil:
		case now-f.latest() >= f.quiet:
			d.close(int32(i+1), f.latest()+f.quiet)
		default:
			f.aged, f.aging = f.aging, f.attempts
			if v := d.judge(f); v.news(&f.told) {
				d.say(f, alert.PhaseUpdate, now)
			}
		}
	}
}

// Hurry has the alerts about some hosts said again when next they grow.
func (d *Detector) Hurry(hosts map[netip.Addr]bool) {
	for _, f := range d.findings.places {
		if f != nil && hosts[f.host.Netip()] {
			f.pace.Hurry()
		}
	}
}

// closeAll closes all alerts, at the end of the capture or where its clock was
// set back.
func (d *Detector) closeAll(now int64) {
	for i, f := range d.findings.places {
		if f != nil {
			d.close(int32(i+1), max(now, f.latest()))
		}
	}
}

// close says the totals of an alert and lets its sources begin anew.
func (d *Detector) close(place int32, now int64) {
	f := d.findings.get(place)
	if f.kind == network {
		d.leaveNet(f, place)
	}
	f.aged = f.attempts // no answer is due
	d.say(f, alert.PhaseEnd, now)
	d.findings.close(place)
	for _, k := range f.keys {
		kh := k.hash(k.addr.Hash())
		if s := f.pop.find(kh, k); s != nil && s.finding == place {
			s.finding, s.llr = 0, 0
			s.learn()
			s.restart()
			if f.relapses() {
				s.scanned = d.tick(now)
				f.pop.eras.add(kh)
			}
		}
	}
	if f.kind == flood {
		if c := d.targets.find(f.host, f.host.Hash()); c != nil && c.finding == place {
			c.finding = 0
			d.targets.restart(c, d.tick(now), now, f.port)
		}
	}
}
