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
	own      map[netip.Addr]struct{} // this machine's addresses, about whose look-ups and contacts there are no alerts
	held     uint64                  // alerts left out for that reason
	slice    int64                   // the most packet time in one batch, nanoseconds; 0 for no limit
	filter   string                  // which traffic is looked at, empty for all
	only     *filter.Filter          // filter compiled; nil for all traffic, and where the kernel filters
	merger   *merger                 // merges what several rings pass on; nil where this pipeline reads the frames itself

	// The frames in work: a run is read at once, and sifted a stretch at a time.
	frames     capture.Run   // the run
	from, to   int           // the stretch that was sifted: frames from, …, to-1
	sieve      *packet.Sieve // what it was sifted by
	sifted     packet.Sifted // the frames of the stretch that a detector wants
	all        bool          // these are all frames of the stretch, whatever the sieve says
	taken      int           // how many frames of sifted were looked at
	latest     int           // index in the run of the one looked at last
	frame      capture.Frame // the same frame
	unfinished bool          // frames of the run are still to be taken
	packet     packet.Packet
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
	// More fills run with the next frames that are at hand, at most so many, and
	// returns how many they are. 0 does not mean the end: Next may still have one.
	// They are borrowed until the next call of Next.
	More(run *capture.Run, most int) int
}

// Names tell which file or interface a frame is from.
type names interface {
	// Name returns the name for a Frame.File.
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
	p.contacts = contact.New(voice, set, p.lookups.Resolver, contact.Config{})
	p.shares = smb.New(voice, smb.Config{BothWays: p.scans.BothWays})
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

// takeMarks gives the ledger the marks that analysts have set by now. The
// detectors report at once, not at their next summary, what a host does after
// its mark.
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

// keepChanges writes down changes of hosts' states that no alert or fact led to.
func (p *pipeline) keepChanges() {
	if p.state == nil {
		return
	}
	if position := p.events.sinks.commit(); position > 0 || len(p.state.changes) > 0 {
		p.state.word(word{position: position})
	}
}

// batchSize is how many frames are processed before the caller gets its turn.
const batchSize = 4096

// batch processes up to batchSize frames. It returns io.EOF when the
// source has no more, and capture.ErrIdle when nothing comes. A panic in a
// parser or detector costs the one frame and ends the batch early.
func (p *pipeline) batch(source source) error {
	err := p.takeRuns(source)
	for p.unfinished { // by a panic
		p.takeLeft(source)
	}
	return err
}

// takeRuns does the work of batch until a panic.
func (p *pipeline) takeRuns(source source) error {
	defer p.survive(source)
	begin := p.engine.Now()
	for left := batchSize; left > 0; {
		if err := readRun(source, &p.frames, &p.frame, left); err != nil {
			return err
		}
		left -= p.frames.N
		p.startRun()
		p.take()
		if now := p.engine.Now(); p.slice > 0 && now-begin >= p.slice {
			break
		}
	}
	return nil
}

// readRun reads the next frames that are at hand, at least one and at most so
// many. f is room for the only frame of a source that has no runs.
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

// startRun counts the frames of a new run and sifts its first stretch. With a
// filter of the user's, look counts those that match instead.
func (p *pipeline) startRun() {
	p.unfinished = true
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

// sift sifts the stretch that begins at from. It ends before the first frame
// whose time makes detectors do something of their own, such as end an alert:
// they may want other frames after that.
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
	p.sifted.Control(run.Block, p.scans.Ahead)
}

// siftNone makes a stretch of which every frame is looked at.
func (p *pipeline) siftNone(from, to int) {
	p.sieve, p.from, p.to, p.taken, p.all = p.engine.Sieve(), from, to, 0, true
	p.sifted.TakeAll(from, to)
}

// takeLeft goes on with the run after a panic.
func (p *pipeline) takeLeft(names names) {
	defer p.survive(names)
	p.take()
}

// take processes the rest of the run. Frames that no detector wants are not
// even decoded.
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
	p.unfinished = false
}

// siftAgain ends the stretch at the latest frame, because detectors want others
// from there on, and sifts what follows by the new sieve.
func (p *pipeline) siftAgain() {
	if p.all {
		p.sieve = p.engine.Sieve()
		return
	}
	end := p.latest + 1
	p.sifted.Sift(p.sieve, &p.frames, p.from, end) // to count what the shorter stretch passed
	p.to = end
	p.pass()
	p.sift(end)
}

// pass counts the frames of the stretch that no detector wants.
func (p *pipeline) pass() {
	if passed := p.sifted.Passed(); passed.Frames > 0 {
		p.engine.Pass(p.newest())
		p.decoder.Pass(passed)
	}
}

// newest returns the latest time in the stretch.
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

// look decodes the ith frame of sifted and hands it to the detectors.
func (p *pipeline) look(i int) {
	f := &p.frame
	p.frames.Frame(p.latest, f)
	if p.only != nil {
		if !p.only.Match(f) {
			p.traffic.leftOut++
			return
		}
		p.traffic.noteFrame(f)
		p.state.noteFrame(f)
	}
	if o := p.decoder.Decode(f, &p.packet); o != packet.OK {
		p.state.outcome(f, o)
		return
	}
	if p.traffic.inside != someInside {
		p.lookInside(&p.packet)
	}
	p.engine.PacketFor(&p.packet, p.sifted.Who(i, p.sieve, &p.packet))
}

// settle has detectors look at a packet whose time seemed strange, when no other is
// to come, or not soon.
func (p *pipeline) settle(names names) {
	defer p.survive(names)
	p.engine.Settle()
}

// survive, deferred, recovers from a panic and blames p.frame for it.
func (p *pipeline) survive(names names) {
	if r := recover(); r != nil {
		p.panicked(&p.frame, names, r)
	}
}

// panicked notes a panic, which is a defect of this program. The summary shows
// how many there were; the frame is named so that users can report it.
func (p *pipeline) panicked(f *capture.Frame, names names, reason any) {
	p.traffic.panicked(reason, f, names)
	p.state.panicked(f.File)
}

// run processes everything that the source has and calls between after each
// batch. It stops at the first error of between, of writing events or state, or
// of the source, and returns it. The end of the source is not an error.
func (p *pipeline) run(source source, between func() error) error {
	for {
		err := p.batch(source)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, capture.ErrIdle) { // a pipe, whose next packet may be hours away
			p.settle(source)
			err = nil
		}
		if err == nil {
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

// finish has detectors look at a packet that still waits for its time to be believed,
// and closes what is open at the end of the traffic.
func (p *pipeline) finish(names names) error {
	p.settle(names)
	p.engine.Close()
	return p.events.err
}
