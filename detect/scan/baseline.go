package scan

// A baseline is how many new destinations a day are usual for a source inside at
// one lateral port, in this net: in one where everybody goes to a dozen file
// servers, twenty are not yet a scan.
type baseline struct {
	day     uint32 // that the counts are of, since the detector's beginning
	sources uint32 // that tried two destinations or more
	tried   uint32 // new destinations of these, up to countsFor each
	before  uint32 // mean of tried by source on the day before, 0 when it says nothing
}

const (
	// fewSources are too few to tell what is usual.
	fewSources = 5
	// unusual is how many times as many as usual are too many.
	unusual = 3
	// countsFor is how many of its new destinations count of one source, so that
	// those that scan at the same time do not make each other usual.
	countsFor = 16
)

// note counts a new destination of a source.
func (b *baseline) note(s *source, now tick) {
	today := uint32(now / day)
	if b.day != today {
		b.before = b.mean(0)
		if b.day+1 != today {
			b.before = 0
		}
		b.day, b.sources, b.tried = today, 0, 0
	}
	if s.day != today {
		s.day, s.today = today, 0
		b.sources++
	}
	if s.today++; s.today <= countsFor {
		b.tried++
	}
}

// leave takes the day's counts of a source out that turned out to scan.
func (b *baseline) leave(s *source) {
	if s.day == b.day && s.today > 0 {
		b.sources--
		b.tried -= min(s.today, countsFor)
		s.day, s.today = s.day-1, 0
	}
}

// mean returns what the day's sources tried on average, 0 when they are too few. One
// source, which tried less, is left out unless that is 0.
func (b *baseline) mean(less uint32) uint32 {
	others := b.sources
	if less > 0 {
		others--
	}
	if b.sources == 0 || others < fewSources {
		return 0
	}
	return (b.tried - less) / others
}

// usual returns how many new destinations in a day are usual for others than
// this source.
func (b *baseline) usual(s *source) uint32 {
	less := uint32(0)
	if s.day == b.day {
		less = min(s.today, countsFor)
	}
	return max(b.mean(less), b.before)
}
