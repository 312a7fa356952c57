package scan

// since returns the attempt from which on a source that an alarm by a rule is
// about looks like a scanner, Unix nanoseconds, 0 where nothing tells. What went
// before in its run may be what an honest host does: a client of three file servers
// that is infected in the next minute.
//
// It is the attempt from which on to the latest the outcomes speak for a scanner
// most, as in the test: the likeliest point of change. Of what is open nothing is
// known. Where the number of attempts decided, it is the first of these.
func (s *source) since(d *Detector, run *span, name string) int64 {
	from := s.changed(run)
	if v := d.exceeded(s, d.tick(d.now)); v != nil && (name == nameFanOut || from == 0) {
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
