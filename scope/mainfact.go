package scope

import "cmp"

// CompareWeight puts what weighs more against a host first.
func CompareWeight(a, b *FactItem) int {
	if a.Counts != b.Counts {
		if a.Counts {
			return -1
		}
		return 1
	}
	return cmp.Compare(b.Confidence, a.Confidence)
}

// MainFact returns the fact that tells best why a host is in its state, nil
// when it has none.
func (h *HostEntry) MainFact() *FactItem {
	var best *FactItem
	for i := range h.Facts {
		f := &h.Facts[i]
		switch {
		case best == nil, h.decides(f) && !h.decides(best):
			best = f
		case h.decides(f) == h.decides(best) && CompareWeight(f, best) < 0:
			best = f
		}
	}
	return best
}

// decides reports whether a fact is of those that a host's state rests on.
func (h *HostEntry) decides(f *FactItem) bool {
	return f.Counts || f.Fact == h.State.String() || f.Fact == kindExploitCompleted.String() && h.Exploited()
}
