package main

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"wormscope/capture"
	"wormscope/capture/filter"
	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/contact"
	"wormscope/detect/crossing"
	"wormscope/detect/dns"
	"wormscope/detect/exposure"
	"wormscope/detect/scan"
	"wormscope/detect/smb"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/scope"
)

// A pipeline takes frames from one source through decoding and detection to
// the ledger and the events.
type pipeline struct {
	zones   *zone.Map
	decoder *packet.Decoder
	engine  *detect.Engine
	scans   *scan.Detector
	lookups *dns.Detector
	// contacts and lookups depend on the indicators, which may be renewed.
	contacts *contact.Detector
	shares   *smb.Detector
	ledger   *scope.Ledger
	set      *ioc.Set
	raised   map[alert.Rule]uint64 // alerts raised; updates and ends are not counted
	events   *events
	state    *state // nil where nothing is kept
	traffic  traffic
	own      map[netip.Addr]struct{} // this machine's addresses, whose look-ups and contacts are not told
	held     uint64                  // alerts not told for that
	slice    int64                   // packet time that a batch takes at the most, nanoseconds; 0 for any
	filter   string                  // which traffic is looked at, empty for all
	only     *filter.Filter          // the same, nil for all and where the kernel sees to it
	merger   *merger                 // what the rings of a run pass on, nil where frames are taken here
	frames   capture.Run             // that were read together
	sifted   packet.Sifted           // which of them a detector wants,
	from, to int                     // of those from one place on and before another,
	all      bool                    // or all of these
	sieve    *packet.Sieve           // that they were sifted by
	taken    int                     // how many of those that are wanted were taken through
	latest   int                     // which frame that was last
	frame    capture.Frame           // the same
	left     bool                    // there may be more to take
	packet   packet.Packet
}

// A source gives frames in the order of their times: captures or interfaces.
type source interface {
	// Next reads the next frame, borrowed until the next call. It returns
	// capture.ErrIdle when nothing came for a while, and io.EOF at the end.
	Next(f *capture.Frame) error
	names
}

// A runSource is a source that may have several frames at hand.
type runSource interface {
	// More makes run of the frames that follow, as far as they are at hand and
	// at most as many as is said, and returns how many. They are borrowed until
	// the next call of Next.
	More(run *capture.Run, most int) int
}

// Names tell what frames are of.
type names interface {
	// Name returns what Frame.File stands for.
	Name(file int) string
}

// newPipeline builds everything between a source and the sinks. keep is nil
// where nothing is kept between runs.
func newPipeline(s *settings, set *ioc.Set, out *events, keep *state, fileName func(int) string) (*pipeline, error) {
	zones, err := zone.New(s.Internal, s.Zones)
	if err != nil {
		return nil, err
	}
	p := &pipeline{
		filter: s.Filter, only: s.only, zones: zones, decoder: packet.NewDecoder(), set: set, events: out, state: keep, raised: map[alert.Rule]uint64{},
	}
	if p.ledger, err = newLedger(s, zones, keep.unlessOld(out.onChange())); err != nil {
		return nil, err
	}
	out.prepare(zones, fileName)
	if err := keep.begin(p.ledger, fileName, out.flushFirst); err != nil {
		return nil, err
	}
	p.keepChanges()
	voice := voice{p}
	p.scans = scan.New(voice, zones, scan.Config{LateralPorts: s.Lateral, Allow: s.Allow.Scanners})
	p.lookups = dns.New(voice, zones, set, dns.Config{})
	p.contacts = contact.New(voice, zones, set, p.lookups.Resolver, contact.Config{})
	p.shares = smb.New(smb.Config{}, voice)
	detectors := []detect.Detector{
		p.lookups,
		p.contacts,
		exposure.New(voice, zones, exposure.Config{Ports: s.Lateral}),
		p.scans,
		p.scans.Lateral(),
		p.shares,
	}
	if len(s.Policy.Closed) > 0 {
		detectors = append(detectors, crossing.New(voice, zones, s.crossings()))
	}
	p.engine = detect.NewEngine(detectors...)
	return p, nil
}

// A voice hands what detectors say to the events, and then to the ledger,
// whose changes of mind become events in their turn.
type voice struct{ p *pipeline }

// Alert implements alert.Emitter.
func (v voice) Alert(a alert.Alert) {
	p := v.p
	if p.ownTraffic(&a) {
		p.held++
		return
	}
	if a.Phase == alert.PhaseStart {
		p.raised[a.Rule]++
	}
	p.events.alert(&a)
	p.ledger.Alert(a)
	p.state.alert(a, p.events.sinks.commit())
}

// Fact implements alert.Emitter.
func (v voice) Fact(f alert.Fact) {
	p := v.p
	p.events.sinks.fact(&f)
	p.ledger.Fact(f)
	p.state.fact(f, p.events.sinks.commit())
}

// takeMarks takes what analysts say now. What a host does after its mark is said
// as soon as it does it.
func (p *pipeline) takeMarks(marks []scope.Mark, now time.Time) {
	if changed := p.ledger.SetMarks(marks, now); len(changed) > 0 {
		hosts := make(map[netip.Addr]bool, len(changed))
		for _, host := range changed {
			hosts[host] = true
		}
		p.engine.Hurry(hosts)
	}
	p.keepChanges()
}

// keepChanges notes the changes of the ledger's mind that no alert or fact led to.
func (p *pipeline) keepChanges() {
	if p.state == nil {
		return
	}
	if position := p.events.sinks.commit(); position > 0 || len(p.state.changes) > 0 {
		p.state.word(word{position: position})
	}
}

// ownTraffic reports whether an alert is about look-ups or contacts of this
// machine itself, which may well ask for the names that it is told to watch.
func (p *pipeline) ownTraffic(a *alert.Alert) bool {
	if len(p.own) == 0 || a.Rule != alert.RuleDomain && a.Rule != alert.RuleContact {
		return false
	}
	_, own := p.own[a.Host]
	return own
}

// batchSize is how many frames go through between two looks at anything else.
const batchSize = 4096

// batch takes up to batchSize frames through. It returns io.EOF when the
// source has no more, and capture.ErrIdle when nothing comes. A panic in a
// parser or detector costs the one frame and ends the batch early.
func (p *pipeline) batch(source source) error {
	err := p.takeRuns(source)
	for p.left { // by a panic
		p.takeLeft(source)
	}
	return err
}

// takeRuns reads frames and takes them through, as many as batch says.
func (p *pipeline) takeRuns(source source) error {
	defer p.survive(source)
	begin := p.engine.Now()
	for left := batchSize; left > 0; {
		if err := readRun(source, &p.frames, &p.frame, left); err != nil {
			return err
		}
		left -= p.frames.N
		p.begin()
		p.take()
		if now := p.engine.Now(); p.slice > 0 && now-begin >= p.slice {
			break
		}
	}
	return nil
}

// readRun reads the frames that follow, as many as there are at hand and are
// asked for, and at least one. It may use f.
func readRun(from source, run *capture.Run, f *capture.Frame, most int) error {
	if runs, ok := from.(runSource); ok && runs.More(run, most) > 0 {
		return nil
	}
	err := from.Next(f)
	if err == nil {
		run.One(f)
	}
	return err
}

// begin begins with the frames that were read. Where the user has a filter,
// each is noted when it has passed.
func (p *pipeline) begin() {
	p.left = true
	all := p.only != nil || p.traffic.wantsAll()
	if p.only == nil {
		p.traffic.note(&p.frames)
		p.state.noteRun(&p.frames)
	}
	if all {
		p.siftNone(0, p.frames.N)
		return
	}
	p.sift(0)
}

// sift finds those of the frames from one place on that a detector wants, up to
// where time lets something else happen.
func (p *pipeline) sift(from int) {
	run := &p.frames
	to := run.N
	since, until := p.engine.Second()
	if run.Sum.Oldest < since || run.Sum.Newest >= until {
		to = from
		for to < run.N && run.Heads[to].Time >= since && run.Heads[to].Time < until {
			to++
		}
	}
	if to == from && to < run.N {
		p.siftNone(from, from+1)
		return
	}
	p.sieve, p.from, p.to, p.taken, p.all = p.engine.Sieve(), from, to, 0, false
	p.sifted.Sift(p.sieve, run, from, to)
}

// siftNone has all of some frames looked at.
func (p *pipeline) siftNone(from, to int) {
	p.sieve, p.from, p.to, p.taken, p.all = p.engine.Sieve(), from, to, 0, true
	p.sifted.TakeAll(from, to)
}

// takeLeft takes the frames through that were read and not taken.
func (p *pipeline) takeLeft(names names) {
	defer p.survive(names)
	p.take()
}

// take takes the frames through that were read. Those that no detector wants
// are not even decoded.
func (p *pipeline) take() {
	for {
		for p.taken < p.sifted.Wanted() {
			p.latest = p.sifted.Place(p.taken)
			p.taken++ // now, so that a panic costs no other
			p.look(p.taken - 1)
			if p.engine.Sieve() != p.sieve {
				p.siftAgain()
			}
		}
		p.pass()
		if p.to == p.frames.N {
			break
		}
		p.sift(p.to)
	}
	p.left = false
}

// siftAgain sifts the frames behind the latest anew, because detectors want
// others from there on.
func (p *pipeline) siftAgain() {
	if p.all {
		p.sieve = p.engine.Sieve()
		return
	}
	end := p.latest + 1
	p.sifted.Sift(p.sieve, &p.frames, p.from, end) // to know how many of these passed
	p.to = end
	p.pass()
	p.sift(end)
}

// pass counts the frames that were sifted and no detector wants.
func (p *pipeline) pass() {
	if passed := p.sifted.Passed(); passed.Frames > 0 {
		p.engine.Pass(p.newest())
		p.decoder.Pass(passed)
	}
}

// newest returns the latest time of the frames that were sifted.
func (p *pipeline) newest() int64 {
	run := &p.frames
	if p.from == 0 && p.to == run.N {
		return run.Sum.Newest
	}
	newest := run.Heads[p.from].Time
	for i := p.from + 1; i < p.to; i++ {
		newest = max(newest, run.Heads[i].Time)
	}
	return newest
}

// look decodes the ith frame that a detector wants and has them look at it.
func (p *pipeline) look(i int) {
	f := &p.frame
	p.frames.Frame(p.latest, f)
	if p.only != nil {
		if !p.only.Match(f) {
			p.traffic.left++
			return
		}
		p.traffic.noteFrame(f)
		p.state.noteFrame(f)
	}
	if o := p.decoder.Decode(f, &p.packet); o != packet.OK {
		p.state.outcome(f, o)
		return
	}
	if !p.traffic.inside {
		p.lookInside(&p.packet)
	}
	p.engine.PacketFor(&p.packet, p.sifted.Who(i, p.sieve, &p.packet))
}

// settle has detectors look at a packet whose time seemed strange, when no other is
// to come.
func (p *pipeline) settle(names names) {
	defer p.survive(names)
	p.engine.Settle()
}

// survive, deferred, ends a panic at the frame that was taken last.
func (p *pipeline) survive(names names) {
	if r := recover(); r != nil {
		p.panicked(&p.frame, names, r)
	}
}

// panicked notes a mistake of this program. What is counted shows in the
// summary; the frame is named so that it can be reported.
func (p *pipeline) panicked(f *capture.Frame, names names, reason any) {
	p.traffic.panicked(reason, f, names)
	p.state.panicked(f.File)
}

// run takes everything that the source has through, calling between once in a
// while. It stops early when between returns an error, and returns that.
func (p *pipeline) run(source source, between func() error) error {
	defer p.settle(source)
	for {
		err := p.batch(source)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil || errors.Is(err, capture.ErrIdle) {
			err = between()
		}
		if err == nil {
			err = p.events.err
		}
		if err == nil {
			err = p.state.flush()
		}
		if err != nil {
			return err
		}
	}
}

// finish closes what is still open at the end of the traffic.
func (p *pipeline) finish() error {
	p.engine.Close()
	return p.events.err
}
