package dns

import (
	"wormscope/detect/dup"
	"wormscope/internal/ip"
)

const (
	// queryPlaces is for how many queries there is a place, a power of two.
	queryPlaces = 1 << 14
	// timeUnit is how exactly the time of a query is known: 1.07 s, as a shift.
	timeUnit = 30
)

// queries remembers of the latest queries, whatever they ask for, that there were any:
// what an alias leads to shows in the answer alone. A query is written to the place that
// its hash names, over what was there. The hash is no secret, so that the same capture
// gives the same result: who makes queries collide gains that an answer is taken for one
// that nobody asked for.
type queries []struct{ mark, when uint32 }

// place returns where a query of a host is noted, and what it is known by there.
func (q queries) place(asker ip.AddrPort, id uint16) (at *struct{ mark, when uint32 }, mark uint32) {
	h := uint64(dup.NewHash().Addr(asker.Addr).Uint64(uint64(asker.Port)<<16 | uint64(id)))
	return &q[h%queryPlaces], uint32(h >> 32)
}

// note notes a query.
func (q queries) note(asker ip.AddrPort, id uint16, now int64) {
	at, mark := q.place(asker, id)
	at.mark, at.when = mark, uint32(now>>timeUnit) //nolint:gosec // G115: it wraps after a century
}

// asked reports whether a host sent a query with this ID, to which an answer may come.
func (q queries) asked(asker ip.AddrPort, id uint16, now int64) bool {
	at, mark := q.place(asker, id)
	age := uint32(now>>timeUnit) - at.when //nolint:gosec // G115: as above
	return at.mark == mark && int64(age) <= answerWindow>>timeUnit
}
