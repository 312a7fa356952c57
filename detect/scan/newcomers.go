package scan

import "wormscope/internal/ip"

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
// all sources of a spoofed flood do.
type newcomer struct {
	key    sourceKey
	dst    ip.Addr
	at     int64 // Unix nanoseconds
	time   tick
	frame  frame
	state  outcome
	weight uint8 // of a failure, in tenths
	used   bool
}

// newcomers is a cache of fixed size. Where it is full, a random one of four
// goes: no flood can be long or clever enough to push out exactly one source,
// and the sources that were seen to try a second destination are not in here.
type newcomers struct {
	sets    [][ways]newcomer
	random  random
	evicted uint64
}

const ways = 4

func newNewcomers(size int) newcomers {
	return newcomers{sets: make([][ways]newcomer, size/ways), random: newRandom()}
}

func (c *newcomers) set(h uint64) *[ways]newcomer {
	return &c.sets[h&uint64(len(c.sets)-1)] //nolint:gosec // G115: never empty.
}

func (c *newcomers) find(h uint64, k sourceKey) *newcomer {
	for i, set := 0, c.set(h); i < ways; i++ {
		if n := &set[i]; n.used && n.key == k {
			return n
		}
	}
	return nil
}

// add makes room for a newcomer and returns it, empty but for its key.
func (c *newcomers) add(h uint64, k sourceKey) *newcomer {
	set := c.set(h)
	slot := -1
	for i := range set {
		if !set[i].used {
			slot = i
			break
		}
	}
	if slot < 0 {
		slot = int(c.random.next() >> 62)
		c.evicted++
	}
	n := &set[slot]
	*n = newcomer{key: k, used: true}
	return n
}

func (c *newcomers) clear() { clear(c.sets) }
