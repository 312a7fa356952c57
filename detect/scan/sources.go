package scan

import "wormscope/detect/alert"

// tick is packet time in 64ths of a second since the detector's beginning. It
// wraps after two years; differences stay right for one.
type tick uint32

const (
	ticksPerSecond = 64
	nanosPerTick   = 1e9 / ticksPerSecond
	second         = tick(ticksPerSecond)
	minute         = 60 * second
	hour           = 60 * minute
	day            = 24 * hour
)

// since returns the ticks from t to now, 0 when t is later.
func (now tick) since(t tick) tick {
	if d := now - t; d < 1<<31 {
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
	keepTargets = 24 // destinations, for samples and facts
	keepFrames  = 4
)

// A source is one that tried two destinations or more. It is about 1 kB and
// holds no pointer.
type source struct {
	key  sourceKey
	hash uint32
	life int32 // the open alert's place plus 1, 0 when there is none

	llr     float64 // log-likelihood ratio of the sequential test
	llrAt   tick    // when it was so
	first   tick    // first new destination counted
	firstAt int64   // the same, Unix nanoseconds
	last    tick    // latest new destination

	// Of the new destinations since first:
	tried, answered, refused, silent, failed, dead uint32

	pending uint32 // attempts whose outcome is open

	// most is the greatest number of new destinations that the source tried
	// in one go while hardly any failed: what a management server may do.
	most               uint32
	burst, burstFailed uint32 // the same, of the present go

	day, today uint32 // see custom

	times   [keepTried]tick // ring, by tried
	deaths  [keepDead]tick  // ring, by dead
	targets [keepTargets]addr
	came    [keepTargets]outcome // what the attempts at targets came to
	next    uint32               // where in targets the next goes; it only grows
	frames  [keepFrames]frame
	nframes uint8
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
	*s = source{key: n.key, hash: hash32(h), first: n.time, firstAt: n.at, last: n.time, llrAt: n.time}
	if !p.index.add(s.hash, uint32(slot)) { //nolint:gosec // G115: tables are far smaller.
		*s = source{}
		return nil
	}
	s.count(n.dst, n.time, n.frame)
	n.used = false
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
	victim := -1
	for range 8 {
		i := int(p.random.next() % uint64(p.used)) //nolint:gosec // G115: reduced.
		if s := p.at(i); s.life == 0 && (victim < 0 || s.lessNeeded(p.at(victim), now)) {
			victim = i
		}
	}
	if victim >= 0 {
		p.index.remove(p.at(victim).hash, uint32(victim))
		p.evicted++
	}
	return victim
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
}

// count notes a new destination.
func (s *source) count(dst addr, now tick, f frame) {
	s.times[s.tried%keepTried] = now
	s.tried++
	s.pending++
	s.burst++
	s.last = now
	s.targets[s.next%keepTargets], s.came[s.next%keepTargets] = dst, open
	s.next++
	if s.nframes < keepFrames {
		s.frames[s.nframes] = f
		s.nframes++
	}
}

// settle notes in the sample what the attempt at a destination came to.
func (s *source) settle(dst addr, o outcome) {
	for i := range s.targets {
		if s.targets[i] == dst {
			s.came[i] = o
		}
	}
}
