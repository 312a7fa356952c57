package scan

// latest finds the entries of a ring by hash. What the ring lets go is not
// removed here, which would cost a random access each: a cell has the number of
// its entry among all that were ever added, so that it is known of it alone
// whether the entry is still there. If not, the cell is free.
type latest struct{ groups []group }

// group is the cells of the hashes that fall on it, one cache line.
type group struct {
	hashes  [groupSize]uint32
	numbers [groupSize]uint32
	beyond  uint32 // number of the latest entry that found no room here: it is in a group behind
	_       [4]byte
}

const (
	groupSize = 7
	// maxGroups bounds how many groups are looked through. Under honest
	// traffic it is never reached; under chosen collisions entries are refused.
	maxGroups = 16
)

// newLatest makes an index for a ring of so many places, a power of two. Of
// full rings one group in twenty is full.
func newLatest(size int) latest { return latest{make([]group, max(size/4, 1))} }

// window is the numbers that are in the ring: so many, from the first on. They
// wrap, and leave out 0, which is that of an empty cell.
type window struct{ first, n uint32 }

func (w window) has(number uint32) bool { return number != 0 && number-w.first < w.n }

// later returns the later of two numbers, the first of which is in the ring.
func (w window) later(number, other uint32) uint32 {
	if w.has(other) && other-w.first > number-w.first {
		return other
	}
	return number
}

func (x *latest) group(n uint32) *group {
	return &x.groups[n&uint32(len(x.groups)-1)] //nolint:gosec // G115: tables are far smaller.
}

// hints reports whether one of the cells has this hash, as hardly ever one
// does that is not of the entry looked for.
func (g *group) hints(h uint32) bool {
	c := &g.hashes
	return c[0] == h || c[1] == h || c[2] == h || c[3] == h || c[4] == h || c[5] == h || c[6] == h
}

// add notes that an entry has hash h. One that collides with too many others
// is not noted.
func (x *latest) add(h, number uint32, in window) {
	for i := range uint32(maxGroups) {
		g := x.group(h + i)
		for j, n := range &g.numbers {
			if !in.has(n) {
				g.hashes[j], g.numbers[j] = h, number
				return
			}
		}
		g.beyond = in.later(number, g.beyond) // entries come out of order when the index is doubled
	}
}

// doubled returns an index of twice the size, with the entries that are in the ring. It
// goes through the groups and not through the entries, each of which would be another
// access to memory, and so would its new place: that is one of two here.
func (x *latest) doubled(in window) latest {
	d := latest{make([]group, 2*len(x.groups))}
	for i := range x.groups {
		g := &x.groups[i]
		for j, n := range &g.numbers {
			if in.has(n) {
				d.add(g.hashes[j], n, in)
			}
		}
	}
	return d
}
