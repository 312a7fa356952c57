package scan

import (
	"slices"

	"wormscope/internal/ip"
)

// kind is how a source is tested.
type kind uint8

const (
	perPort  kind = iota // each port on its own: sources inside, and outside ones among themselves
	allPorts             // ports pooled: from outside to inside
	perNet               // each port on its own, all of a /64: sources that change their address
	unasked              // answers to one client's port that nobody was seen to ask for
)

// sourceKey names what is tested: a source at a port.
type sourceKey struct {
	addr ip.Addr
	port uint16
	kind kind
}

func (k sourceKey) hash(addrHash uint64) uint64 {
	return mix(addrHash^seedB, uint64(k.port)<<8|uint64(k.kind)^seedC)
}

// A newcomer is a source that tried one destination so far, as most do and as
// all sources of a spoofed flood do. It is one cache line.
type newcomer struct {
	addr, dst ip.Addr
	at        int64  // Unix nanoseconds
	number    uint64 // of the frame
	file      int32  // "
	time      tick   // the same as at
	port      uint16
	kind      kind
	state     outcome
	weight    uint8 // of a failure, in tenths
	pooled    bool  // it counts for the /64, too
	_         [2]byte
}

// key returns what the newcomer is tested under.
func (n *newcomer) key() sourceKey { return sourceKey{addr: n.addr, port: n.port, kind: n.kind} }

// frame returns the frame that showed it.
func (n *newcomer) frame() frame { return frame{n.number, n.file} }

// newcomers is a cache of fixed size. Where it is full, a random one of four
// goes: no flood can be long or clever enough to push out exactly one source,
// and the sources that were seen to try a second destination are not in here.
type newcomers struct {
	tags    []tags
	sets    [][ways]newcomer
	random  random
	evicted uint64
}

const ways = 4

// tags are a part of the hashes of a set's entries, 0 for a free place. They
// tell without a look at the entries that one is not there, as most are not.
type tags [ways]uint16

func tagOf(h uint64) uint16 { return uint16(h>>48) | 1 }

func newNewcomers(size int) newcomers {
	return newcomers{
		tags: make([]tags, size/ways), sets: make([][ways]newcomer, size/ways), random: newRandom(),
	}
}

func (c *newcomers) set(h uint64) uint64 {
	return h & uint64(len(c.sets)-1) //nolint:gosec // G115: never empty.
}

func (c *newcomers) find(h uint64, k sourceKey) *newcomer {
	set, tag := c.set(h), tagOf(h)
	for i, other := range c.tags[set] {
		if other == tag {
			if n := &c.sets[set][i]; n.addr == k.addr && n.port == k.port && n.kind == k.kind {
				return n
			}
		}
	}
	return nil
}

// settle notes what the only attempt of a newcomer came to.
func (c *newcomers) settle(h uint64, k sourceKey, a *attempt) {
	if n := c.find(h, k); n != nil && n.dst == a.dst {
		n.state, n.weight, n.pooled = a.state, a.weight, a.has(firstNet)
	}
}

// add makes room for a newcomer and returns it, empty but for its key.
func (c *newcomers) add(h uint64, k sourceKey) *newcomer {
	set := c.set(h)
	slot := slices.Index(c.tags[set][:], 0)
	if slot < 0 {
		slot = int(c.random.next() >> 62)
		c.evicted++
	}
	c.tags[set][slot] = tagOf(h)
	n := &c.sets[set][slot]
	*n = newcomer{addr: k.addr, port: k.port, kind: k.kind}
	return n
}

// remove frees the place of a newcomer.
func (c *newcomers) remove(h uint64, n *newcomer) {
	set := c.set(h)
	for i := range c.sets[set] {
		if n == &c.sets[set][i] {
			c.tags[set][i] = 0
		}
	}
}

func (c *newcomers) clear() { clear(c.tags) }
