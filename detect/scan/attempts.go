package scan

import (
	"math"
	"time"

	"wormscope/internal/ip"
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
	open     outcome = iota // no answer yet
	answered                // SYN-ACK
	refused                 // RST, or ICMP unreachable
	silent                  // nothing in time
)

// An attempt is one connection that was tried: a SYN and its repeats. It
// stays for lateAfter, answered or not, so that a packet that was captured
// twice finds it and is not counted again.
type attempt struct {
	src, dst ip.Addr
	time     int64 // of the first SYN, Unix nanoseconds
	hash     uint32
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
	stealth                    // a FIN probe: silence says nothing
	shadow                     // no SYN was seen: an answer on its own
	completed                  // the originator went on after the handshake
	inside                     // the source is inside
	newSource                  // the only destination that its source tried so far
	arrived                    // its source was not seen before
	absorbed                   // part of a flood, and no attempt of its own
	swept                      // its source has an alert open for a sweep of this port
	exempt                     // its source may scan
)

func (a *attempt) has(m mark) bool { return a.marks&m != 0 }

// repeat notes another SYN of the same attempt.
func (a *attempt) repeat(sport uint16, seq uint32) {
	if sport != a.sport || seq != a.seq {
		a.sport2, a.seq2 = sport, seq
	}
}

// accepts reports whether a segment to port sport that acknowledges ack
// answers this attempt. The acknowledgement must be the SYN's sequence number
// plus one, so that nobody who did not see the SYN can answer for the
// destination. Zero and one are let through: real stacks draw sequence numbers
// at random, and these come from generators that do not keep them.
func (a *attempt) accepts(sport uint16, ack uint32) bool {
	return sport == a.sport && acknowledges(a.seq, ack) || sport == a.sport2 && acknowledges(a.seq2, ack)
}

func acknowledges(seq, ack uint32) bool {
	return ack == seq+1 || ack <= 1 || seq <= 1 && ack == seq
}

// attempts holds the attempts of the last lateAfter in the order they began, a
// ring. It grows up to its limit; then the oldest goes, and what it would have
// come to stays unknown.
type attempts struct {
	ring       []attempt
	index      index
	head, tail uint64 // oldest, and behind the newest; they only grow
	judged     uint64 // behind the newest that silentAfter has passed for
	limit      int
	dropped    uint64 // left before silentAfter had passed
}

const firstAttempts = 1024 // size that the ring begins with

func newAttempts(limit int) attempts {
	size := min(firstAttempts, limit)
	return attempts{ring: make([]attempt, size), index: newIndex(2 * size), limit: limit}
}

func (t *attempts) at(n uint64) *attempt { return &t.ring[t.slot(n)] }

func (t *attempts) slot(n uint64) uint32 {
	return uint32(n) & uint32(len(t.ring)-1) //nolint:gosec // G115: rings are far smaller.
}

// find returns the attempt of src at dst and port, nil when there is none.
func (t *attempts) find(h uint64, src, dst ip.Addr, port uint16) *attempt {
	for h32, pos := hash32(h), hash32(h); ; {
		slot, after := t.index.next(h32, pos)
		if slot < 0 {
			return nil
		}
		if a := &t.ring[slot]; a.port == port && a.dst == dst && a.src == src {
			return a
		}
		pos = after
	}
}

// push makes room for a new attempt with this hash and returns it, with
// nothing but its hash set. The pointer is good until the next push.
func (t *attempts) push(h uint64) *attempt {
	if t.tail-t.head == uint64(len(t.ring)) {
		if len(t.ring) < t.limit {
			t.grow()
		} else {
			t.dropOldest()
		}
	}
	a := t.at(t.tail)
	*a = attempt{hash: hash32(h)}
	t.index.add(a.hash, t.slot(t.tail)) // an attempt that can't be indexed ages unfound
	t.tail++
	return a
}

func (t *attempts) dropOldest() {
	a := t.at(t.head)
	t.index.remove(a.hash, t.slot(t.head))
	if t.judged <= t.head {
		t.judged = t.head + 1
		if a.state == open {
			t.dropped++
		}
	}
	t.head++
}

// grow doubles the ring. Slots change, so the index is made anew.
func (t *attempts) grow() {
	old := *t
	t.ring = make([]attempt, 2*len(old.ring))
	t.index = newIndex(2 * len(t.ring))
	for n := t.head; n < t.tail; n++ {
		*t.at(n) = *old.at(n)
		t.index.add(t.at(n).hash, t.slot(n))
	}
}

// dueAt returns when silentAfter will have passed for the next attempt.
func (t *attempts) dueAt() int64 {
	if t.judged == t.tail {
		return math.MaxInt64
	}
	return t.at(t.judged).time + silentAfter
}

// due returns the next attempt that silentAfter has passed for at this time,
// nil when there is none.
func (t *attempts) due(now int64) *attempt {
	if t.judged == t.tail {
		return nil
	}
	a := t.at(t.judged)
	if now-a.time < silentAfter {
		return nil
	}
	t.judged++
	return a
}

// expire lets go of the attempts that are older than lateAfter and judged.
func (t *attempts) expire(now int64) {
	for t.head < t.judged && now-t.at(t.head).time >= lateAfter {
		t.dropOldest()
	}
}

// clear lets go of all attempts; those that were open stay unknown.
func (t *attempts) clear() {
	for t.head < t.tail {
		t.dropOldest()
	}
}
