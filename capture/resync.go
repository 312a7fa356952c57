package capture

import "wormscope/internal/plural"

const (
	// resyncChain is how many plausible records in a row prove a record boundary.
	// A packet whose payload is a piece of a capture file holds fewer.
	resyncChain = 24
	// resyncWindow is how far to follow a chain of large records, in bytes. At
	// least four of the largest fit.
	resyncWindow = 4 * (maxFrame + 64)
	// noTime stands for the time of the record before where none is known.
	noTime = -1
)

// A recordTest reports how many bytes the record at the beginning of b has, or 0
// when none begins there. prev is the time of the record before, or noTime, and
// at the record's own time; each format chooses their unit. b has at least
// headerSize bytes.
type recordTest func(b []byte, prev int64) (size int, at int64)

// resync looks for the next record after a damaged one, with which the stream's
// unused bytes begin, and drops what is before it. It returns how many bytes were
// dropped: all that are left, where no record was found. prev is the time of the
// last good record. A record near it in time is preferred, but where there is none
// one far from it will do: prev may itself be damaged, and captures have gaps.
func (s *stream) resync(headerSize int, prev int64, test recordTest) (skipped int64, found bool) {
	from := s.in.offset()
	s.in.pos++ // the damaged record is not a candidate
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

// goesOn reports whether a record begins not far behind the beginning of the
// unused bytes, which hold something that makes no sense as one. Bytes that were
// searched without finding a record are not searched again.
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

// nextRecord is firstRecord for a record near prev in time, or else for any.
func nextRecord(b []byte, headerSize int, prev int64, whole bool, test recordTest) (int, bool) {
	i, found := firstRecord(b, headerSize, prev, whole, test)
	if !found && prev != noTime {
		i, found = firstRecord(b, headerSize, noTime, whole, test)
	}
	return i, found
}

// firstRecord returns where in b the first record begins, or how many bytes of b
// hold none. whole says that b is all that is left of the stream; where it is not,
// only its first resyncWindow bytes are searched, since what follows a record has
// to be looked at, too.
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

// chained reports whether records follow each other from the beginning of b on:
// resyncChain of them, or as many as b holds. Where b is all that is left of the
// stream, the last of fewer must end exactly where the stream does.
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
	s.warn(from, "damaged: %s; %s %s", what, plural.Count(skipped, "byte", "bytes"), done)
}
