package detect

import "wormscope/ioc"

// Remap returns a function that turns a match in one Set into that of the same
// indicator in another, for state that is kept while indicators are renewed. It
// returns false for an indicator that is withdrawn, or that has expired by the
// packet time now, Unix nanoseconds. The zero Match, which stands for no indicator,
// stays as it is.
func Remap(from, to *ioc.Set, now int64) func(ioc.Match) (ioc.Match, bool) {
	type answer struct {
		match ioc.Match
		ok    bool
	}
	known := map[ioc.Match]answer{{}: {ok: true}}
	return func(m ioc.Match) (ioc.Match, bool) {
		a, ok := known[m]
		if !ok {
			a.match, a.ok = to.Find(from.Indicator(m), now)
			known[m] = a
		}
		return a.match, a.ok
	}
}
