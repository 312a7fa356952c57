package capture

const (
	// resyncChain is how many plausible records in a row are a record
	// boundary for sure. A packet that carries a capture holds fewer.
	resyncChain = 24
	// resyncWindow is how far to follow a chain of large records, in bytes. At
	// least four of the largest fit.
	resyncWindow = 4 * (maxFrame + 64)
	// noTime stands for the time of the record before where none is known.
	noTime = -1
)

// A recordTest reports how many bytes the record at the beginning of b has,
// 0 when none begins there. Prev is the time of the record before, or noTime,
// and at the record's own time, in units of the test's own. B has headerSize
// bytes at least.
type recordTest func(b []byte, prev int64) (size int, at int64)

// resync looks for the next record after a damaged one, which begins at the
// stream's unused bytes, and drops what is before it. It returns how many bytes
// that is; without a further record it is all of them. Prev is the last good
// record's time; records far from it count where none is near, since it may be
// the damaged one, and captures have gaps.
func (s *stream) resync(headerSize int, prev int64, test recordTest) (skipped int64, found bool) {
	from := s.in.offset()
	s.in.pos++ // the damaged record is no candidate
	for whole := false; !whole && !found; {
		whole = !s.in.have(2 * resyncWindow) // the rest of the stream is in memory
		var i int
		i, found = nextRecord(s.in.rest(), headerSize, prev, whole, test)
		s.in.pos += i
	}
	skipped = s.in.offset() - from
	s.Skipped += uint64(skipped) //nolint:gosec // offsets only grow
	return skipped, found
}

// goesOn reports whether records begin again, not far behind the beginning of the
// unused bytes, where there should be one that makes no sense. Where there are
// none, the same bytes are not looked through a second time.
func (s *stream) goesOn(headerSize int, prev int64, test recordTest) bool {
	if s.in.offset() < s.barren {
		return false
	}
	whole := !s.in.have(2 * resyncWindow)
	i, found := nextRecord(s.in.rest()[1:], headerSize, prev, whole, test)
	if !found {
		s.barren = s.in.offset() + int64(i)
	}
	return found
}

// nextRecord is firstRecord, for one near the record before or else for any.
func nextRecord(b []byte, headerSize int, prev int64, whole bool, test recordTest) (int, bool) {
	i, found := firstRecord(b, headerSize, prev, whole, test)
	if !found && prev != noTime {
		i, found = firstRecord(b, headerSize, noTime, whole, test)
	}
	return i, found
}

// firstRecord returns where in b the first record begins, or how much of b has
// none. Where b is not the whole rest of the stream, the end of b is left for
// the next time.
func firstRecord(b []byte, headerSize int, prev int64, whole bool, test recordTest) (int, bool) {
	last := len(b)
	if !whole {
		last = resyncWindow
	}
	for i := range last {
		if len(b)-i < headerSize {
			break
		}
		if chained(b[i:], headerSize, prev, whole, test) {
			return i, true
		}
	}
	return last, false
}

// chained reports whether records follow each other from the beginning of b
// on: a sure number of them, as many as b holds, or all to the stream's exact
// end when b is the whole rest.
func chained(b []byte, headerSize int, prev int64, whole bool, test recordTest) bool {
	for range resyncChain {
		if len(b) < headerSize {
			return !whole || len(b) == 0
		}
		size, at := test(b, prev)
		if size == 0 || size > len(b) && whole {
			return false
		}
		if size > len(b) {
			return true
		}
		b, prev = b[size:], at
	}
	return true
}

// warnDamage says what was damaged and what resync did about it.
func (s *stream) warnDamage(from int64, what string, skipped int64, found bool) {
	done := "skipped, up to where records begin again"
	if !found {
		done = "at the end of the file are not read"
	}
	s.warn(from, "damaged: %s; %d bytes %s", what, skipped, done)
}
