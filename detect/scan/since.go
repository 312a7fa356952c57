package scan

import "wormscope/detect/alert"

// since returns when a source, about which the rule name raises an alarm, began to
// look like a scanner: Unix nanoseconds, 0 where nothing tells. The run of attempts
// may have begun before, with what an honest host does: the client of three file
// servers is infected a minute later.
//
// It is the likeliest point of change: the attempt from which on, up to the latest,
// the outcomes speak most for a scanner, by the steps of the sequential test. Those
// that are not known yet count for nothing. Where the number of attempts decided, it
// is the first of these.
func (s *source) since(d *Detector, run *span, name string) int64 {
	from := s.changed(run)
	if v := d.exceeded(s, d.tick(d.now)); v != nil && (name == alert.NameFanOut || from == 0) {
		from = max(from, s.together(min(v.tried*s.factor(), keepTried)))
	}
	switch {
	case from == 0:
		return 0
	case from >= run.tried:
		return run.firstAt
	}
	return max(run.firstAt, d.timeOf(s.times[(s.tried-from)%keepTried]))
}

// changed returns how many of the latest attempts of a run speak for a scanner
// most, 0 where none do.
func (s *source) changed(run *span) (from uint32) {
	var sum, most float64
	for n := range min(run.tried, keepTargets) {
		switch s.came.at((s.tried - 1 - n) % keepTargets) {
		case answered:
			sum += successStep
		case refused, silent:
			sum += failStep
		case open, unreached: // the latter is kept as refused
		}
		if sum > most {
			most, from = sum, n+1
		}
	}
	return from
}

// together returns how many of the latest attempts follow each other closely: back
// to a gap that is much longer than those after it, however short. A volume may begin
// with what the host did as a client a moment before.
func (s *source) together(latest uint32) uint32 {
	at := func(back uint32) tick { return s.times[(s.tried-1-back)%keepTried] }
	for n := uint32(runLeast); n < latest; n++ {
		usual := at(0).since(at(n-1))/tick(n) + second/runGap
		if at(n-1).since(at(n)) > runGap*usual {
			return n
		}
	}
	return latest
}
