package scope

// An onset is what is known about when a host was infected.
type onset struct {
	cleaned   int64 // nothing before counts
	act       int64 // its first act as a worm; neverHappening for none
	clean     int64 // the last reply without an implant before that; cleaned for none
	implanted int64 // the first reply of an implant between these; neverHappening for none
}

// onset looks for when the host was infected. Of several implants, the one that
// was there when the host began to act made it do so; as long as it does not
// act, the first one counts.
func (h *host) onset() onset {
	o := onset{cleaned: h.cleaned()}
	o.act = h.firstAct(o.cleaned)
	until := o.act
	if o.act == neverHappening {
		until = h.firstImplant(o.cleaned, neverHappening)
	}
	o.clean = h.lastClean(o.cleaned, until)
	o.implanted = h.firstImplant(o.clean, o.act)
	return o
}

// firstAct returns when the host first acted as a worm after a time,
// neverHappening when it did not.
func (h *host) firstAct(after int64) int64 {
	act := int64(neverHappening)
	for f := range h.all() {
		if h.wormAct(f) {
			act = min(act, f.actedAfter(after))
		}
	}
	return act
}

// firstImplant returns when the host first answered as an implant between two
// times, neverHappening when it did not.
func (h *host) firstImplant(after, before int64) int64 {
	first := int64(neverHappening)
	for i := range h.facts {
		if f := &h.facts[i]; f.kind == kindImplanted && h.weight(f) > 0 {
			if m, ok := f.earliest(after, before-1); ok {
				first = min(first, m.at)
			}
		}
	}
	return first
}

// lastClean returns when the host last answered without an implant between two
// times, the first of them when it did not.
func (h *host) lastClean(after, before int64) int64 {
	last := after
	for i := range h.facts {
		if f := &h.facts[i]; f.kind == kindClean {
			if m, ok := f.latest(after, before-1); ok {
				last = max(last, m.at)
			}
		}
	}
	return last
}

// gone returns the time up to which signs of an implant are of an earlier one, which
// was gone by then.
func (o *onset) gone() int64 {
	if o.implanted == neverHappening {
		return o.cleaned
	}
	return o.clean
}

// wormAct reports whether a fact is an act that a worm on the host did. What a person
// or a tool may as well have done before the infection is not one.
func (h *host) wormAct(f *fact) bool {
	switch f.kind {
	case kindScanning, kindExploitSent, kindPayloadSent, kindMark:
		return h.weight(f) >= suspectedFrom
	case kindBeaconing:
		return f.asksKillSwitch() && h.weight(f) > 0
	default:
		return false
	}
}

// activeSince returns since when the host acts as a worm, neverHappening when it
// does not: of a scan since it began, for what answered before the alarm was
// reached by it, too.
func (h *host) activeSince() int64 {
	since := int64(neverHappening)
	for f := range h.all() {
		switch {
		case !h.wormAct(f):
		case f.kind == kindScanning:
			since = min(since, f.first)
		default:
			since = min(since, f.acted)
		}
	}
	return since
}

// step returns the sighting of a fact that explains the infection best, if one
// came before it.
func (o *onset) step(f *fact) (s step, ok bool) {
	s.kind = f.kind
	switch f.kind {
	case kindExploitAttempted, kindExploitCompleted:
		s.moment, ok = f.latest(o.cleaned, min(o.act-1, o.implanted))
	case kindImplanted, kindExecuted, kindPayload:
		if s.moment, ok = f.earliest(o.clean, o.act-1); !ok {
			s.moment, ok = f.earliest(o.cleaned, o.act-1)
		}
	default:
	}
	return s, ok
}

// prefers reports whether a step explains the infection better than another:
// of attacks the latest, and of what shows an implant the first since the host
// had none.
func (o *onset) prefers(s, known step) bool {
	if s.kind.family() != implanted {
		return known.before(s.moment)
	}
	if late := s.at > o.clean; late != (known.at > o.clean) {
		return late
	}
	return s.before(known.moment)
}
