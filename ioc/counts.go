package ioc

import "slices"

// Counts is how many indicators a Set has, each observable counted once.
type Counts struct {
	Names     int // KillSwitch included
	Addresses int // an address with two ports counts twice
	Networks  int
	// KillSwitch is how many of the names are of that class.
	KillSwitch int
	// Feeds counts by the feed that leads an indicator, in the order in which
	// the feeds were first read.
	Feeds []FeedCounts
	// Bytes is about how much memory the Set takes.
	Bytes int
}

// FeedCounts is how many indicators of a Set are from one feed.
type FeedCounts struct {
	Feed      string
	Names     int
	Addresses int
	Networks  int
}

// Total returns the number of all indicators.
func (c *Counts) Total() int { return c.Names + c.Addresses + c.Networks }

// clone returns a copy that shares nothing.
func (c *Counts) clone() Counts {
	out := *c
	out.Feeds = slices.Clone(c.Feeds)
	return out
}

// count fills in the counts of a finished Set, which has so many names of each
// note.
func (s *Set) count(byNote []int) {
	feeds := map[uint32]*FeedCounts{}
	of := func(note uint32) *FeedCounts {
		feed := s.notes.sources[s.notes.notes[note].source].feed
		if feeds[feed] == nil {
			feeds[feed] = &FeedCounts{Feed: s.notes.texts[feed]}
		}
		return feeds[feed]
	}
	for note, n := range byNote {
		if n > 0 {
			of(uint32(note)).Names += n
		}
	}
	for i := range s.v4.entries {
		of(s.v4.entries[i].note).Addresses++
	}
	for i := range s.v6.entries {
		of(s.v6.entries[i].note).Addresses++
	}
	for i := range s.networks.entries {
		of(s.networks.entries[i].note).Networks++
	}
	s.counts = Counts{
		Names:      s.names.table.count,
		Addresses:  len(s.v4.entries) + len(s.v6.entries),
		Networks:   len(s.networks.entries),
		KillSwitch: len(s.names.kill.list),
		Bytes:      s.bytes(),
	}
	// Texts are numbered in the order they were first seen.
	for text := range s.notes.texts {
		if c := feeds[uint32(text)]; c != nil {
			s.counts.Feeds = append(s.counts.Feeds, *c)
		}
	}
}

// bytes returns about how much memory the Set takes.
func (s *Set) bytes() int {
	const entry4, entry6 = 16, 32
	return s.near.Bytes() + s.v4.bytes(entry4) + s.v6.bytes(entry6) + s.networks.bytes() + s.names.bytes() + s.notes.bytes()
}
