package scan

import (
	"math"

	"wormscope/detect/alert"
	"wormscope/internal/ip"
)

// tick is packet time in 64ths of a second since the detector's beginning. It
// wraps after 776 days; differences stay right for as long, less an hour.
type tick uint32

const (
	ticksPerSecond = 64
	nanosPerTick   = 1e9 / ticksPerSecond
	second         = tick(ticksPerSecond)
	minute         = 60 * second
	hour           = 60 * minute
	day            = 24 * hour
)

// since returns the ticks from t to now, 0 when t is later, as it may be by a
// little.
func (now tick) since(t tick) tick {
	if d := now - t; d < math.MaxUint32-hour {
		return d
	}
	return 0
}

// frame names a captured frame without a pointer.
type frame struct {
	number uint64
	file   int32
}

func (f frame) ref() alert.FrameRef { return alert.FrameRef{File: int(f.file), Number: f.number} }

// Sizes of what is remembered of a source.
const (
	keepTried   = 80 // times of new destinations: the most that a rule asks for
	keepDead    = 20 // times of failures at destinations never seen alive: the same
	keepTargets = 24 // destinations, the latest, for samples
	fewKnown    = 20 // destinations that answered or refused, the latest, for facts
	keepKnown   = 80 // the same of a source that has a ring, see rings
	keepFrames  = 4
)

// A source is one that tried two destinations or more. It is about 1.8 kB and
// holds no pointer. What every attempt of it touches comes first, a cache line
// of 64 bytes each: what a scanner's does that an alert is open about, then
// what is counted of others, then samples.
type source struct {
	sourceHead
	times   [keepTried]tick // ring, by tried
	deaths  [keepDead]tick  // ring, by dead
	targets [keepTargets]ip.Addr
	known   [fewKnown]known // ring, by answered + refused
	frames  [keepFrames]frame
}

// known is a destination that answered or refused, and when and in which frame it
// did.
type known struct {
	host   ip.Addr
	at     int64 // Unix nanoseconds
	number uint64
	file   int32
	came   outcome
}

func (k *known) sight() sight { return sight{k.at, frame{k.number, k.file}} }

// sight is when and in which frame something was seen.
type sight struct {
	at    int64 // Unix nanoseconds
	frame frame // the zero value where none is known
}

// sourceHead is what begins anew with a source. The samples count as far as it
// says.
type sourceHead struct {
	key     sourceKey
	hash    uint32
	finding int32 // the open alert's place plus 1, 0 when there is none

	last   tick   // latest new destination
	era    uint32 // see eras
	lastAt int64  // the same, Unix nanoseconds
	// most is the greatest number of new destinations that the source tried
	// in one go while hardly any failed: what a management server may do.
	most               uint32
	burst, burstFailed uint32 // the same, of the present go
	pending            uint32 // attempts whose outcome is open

	llr     float64   // log-likelihood ratio of the sequential test
	llrAt   tick      // when it was so
	missed  [2]uint16 // ordinary ports that it failed at lately, of a source whose ports are pooled
	firstAt int64     // first new destination counted, Unix nanoseconds
	// Of the new destinations since then, while no alert is open:
	tried uint32
	counts
	failed, dead uint32

	came    outcomes // what the attempts at targets came to
	nframes uint32   // how many frames there are

	day, today uint32 // see baseline
	scanned    tick   // when an alert about it was closed that it may relapse after, 0 when there was none in this era
	ring       int32  // in the place of known, its place plus 1 in rings; 0 for none. It stays with the slot
}

// outcomes are those of up to 32 attempts, two bits each.
type outcomes uint64

func (o outcomes) at(i uint32) outcome { return outcome(o >> (2 * i) & 3) }

func (o *outcomes) set(i uint32, came outcome) {
	*o = *o&^(3<<(2*i)) | outcomes(came)<<(2*i)
}

// population is one half of the world's sources, inside or outside. The two
// share nothing, so that what comes from outside can't push out what is known
// of the inside.
type population struct {
	newcomers newcomers
	index     index
	chunks    []*[chunk]source
	used      int // sources in chunks
	limit     int
	contacts  memory // who contacted whom
	eras      eras   // of these
	random    random
	evicted   uint64
}

const chunk = 128 // sources that are allocated together

func (p *population) at(slot int) *source { return &p.chunks[slot/chunk][slot%chunk] }

func newPopulation(sources, newcomers, contacts int) population {
	return population{
		newcomers: newNewcomers(newcomers), index: newIndex(64),
		limit: sources, contacts: newMemory(contacts), random: newRandom(),
	}
}

// remembers reports whether the contacts of an alert are still to be remembered:
// only so many, for those of a scanner would fill the memory of the honest.
func (p *population) remembers(f *finding) bool {
	return f.attempts < uint64(p.contacts.limit*bucketSize/scanShare) //nolint:gosec // G115: never negative.
}

// find returns the source with this key, nil when there is none.
func (p *population) find(h uint64, k sourceKey) *source {
	for h32, pos := hash32(h), hash32(h); ; {
		slot, after := p.index.next(h32, pos)
		if slot < 0 {
			return nil
		}
		if s := p.at(slot); s.key == k {
			return s
		}
		pos = after
	}
}

// promote makes a source of a newcomer that tries its second destination, and
// frees the newcomer's place. It returns nil where the table takes no more.
func (p *population) promote(h uint64, n *newcomer, now tick) *source {
	slot := p.room(now)
	if slot < 0 {
		return nil
	}
	s := p.at(slot)
	s.sourceHead = sourceHead{
		key: n.key(), hash: hash32(h), lastAt: n.at, last: n.time, llrAt: n.time, ring: s.ring,
	}
	if !p.index.add(s.hash, uint32(slot)) { //nolint:gosec // G115: tables are far smaller.
		s.sourceHead = sourceHead{ring: s.ring}
		return nil
	}
	s.count(n.dst, n.time, n.at, n.frame())
	p.newcomers.remove(h, n)
	return s
}

// room returns a free slot, or one whose source goes: of a random eight the
// one with the least suspicion, and among equals the one quiet for longest.
func (p *population) room(now tick) int {
	if p.used < p.limit {
		if p.used == len(p.chunks)*chunk {
			p.chunks = append(p.chunks, new([chunk]source))
		}
		p.used++
		return p.used - 1
	}
	leaves := -1
	for range 8 {
		i := int(p.random.next() % uint64(p.used)) //nolint:gosec // G115: reduced.
		if s := p.at(i); s.finding == 0 && (leaves < 0 || s.lessNeeded(p.at(leaves), now)) {
			leaves = i
		}
	}
	p.evicted++ // or else the one that there is no room for is let go
	if leaves >= 0 {
		p.index.remove(p.at(leaves).hash, uint32(leaves))
	}
	return leaves
}

func (s *source) lessNeeded(other *source, now tick) bool {
	if (s.dead > 0) != (other.dead > 0) {
		return s.dead == 0
	}
	return now.since(s.last) > now.since(other.last)
}

// clear forgets all sources, but not who contacted whom.
func (p *population) clear() {
	p.newcomers.clear()
	p.index.clear()
	p.used = 0
	p.eras = eras{}
}

// count notes a new destination. Of a source that an alert is open about, the
// alert keeps count: when it is closed, all that is known of the source here
// begins anew.
func (s *source) count(dst ip.Addr, now tick, at int64, f frame) {
	s.burst++
	if s.finding != 0 {
		s.last, s.lastAt = now, at
		return
	}
	if s.tried == 0 {
		s.firstAt = at
	}
	if now.since(s.last) > minute && s.llr <= 0 { // what went before was something else
		s.nframes = 0
	}
	s.times[s.tried%keepTried] = now
	s.targets[s.tried%keepTargets] = dst
	s.came.set(s.tried%keepTargets, open)
	s.tried++
	s.pending++
	s.last, s.lastAt = now, at
	if s.nframes < keepFrames {
		s.frames[s.nframes] = f
		s.nframes++
	}
}

// settle counts what the attempt at a destination came to.
func (s *source) settle(dst ip.Addr, o outcome, by sight, r *rings) {
	s.tally(o)
	s.recall(dst, o, by, r)
}

// recall notes the outcome of an attempt in the sample, and its destination among
// those that are known to be there.
func (s *source) recall(dst ip.Addr, o outcome, by sight, r *rings) {
	for i := range min(s.tried, keepTargets) {
		if s.targets[i] == dst {
			s.came.set(i, o.counted())
		}
	}
	switch o {
	case open, silent:
		return
	case unreached: // it takes a place, as it is counted, but there is nothing to tell
		o = silent
	case answered, refused:
	}
	n := s.answered + s.refused - 1
	if s.ring == 0 && n >= fewKnown && s.burst > fewKnown {
		r.lend(s, n)
	}
	ring := r.of(s)
	ring[n%uint32(len(ring))] = known{dst, by.at, by.frame.number, by.frame.file, o} //nolint:gosec // G115: rings are small.
}

// counted returns what alerts count an outcome as.
func (o outcome) counted() outcome {
	if o == unreached {
		return refused
	}
	return o
}

// span is the part of what is counted of a source that belongs to its scan.
type span struct {
	tried, answered, refused, silent uint32
	young                            uint32 // of tried, younger than answerDue
	firstAt                          int64
}

// recent returns the run of attempts that the latest belongs to: back to a gap
// that is much longer than those after it. A client of three file servers that
// is infected in the afternoon does not scan since the morning. The run's beginning
// is known to a tick, rounded down.
func (s *source) recent(d *Detector) span {
	all := span{s.tried, s.answered, s.refused, s.silent, s.young(d.tick(d.now)), s.firstAt}
	limit := min(s.tried, keepTried)
	at := func(back uint32) tick { return s.times[(s.tried-1-back)%keepTried] }
	n := uint32(1)
	for ; n < limit; n++ {
		usual := at(0).since(at(n-1))/tick(n) + second
		if gap := at(n - 1).since(at(n)); n >= runLeast && gap > runGap*usual {
			break
		}
	}
	if n == limit { // no such gap, as far as is remembered
		return all
	}
	run := span{tried: n, young: min(all.young, n), firstAt: d.timeOf(at(n - 1))}
	s.sum(&run, min(n, keepTargets))
	if n > keepTargets {
		s.share(&run, &all)
	}
	return run
}

// sum adds what the latest attempts came to.
func (s *source) sum(run *span, latest uint32) {
	for i := range latest {
		switch s.came.at((s.tried - 1 - i) % keepTargets) {
		case answered:
			run.answered++
		case refused:
			run.refused++
		case silent:
			run.silent++
		case open, unreached: // the latter is kept as refused
		}
	}
}

// share adds what those of a run came to that are not among the latest. How many
// of them failed is known of the present go; before, as many did as of all. What is
// open is the run's.
func (s *source) share(run, all *span) {
	part, rest := run.tried-keepTargets, all.tried-keepTargets
	open := all.open() - min(all.open(), keepTargets-run.answered-run.refused-run.silent)
	refused := all.refused - min(all.refused, run.refused)
	both := refused + all.silent - min(all.silent, run.silent)
	failed := (both*part + rest/2) / rest
	if run.tried <= s.burst {
		failed = min(both, s.burstFailed-min(s.burstFailed, run.refused+run.silent))
	}
	failed = min(failed, part)
	refused = (refused*failed + both/2) / max(both, 1)
	run.refused += refused
	run.silent += failed - refused
	run.answered += part - min(part, failed+open)
}

// open returns how many have no outcome yet.
func (r *span) open() uint32 { return r.tried - min(r.tried, r.answered+r.refused+r.silent) }

// young returns how many of the new destinations were tried so lately that their
// answers may be on the way.
func (s *source) young(now tick) uint32 {
	limit := min(s.tried, keepTried)
	for n := range limit {
		if now.since(s.times[(s.tried-1-n)%keepTried]) >= answerDue {
			return n
		}
	}
	return s.tried
}

const (
	runLeast = 6 // attempts are in a run at least
	runGap   = 8 // how much longer a gap is that ends a run
)
