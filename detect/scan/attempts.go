package scan

import (
	"math"
	"sort"
	"time"

	"wormscope/internal/ip"
	"wormscope/internal/prefetch"
)

// Times that decide what an attempt came to, in nanoseconds of packet time.
const (
	// silentAfter is when an attempt without an answer counts as silent.
	silentAfter = int64(5 * time.Second)
	// lateAfter is until when a late answer still corrects that: Windows
	// repeats a SYN at 3 and 9 s, and gives up at 21 s.
	lateAfter = int64(21 * time.Second)
)

// outcome is what an attempt came to.
type outcome uint8

const (
	open      outcome = iota // no answer yet
	answered                 // SYN-ACK
	refused                  // RST, or ICMP unreachable from the destination itself
	silent                   // nothing in time
	unreached                // refused by somebody before the destination, which may not exist
)

// counts are of attempts, by what they came to.
type counts struct{ answered, refused, silent uint32 }

// tally counts an attempt.
func (n *counts) tally(o outcome) {
	switch o {
	case answered:
		n.answered++
	case refused, unreached:
		n.refused++
	case open, silent:
		n.silent++
	}
}

// An attempt is one connection that was tried: a SYN and its repeats. It
// stays for lateAfter, answered or not, so that a packet that was captured
// twice finds it and is not counted again.
type attempt struct {
	src, dst ip.Addr
	time     int64  // of the first SYN, Unix nanoseconds
	number   uint32 // among all that were ever pushed
	// Sequence number and source port of the first SYN and of the latest one
	// that differed: a retry of the application, a parallel connection, or
	// the same SYN behind a firewall that rewrites sequence numbers.
	seq, seq2     uint32
	sport, sport2 uint16
	port          uint16
	vlan          uint16
	marks         mark
	state         outcome
	weight        uint8 // of a failure, in tenths; set with state
}

// mark says how an attempt counts.
type mark uint16

const (
	first     mark = 1 << iota // the source's first contact with the destination: it is tested
	firstNet                   // the same for the source's /64
	pooled                     // tested with all ports together: from outside to inside
	stealth                    // a FIN or NULL probe, or SYN and FIN in one: silence says nothing
	shadow                     // no SYN was seen: an answer on its own
	completed                  // the originator went on after the handshake
	inside                     // the source is inside
	newSource                  // the only destination that its source tried so far
	arrived                    // its source was not seen before
	absorbed                   // part of a flood, and no attempt of its own
	swept                      // its source has an alert open for a sweep of this port
	exempt                     // its source may scan
	withData                   // one of its SYNs carried data
	aborted                    // its handshake was not completed: an RST followed the answer, or the answer again
	unheard                    // it goes on though its answer was not seen so far
	repeated                   // its SYN was sent again after a while, as a TCP that waits does
)

func (a *attempt) has(m mark) bool { return a.marks&m != 0 }

// waits reports whether an answer would still count. A shadow began with one.
func (a *attempt) waits() bool { return a.state == open || a.state == silent }

// forget makes an attempt one that nobody finds. Its time still holds its place in
// the order.
func (a *attempt) forget() { *a = attempt{time: a.time, number: a.number} }

// repeat notes another SYN of the same attempt, and marks that it gives it.
func (a *attempt) repeat(sport uint16, seq uint32, at int64, marks mark) {
	a.marks |= marks
	switch {
	case sport != a.sport || seq != a.seq:
		a.sport2, a.seq2 = sport, seq
	case at-a.time > sentAgain:
		a.marks |= repeated
	}
}

// maxData bounds what a SYN carries: a jumbo frame.
const maxData = 9000

// accepts reports whether a segment to port sport that acknowledges ack
// answers this attempt. The acknowledgement must be the SYN's sequence number
// plus one, so that nobody who did not see the SYN can answer for the
// destination; or, where a SYN carried data, be behind any part of that (RFC
// 9293, RFC 7413), as there is no room to keep how much it was. Zero and one
// are let through: real stacks draw sequence numbers at random, and these come
// from generators that do not keep them.
func (a *attempt) accepts(sport uint16, ack uint32) bool {
	data := uint32(0)
	if a.has(withData) {
		data = maxData
	}
	return sport == a.sport && acknowledges(a.seq, data, ack) || sport == a.sport2 && acknowledges(a.seq2, data, ack)
}

func acknowledges(seq, data, ack uint32) bool {
	return ack-(seq+1) <= data || ack <= 1 || seq <= 1 && ack == seq
}

// attempts holds the attempts of the last lateAfter in the order they began, a
// ring. At its limit the oldest goes, and what it would have come to stays unknown.
//
// An attempt is one cache line, and there are so many that hardly any is in a near
// cache when its time is over. Those that need no judgement then are marked in a
// bitmap, so that only the others are looked at.
type attempts struct {
	blocks     []*block // of the ring; nil where none of the attempts stands
	spare      []*block // that are in none of these places
	closed     []uint64 // a bit for each place of the ring
	index      latest
	room       uint64 // attempts that the index is for
	head, tail uint64 // oldest, and behind the newest; they only grow
	judged     uint64 // behind the newest that silentAfter has passed for, or that needs no judgement
	limit      int
	dropped    uint64 // left before silentAfter had passed
}

// block is a part of the ring. Since blocks that are done with are used again, the
// ring takes no more memory than the attempts of lateAfter do, and grows without
// being copied.
type block [blockSize]attempt

const (
	blockSize     = 256  // attempts, 16 KB
	firstAttempts = 1024 // that the index is for at first
	judgedAhead   = 12   // after so many more an attempt is judged that is fetched now
)

func newAttempts(limit int) attempts {
	room := min(firstAttempts, limit)
	return attempts{
		blocks: make([]*block, max(limit/blockSize, 1)), closed: make([]uint64, (limit+63)/64),
		index: newLatest(room), room: uint64(room), //nolint:gosec // G115: never negative.
		limit: limit, head: 1, tail: 1, judged: 1, // an empty cell of the index has number 0
	}
}

func (t *attempts) at(n uint64) *attempt {
	slot := t.slot(n)
	return &t.blocks[slot/blockSize][slot%blockSize]
}

func (t *attempts) slot(n uint64) uint32 {
	return uint32(n) & uint32(t.limit-1) //nolint:gosec // G115: rings are far smaller.
}

// blockOf returns where in the ring the block is that an attempt stands in.
func (t *attempts) blockOf(n uint64) **block { return &t.blocks[t.slot(n)/blockSize] }

// window returns the numbers of the attempts that are here.
func (t *attempts) window() window {
	return window{uint32(t.head), uint32(t.tail - t.head)} //nolint:gosec // G115: numbers wrap.
}

// find returns the attempt of src at dst and port, nil when there is none.
func (t *attempts) find(h uint64, src, dst ip.Addr, port uint16) *attempt {
	h32, in := hash32(h), t.window()
	for i := range uint32(maxGroups) {
		g := t.index.group(h32 + i)
		if g.hints(h32) {
			if a := t.among(g, h32, src, dst, port); a != nil {
				return a
			}
		}
		if !in.has(g.beyond) {
			return nil
		}
	}
	return nil
}

// among returns the same if it is one of a group.
func (t *attempts) among(g *group, h32 uint32, src, dst ip.Addr, port uint16) *attempt {
	in := t.window()
	for i, number := range &g.numbers {
		if g.hashes[i] != h32 || !in.has(number) {
			continue
		}
		if a := t.at(uint64(number)); a.port == port && a.dst == dst && a.src == src {
			return a
		}
	}
	return nil
}

// push makes room for a new attempt with this hash and returns it, with
// nothing but its number set. The pointer is good until the next push.
func (t *attempts) push(h uint64) *attempt {
	if uint32(t.tail) == 0 { //nolint:gosec // G115: numbers wrap.
		t.skip()
	}
	t.makeRoom()
	t.index.add(hash32(h), uint32(t.tail), t.window()) //nolint:gosec // G115: the same. What can't be indexed ages unfound.
	return t.place()
}

// skip leaves the place of a number without an attempt.
func (t *attempts) skip() {
	latest := int64(0)
	if t.tail > t.head {
		latest = t.at(t.tail - 1).time
	}
	t.makeRoom()
	a := t.place()
	a.time = latest
	t.close(a)
}

// makeRoom makes room for one more, also in the index.
func (t *attempts) makeRoom() {
	switch n := t.tail - t.head; {
	case n == uint64(t.limit): //nolint:gosec // G115: never negative.
		t.dropOldest()
	case n == t.room:
		t.growIndex()
	}
}

// place puts an attempt behind the newest, with nothing but its number set.
func (t *attempts) place() *attempt {
	if at := t.blockOf(t.tail); *at == nil {
		*at = t.anotherBlock()
	}
	a := t.at(t.tail)
	*a = attempt{number: uint32(t.tail)} //nolint:gosec // G115: numbers wrap.
	t.mark(a, false)
	t.tail++
	return a
}

// anotherBlock returns a block that no attempt stands in.
func (t *attempts) anotherBlock() *block {
	last := len(t.spare) - 1
	if last < 0 {
		return new(block)
	}
	b := t.spare[last]
	t.spare = t.spare[:last]
	return b
}

// advance lets go of the attempts before a number.
func (t *attempts) advance(head uint64) {
	for n := t.head; n/blockSize < head/blockSize; n += blockSize {
		// At the limit the newest may stand in the place of the oldest.
		if at := t.blockOf(n); n-n%blockSize+uint64(t.limit) >= t.tail && *at != nil { //nolint:gosec // G115: never negative.
			t.spare = append(t.spare, *at)
			*at = nil
		}
	}
	t.head = head
}

// close notes that an attempt no longer needs a judgement.
func (t *attempts) close(a *attempt) { t.mark(a, true) }

func (t *attempts) mark(a *attempt, closed bool) {
	slot := t.slot(uint64(a.number))
	word, bit := &t.closed[slot/64], uint64(1)<<(slot%64)
	if closed {
		*word |= bit
	} else {
		*word &^= bit
	}
}

func (t *attempts) dropOldest() {
	if t.judged <= t.head {
		if !t.isClosed(t.head) {
			t.dropped++
		}
		t.judged = t.head + 1
	}
	t.advance(t.head + 1)
}

func (t *attempts) isClosed(n uint64) bool {
	slot := t.slot(n)
	return t.closed[slot/64]>>(slot%64)&1 != 0
}

// growIndex makes an index for twice as many.
func (t *attempts) growIndex() {
	t.room *= 2
	t.index = t.index.doubled(t.window())
}

// next moves on to the next attempt to be judged, and reports whether there is
// one.
func (t *attempts) next() bool {
	for t.judged < t.tail && t.isClosed(t.judged) {
		t.judged++
	}
	return t.judged < t.tail
}

// dueAt returns when silentAfter will have passed for the next attempt.
func (t *attempts) dueAt() int64 {
	if !t.next() {
		return math.MaxInt64
	}
	return t.at(t.judged).time + silentAfter
}

// due returns the next attempt without an answer that silentAfter has passed
// for at this time, nil when there is none.
func (t *attempts) due(now int64) *attempt {
	if !t.next() {
		return nil
	}
	a := t.at(t.judged)
	if now-a.time < silentAfter {
		return nil
	}
	t.judged++
	if n := t.judged + judgedAhead; n < t.tail {
		prefetch.Line(t.at(n))
	}
	return a
}

// expire lets go of the attempts that are older than lateAfter and judged. It
// searches for the first that is not, so that it need not look at each.
func (t *attempts) expire(now int64) {
	judged := int(t.judged - t.head)                                                                    //nolint:gosec // G115: at most the size of the ring.
	old := sort.Search(judged, func(i int) bool { return now-t.at(t.head+uint64(i)).time < lateAfter }) //nolint:gosec // G115: the same.
	t.advance(t.head + uint64(old))                                                                     //nolint:gosec // G115: the same.
}

// clear lets go of all attempts; those that were open stay unknown.
func (t *attempts) clear() {
	for t.head < t.tail {
		t.dropOldest()
	}
}
