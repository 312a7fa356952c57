package scan

// rings remember more of the destinations that answered or refused, for the few
// sources that try many in one go: all that the rule fan-out asks for. What a worm
// finds first is what it infects first.
type rings struct {
	all  []*[keepKnown]known
	free []int32 // places in all, plus 1
}

// maxRings is how many sources have one at a time, 3.2 kB each.
const maxRings = 4096

// of returns the destinations that are remembered of a source, a ring by answered +
// refused.
func (r *rings) of(s *source) []known {
	if s.ring == 0 {
		return s.known[:]
	}
	return r.all[s.ring-1][:]
}

// lend gives a source a ring that has none, if there is one left, before what
// answered or refused as the n-th is noted, counted from 0.
func (r *rings) lend(s *source, n uint32) {
	if len(r.free) == 0 {
		if len(r.all) == maxRings {
			return
		}
		r.all = append(r.all, new([keepKnown]known))
		r.free = append(r.free, int32(len(r.all))) //nolint:gosec // G115: at most maxRings.
	}
	last := len(r.free) - 1
	s.ring = r.free[last]
	r.free = r.free[:last]
	move(r.of(s), s.known[:], n)
}

// giveBack takes the ring of a source back, if it has one.
func (r *rings) giveBack(s *source) {
	if s.ring == 0 {
		return
	}
	move(s.known[:], r.of(s), s.answered+s.refused)
	r.free = append(r.free, s.ring)
	s.ring = 0
}

// move takes the latest of n destinations over from one ring to another.
func move(to, from []known, n uint32) {
	a, b := uint32(len(to)), uint32(len(from)) //nolint:gosec // G115: rings are small.
	for i := n - min(n, a, b); i < n; i++ {
		to[i%a] = from[i%b]
	}
}
