package detect

import "wormscope/ioc"

// Remap returns what the matches of one Set are in another, for state that is
// kept while indicators are renewed. The second result is false for an
// indicator that is withdrawn, or that holds no more at the packet time now.
// The zero Match, which stands for no indicator, stays.
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
