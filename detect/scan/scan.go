// Package scan finds who scans, from TCP connection attempts and what they
// come to: sweeps of one port (by a sequential test, by volume, slow ones),
// vertical scans, scans from outside, distributed scans, and floods, which
// look like many scanners and are none. docs/detection.md says what each rule
// does and how it measures up.
//
// # Where to begin
//
// Detector.Packet, in scan.go, leads to all else. An attempt goes this way:
//
//   - A SYN begins it (contact.go). It stays for 21 seconds (attempts.go, and
//     latest.go to find it; ahead.go has both fetched).
//   - Its source is inside or outside, and the two are kept apart (sources.go). Who
//     tried one destination so far is a newcomer (newcomers.go), who tried more a
//     source. A destination is new to a source that did not contact it for a week
//     (memory.go). Volumes of new destinations are judged at once.
//   - A SYN-ACK, an RST or an ICMP error ends it, or five seconds without any
//     (outcome.go). An answer may have been captured before its SYN (early.go), or
//     show only in what follows it (progress.go).
//   - The outcome counts for the test of its source (sequential.go; rules.go has all
//     thresholds), of the network that it went to (distributed.go), and of the pair
//     of hosts (vertical.go).
//   - An alarm opens a finding (say.go, finding.go), which counts what follows and
//     is rated anew each second (verdict.go), until it is quiet and is closed.
//
// A failure weighs less where something else explains it: the tap, which may not
// show answers (halfduplex.go, leak.go, bare.go), IPv6 that leads nowhere (route.go),
// a server that is down for everybody (outage.go). What is usual in the net bounds
// what is too much (baseline.go). The sources of a flood are kept out of all tables
// (flood.go, spoofed.go).
package scan

import (
	"net/netip"
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/dup"
	"wormscope/detect/zone"
	"wormscope/internal/ip"
)

// Config says what to look for and how much to remember. The zero value of
// each field stands for its default.
type Config struct {
	// LateralPorts are the ports that worms move over. All rules apply to
	// them. Default: alert.LateralPorts.
	LateralPorts []uint16
	// WatchedPorts are the other ports whose sweeps are looked for, with more
	// patience: by the sequential test only, an outcome weighing half.
	// Default: DefaultWatchedPorts.
	WatchedPorts []uint16
	// Allow names sources that may scan: vulnerability scanners, monitoring
	// hosts, address translators and proxies, which speak for many.
	Allow []netip.Prefix
	// MaxSources bounds the sources inside that tried several destinations at
	// a port, 1.8 kB each; a quarter as many outside. Default 32768.
	MaxSources int
	// MaxNewcomers bounds the sources that tried only one, 70 bytes each, for
	// the inside and for the outside. A power of two; default 65536.
	MaxNewcomers int
	// MaxAttempts bounds the attempts of the last 21 seconds, 80 bytes each.
	// A power of two; default 262144.
	MaxAttempts int
	// MaxContacts bounds what is remembered for a week: who contacted whom
	// inside (a quarter as many outside), and who is alive. 4 bytes each, a
	// power of two; default 4194304.
	MaxContacts int
}

// DefaultWatchedPorts returns the system ports (below 1024, RFC 6335) and the
// ports above that worms and botnets are known to sweep.
func DefaultWatchedPorts() []uint16 {
	ports := make([]uint16, 0, 1100)
	for p := range uint16(ip.SystemPorts) {
		ports = append(ports, p)
	}
	return append(ports,
		1433, 1434, 1521, 2222, 2323, 3306, 4444, 5060, 5432, 5555, 5900, 6379, 7547, 8080, 8081, 8291,
		8443, 8888, 9200, 11211, 23231, 26, 27017, 37215, 49152, 52869, 60001)
}

func (c Config) withDefaults() Config {
	if c.LateralPorts == nil {
		c.LateralPorts = alert.LateralPorts()
	}
	if c.WatchedPorts == nil {
		c.WatchedPorts = DefaultWatchedPorts()
	}
	orDefault := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	orDefault(&c.MaxSources, 1<<15)
	orDefault(&c.MaxNewcomers, 1<<16)
	orDefault(&c.MaxAttempts, 1<<18)
	orDefault(&c.MaxContacts, 1<<22)
	return c
}

// Detector finds scans. It is used by one goroutine and runs on packet time.
type Detector struct {
	emit  alert.Emitter
	ports ports
	roles roles

	now       int64 // packet time, Unix nanoseconds
	base      int64 // what ticks count from
	behind    bool  // the clock of the capture went back, and ticks of the engine are still ahead
	stray     bool  // the present packet is far older than the latest
	nextVisit int64 // when to visit the findings next, a whole second
	wake      int64 // when anything is due next, or before
	wantsData bool  // segments with data are of interest
	// oneSided is that the tap shows what clients send only: then their segments
	// on all lateral ports are of interest.
	oneSided bool
	changed  func() // to be called when either is another
	frame    frame  // of the present packet

	attempts  attempts
	early     early
	inside    population
	outside   population
	rings     rings // of both
	alive     memory
	facts     memory
	pairs     pairs
	targets   targets
	copies    *dup.Filter // packets of floods
	nets      nets
	tap       tap
	findings  findings
	baselines map[uint16]*baseline // by lateral port
	stats     counters

	unanswered callers
}

var _ detect.Changing = (*Detector)(nil)

// New makes a detector that says what it finds to emit. zones tells inside from
// outside.
func New(emit alert.Emitter, zones *zone.Map, cfg Config) *Detector {
	cfg = cfg.withDefaults()
	return &Detector{
		emit:      emit,
		ports:     newPorts(cfg.LateralPorts, cfg.WatchedPorts),
		roles:     roles{zones, cfg.Allow},
		wantsData: true,
		changed:   func() {},
		attempts:  newAttempts(cfg.MaxAttempts),
		early:     newEarly(),
		inside:    newPopulation(cfg.MaxSources, cfg.MaxNewcomers, cfg.MaxContacts),
		outside:   newPopulation(max(cfg.MaxSources/4, 1), cfg.MaxNewcomers, cfg.MaxContacts/4),
		alive:     newMemory(cfg.MaxContacts),
		facts:     newMemory(cfg.MaxContacts / 16),
		pairs:     newPairs(),
		targets:   newTargets(),
		copies:    dup.New(copySize, copyWindow),
		nets:      newNets(),
		findings:  newFindings(),
		baselines: map[uint16]*baseline{},
	}
}

// Wants asks for the TCP segments that open and refuse connections and for ICMP;
// for all others only while the tap is not known to be whole, now and then to
// see whether it still is, or while a flood is suspected. What Lateral returns
// asks for more.
func (d *Detector) Wants() detect.Interest {
	kinds := detect.TCPControl | detect.ICMP
	if d.wantsData {
		kinds |= detect.TCPData | detect.TCPClose
	}
	return detect.Interest{Kinds: kinds}
}

// OnChange implements detect.Changing.
func (d *Detector) OnChange(changed func()) { d.changed = changed }

// Packet looks at one packet.
func (d *Detector) Packet(p *packet.Packet) {
	switch {
	case p.Proto != packet.ProtoTCP:
		if p.Unreachable() && p.ICMP.HasInner {
			d.unreachable(p)
		}
	case p.Flags&(packet.SYN|packet.RST|packet.FIN) != 0, !p.Flags.Has(packet.ACK):
		d.control(p)
	case d.wantsData:
		d.tap.segments = true
		d.goOn(p)
	}
}

// control looks at a segment that opens or closes a connection.
func (d *Detector) control(p *packet.Packet) {
	switch {
	case !d.stamp(p):
	case p.Flags&(packet.ACK|packet.RST) == 0:
		d.try(p)
	case p.Flags.IsSYNACK():
		d.accept(p)
	case p.Flags&packet.RST != 0:
		d.reset(p)
	case d.wantsData:
		d.goOn(p)
	}
}

// stamp lets time pass to that of the present packet. It reports false for a packet
// to pass over: the first that is far older than the latest. Its time may be wrong.
// If the next packet is as old, the clock was set back, and the detector begins
// anew; to do so for a single packet would throw away all that is known.
func (d *Detector) stamp(p *packet.Packet) bool {
	if p.Time < d.now-detect.ClockBack && !d.stray && d.base != 0 {
		d.stray = true
		return false
	}
	d.stray = false
	d.advance(p.Time)
	d.frame = frame{p.Number, int32(p.File)} //nolint:gosec // G115: an index of capture files.
	return true
}

// sight is the present packet.
func (d *Detector) sight() sight { return sight{d.now, d.frame} }

// advance lets time pass to that of a packet.
func (d *Detector) advance(now int64) {
	if now <= d.now {
		if now < d.now-detect.ClockBack {
			d.rewind(now)
		}
		return
	}
	if d.base == 0 {
		d.base = now - int64(day)*nanosPerTick
	}
	d.now = now
	if now >= d.wake {
		d.lapse(now)
	}
}

// lapse does what is due: attempts come to an end, alerts are closed.
func (d *Detector) lapse(now int64) {
	visit := now >= d.nextVisit
	if visit {
		d.visitUntil(now)
	}
	d.expireUntil(now)
	if visit {
		d.attempts.expire(now)
		d.inside.contacts.advance(now)
		d.outside.contacts.advance(now)
		d.alive.advance(now)
		d.facts.advance(now)
		d.unanswered.turn(now)
	}
	d.wake = min(d.nextVisit, d.attempts.dueAt())
}

// expireUntil ends the attempts whose time was up by then.
func (d *Detector) expireUntil(at int64) {
	for a := d.attempts.due(at); a != nil; a = d.attempts.due(at) {
		d.timeout(a)
	}
}

// visitUntil visits the alerts at each whole second up to now, as they stood then.
// It goes by seconds and not by packets, because packets that no detector wants may
// have been left out before, which must make no difference here. After half a
// minute in which nothing came all is said, and the rest of a gap is passed over.
func (d *Detector) visitUntil(now int64) {
	const second, silence = int64(time.Second), 30
	for n := 0; d.nextVisit <= now; n++ {
		if n == silence {
			d.nextVisit = max(d.nextVisit, now-now%second)
		}
		d.expireUntil(d.nextVisit)
		d.visit(d.nextVisit)
		d.nextVisit += second
	}
}

// rewind begins anew where the clock went back: captures that were joined in
// the wrong order, a clock that was set. What the open attempts would have
// come to stays unknown, and counts of sources in time mean nothing now.
func (d *Detector) rewind(now int64) {
	d.stats.rewinds++
	d.closeAll(d.now)
	d.behind = true
	d.now, d.nextVisit, d.wake, d.base = now, now-now%int64(time.Second), now, now-int64(day)*nanosPerTick
	d.attempts.clear()
	d.early = newEarly()
	d.inside.clear()
	d.outside.clear()
	d.pairs.clear()
	d.targets.clear()
	d.nets.clear()
	clear(d.baselines)
	for _, m := range []*memory{&d.inside.contacts, &d.outside.contacts, &d.alive, &d.facts} {
		m.rewind(now)
	}
	d.tap.leak.lookAt = min(d.tap.leak.lookAt, now)
	d.unanswered.turnedAt = min(d.unanswered.turnedAt, now)
}

// Tick lets time pass.
func (d *Detector) Tick(now int64) {
	if d.behind = d.behind && now > d.now+detect.ClockBack; d.now > 0 && !d.behind {
		d.advance(now)
	}
}

// Close closes the alerts that are open. Attempts that an answer was due to are in vain:
// a capture may end a moment after a sweep. Younger ones stay unknown.
func (d *Detector) Close(now int64) {
	d.Tick(now)
	d.expireUntil(d.now + silentAfter - int64(answerDue)*nanosPerTick)
	d.closeAll(d.now)
}

// tick returns a time as ticks since the detector's beginning.
func (d *Detector) tick(t int64) tick { return tick((t - d.base) / nanosPerTick) } //nolint:gosec // G115: wraps by design.

// timeOf returns when a tick of the last two years began.
func (d *Detector) timeOf(t tick) int64 {
	present := d.now - (d.now-d.base)%nanosPerTick
	return present - int64(d.tick(d.now).since(t))*nanosPerTick
}
