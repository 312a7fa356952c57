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
	number    uint64 // of the frame; in a place that is not in use, see newcomers.free
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
//
// The entries stand in the order they came, apart from what finds them, so that they
// take as much memory as there are newcomers, and what comes one after the other lies
// side by side.
type newcomers struct {
	sets    []set
	blocks  []*[newcomersTogether]newcomer
	begun   uint32 // places that were ever in use
	free    uint32 // one of those that no longer are, plus 1, see newcomer.number; 0 for none
	random  random
	evicted uint64
}

const (
	ways              = 4
	newcomersTogether = 256 // in a block, 16 KB
)

// A set is where the entries stand whose hashes fall on it, and a part of each hash.
type set struct {
	tags   tags
	places [ways]uint32
}

// tags are a part of the hashes of a set's entries, 0 for a free place. They
// tell without a look at the entries that one is not there, as most are not.
type tags [ways]uint16

func tagOf(h uint64) uint16 { return uint16(h>>48) | 1 }

func newNewcomers(size int) newcomers {
	return newcomers{sets: make([]set, size/ways), random: newRandom()}
}

func (c *newcomers) set(h uint64) *set {
	return &c.sets[h&uint64(len(c.sets)-1)] //nolint:gosec // G115: never empty.
}

func (c *newcomers) at(place uint32) *newcomer {
	return &c.blocks[place/newcomersTogether][place%newcomersTogether]
}

func (c *newcomers) find(h uint64, k sourceKey) *newcomer {
	s, tag := c.set(h), tagOf(h)
	for i, other := range s.tags {
		if other == tag {
			if n := c.at(s.places[i]); n.addr == k.addr && n.port == k.port && n.kind == k.kind {
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
	s := c.set(h)
	way := slices.Index(s.tags[:], 0)
	if way < 0 {
		way = int(c.random.next() >> 62)
		c.evicted++
	} else {
		s.places[way] = c.take()
	}
	s.tags[way] = tagOf(h)
	n := c.at(s.places[way])
	*n = newcomer{addr: k.addr, port: k.port, kind: k.kind}
	return n
}

// take returns a place that is not in use.
func (c *newcomers) take() uint32 {
	if c.free != 0 {
		place := c.free - 1
		c.free = uint32(c.at(place).number) //nolint:gosec // G115: a place plus 1.
		return place
	}
	if c.begun%newcomersTogether == 0 && int(c.begun/newcomersTogether) == len(c.blocks) {
		c.blocks = append(c.blocks, new([newcomersTogether]newcomer))
	}
	c.begun++
	return c.begun - 1
}

// remove frees the place of a newcomer.
func (c *newcomers) remove(h uint64, n *newcomer) {
	s := c.set(h)
	for i, place := range s.places {
		if s.tags[i] != 0 && c.at(place) == n {
			s.tags[i] = 0
			n.number, c.free = uint64(c.free), place+1
		}
	}
}

// clear forgets all newcomers. Their memory is used again.
func (c *newcomers) clear() {
	clear(c.sets)
	c.begun, c.free = 0, 0
}
