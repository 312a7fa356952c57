package scope

import "slices"

// Digest returns the scope as Document does, but without the matrix, and of the hosts
// only those that WriteText shows: all that are infected or suspected, and the first
// few of the others. All counts are there. It is for whoever wants no more than the
// text: after a sweep of a large network most of a Document is hosts that were tried.
func (l *Ledger) Digest(c Capture) Document {
	zones := newZoneCounter(l.zones)
	var list []judged
	exploited, targeted, reached, answering := shortlist{}, shortlist{}, shortlist{}, shortlist{}
	for h := range l.judgedHosts(zones) {
		switch {
		case h.verdict.state >= Suspected:
			list = append(list, h)
			continue // shown for what it did, whatever it answers
		case h.attack == kindExploitCompleted:
			exploited.add(h)
		case h.verdict.state == Targeted:
			targeted.add(h)
		}
		switch {
		case h.fromInternet:
			reached.add(h)
		case h.smb:
			answering.add(h)
		}
	}
	for _, s := range []shortlist{exploited, targeted, reached, answering} {
		list = append(list, s.hosts...)
	}
	slices.SortFunc(list, judged.compare)
	list = slices.CompactFunc(list, func(a, b judged) bool { return a.host == b.host })
	return l.document(c, zones, list)
}

// A shortlist keeps the first few hosts of those it is given, in the order of
// the document.
type shortlist struct{ hosts []judged }

func (s *shortlist) add(h judged) {
	if len(s.hosts) == textLines && h.compare(s.hosts[textLines-1]) > 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(s.hosts, h, judged.compare)
	s.hosts = slices.Insert(s.hosts, at, h)
	s.hosts = s.hosts[:min(len(s.hosts), textLines)]
}
