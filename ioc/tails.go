package ioc

// Tails looks names up by their last two labels, their tail, and remembers tails that
// no indicator of the Set has. Since most lookups are about a few thousand domains,
// nearly all end here, without a look at the large tables of the Set. It is not safe
// for use by several goroutines.
type Tails struct {
	names *names                // nil if the Set has no names
	clean [rememberTails]uint64 // hashes of tails without an indicator, each in the slot of its lowest bits
}

// rememberTails is how many tails are remembered, a power of two. They take 16 KB.
const rememberTails = 1 << 11

// Tails returns Tails of the Set, which may be nil.
func (s *Set) Tails() *Tails {
	t := &Tails{}
	if s != nil && s.names.table.count > 0 {
		t.names = &s.names
	}
	t.clean[0] = 1 // a hash that belongs into another slot: 0 would be one that is remembered here
	return t
}

// Clean is Set.Clean by the last two labels of a name alone: it is cheaper, and
// reports true for nearly as many. The name must be in one piece and end where msg
// ends; its last two labels begin at start.
func (t *Tails) Clean(msg []byte, start int, lengths uint64) bool {
	n := t.names
	if n == nil {
		return true
	}
	if n.escapes || lengths&n.kill.lengths != 0 || len(msg) < 8 {
		return false
	}
	hash := n.secret.text(msg, len(msg)-start)
	known := &t.clean[hash%rememberTails]
	if *known == hash { // all 64 bits are the same, on which the outcome below depends alone
		return true
	}
	if n.below.has(hash) {
		return false
	}
	*known = hash
	return true
}
