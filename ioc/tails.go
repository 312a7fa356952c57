package ioc

// Tails are the ends of names, the last two labels of each, as a Set has them or
// not. They remember of which the Set has none: a few thousand domains are most
// of what is asked for, and of these nothing is to be looked up in a large table.
// It is not safe for use by several goroutines.
type Tails struct {
	names *names                // nil where there are none
	clean [rememberTails]uint64 // hashes of tails without an indicator, each in its place
}

// rememberTails is how many are remembered, a power of two: 16 KB.
const rememberTails = 1 << 11

// Tails returns the tails of the indicator names. Nil has none.
func (s *Set) Tails() *Tails {
	t := &Tails{}
	if s != nil && s.names.table.count > 0 {
		t.names = &s.names
	}
	t.clean[0] = 1 // which is at home elsewhere: no hash is remembered yet
	return t
}

// Clean is Set.Clean for a name that is in one piece, by its last two labels
// alone: cheaper, and it says so of nearly as many. The name ends where msg
// ends, and its last two labels begin at start.
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
	if *known == hash { // all of it is compared: what is said depends on nothing else
		return true
	}
	if n.below.has(hash) {
		return false
	}
	*known = hash
	return true
}
