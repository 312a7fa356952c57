package scope

import (
	"slices"
	"strings"
)

// asksOnBehalf reports whether the fact is a lookup for a client.
func asksOnBehalf(f fact) bool {
	return f.alert != nil && f.alert.Evidence.DNS != nil && f.alert.Evidence.DNS.OnBehalf
}

// why says in words what led to a verdict.
func (h *host) why(from State, v verdict) string {
	if v.state < from {
		if words := h.relief(from); words != "" {
			return words
		}
	}
	because := h.because(v.state)
	if len(because) == 0 {
		return "nothing speaks against it any more"
	}
	told := make([]string, len(because))
	for i, f := range because {
		told[i] = f.words()
	}
	return strings.Join(told, "; ")
}

// relief says why a host is no longer in a state, if a single reason explains it: one
// without which the host would still be in it. Empty when none does.
func (h *host) relief(from State) string {
	unmarked, client := *h, *h
	unmarked.marks, client.resolver = nil, false
	switch {
	case unmarked.judge().state >= from:
		explains := slices.DeleteFunc(slices.Clone(h.marks), func(m Mark) bool { return m.Kind == Isolated })
		return "an analyst marked it " + explains[len(explains)-1].Kind.words()
	case client.judge().state >= from:
		return "it is a DNS resolver and asks for its clients"
	case slices.ContainsFunc(h.facts, asksOnBehalf):
		return "it asked on behalf of a client"
	default:
		return ""
	}
}
