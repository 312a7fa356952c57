package scan

import (
	"fmt"

	"wormscope/detect"
	"wormscope/internal/plural"
)

// counters are what the detector counts about its own work.
type counters struct {
	attempts    uint64
	allowed     uint64
	ignored     uint64
	unknown     uint64
	late        uint64
	mismatched  uint64
	backscatter uint64
	absorbed    uint64
	unsaid      uint64
	rewinds     uint64
}

// Stats says what the detector holds, and what it had to let go.
type Stats struct {
	Attempts    uint64 // connections tried, repeats of a SYN left out
	Allowed     uint64 // of these, by sources that may scan
	Ignored     uint64 // to multicast, broadcast or the source itself
	Unknown     uint64 // whose outcome the capture does not show
	Late        uint64 // answered after they had been judged silent
	Mismatched  uint64 // answers that acknowledge no SYN that was seen
	Backscatter uint64 // SYN-ACKs that answer nothing that was seen by then
	Absorbed    uint64 // packets of floods, counted for the target only
	Unsaid      uint64 // alerts that were not raised because too many were open, see maxFindings
	ClockSet    uint64 // times that the capture's clock went back by more than a minute

	Sources          int    // inside, that tried several destinations at a port
	SourcesOutside   int    // outside
	SourcesEvicted   uint64 // that were let go for others, both
	NewcomersEvicted uint64 // sources of one destination, the same
	ContactsEvicted  uint64 // destinations that will count as new when contacted again
	Open             int    // alerts

	// ClientOnly: the tap shows what clients send and not what servers do, so
	// that silence says nothing. ServerOnly: the other way round.
	ClientOnly, ServerOnly bool
	// Unanswered: nothing of TCP was seen but attempts, and not one of them was
	// answered. Nobody may have, or the answers were left out.
	Unanswered bool
	// Unheard is how many in a hundred connections went on though their answer is
	// not in the capture, 0 where hardly any did.
	Unheard float64
	// Mute: so many of the latest that silence says nothing.
	Mute bool
}

// Stats returns the counts so far.
func (d *Detector) Stats() Stats {
	c := &d.stats
	return Stats{
		Attempts: c.attempts, Allowed: c.allowed, Ignored: c.ignored,
		Unknown: c.unknown + d.attempts.dropped, Late: c.late, Mismatched: c.mismatched,
		Backscatter: c.backscatter, Absorbed: c.absorbed, Unsaid: c.unsaid, ClockSet: c.rewinds,
		Sources: d.inside.used, SourcesOutside: d.outside.used,
		SourcesEvicted:   d.inside.evicted + d.outside.evicted,
		NewcomersEvicted: d.inside.newcomers.evicted + d.outside.newcomers.evicted,
		ContactsEvicted:  d.inside.contacts.evicted + d.outside.contacts.evicted,
		Open:             len(d.findings.places) - len(d.findings.free),
		ClientOnly:       d.tap.clientOnly(), ServerOnly: d.tap.serverOnly(),
		Unanswered: d.tap.bare.fruitless(c.attempts) && !d.tap.segments && !d.tap.clientOnly(),
		Unheard:    d.tap.leak.share(), Mute: d.tap.leak.most(),
	}
}

// Tables says how full the detector's tables are.
func (d *Detector) Tables() []detect.Table {
	waiting := d.attempts.tail - d.attempts.head
	return []detect.Table{
		{Name: "scan attempts", Entries: int(waiting), Limit: d.attempts.limit, Evicted: d.attempts.dropped}, //nolint:gosec // at most Limit
		{Name: "scan sources", Entries: d.inside.used + d.outside.used, Limit: d.inside.limit + d.outside.limit, Evicted: d.inside.evicted + d.outside.evicted},
		{Name: "scan contacts", Entries: d.inside.contacts.used + d.outside.contacts.used, Evicted: d.inside.contacts.evicted + d.outside.contacts.evicted},
		{Name: "scan alerts", Entries: len(d.findings.places) - len(d.findings.free), Limit: maxFindings},
	}
}

// Warnings returns what weakens the conclusions about scans, in sentences for
// the summary; nothing when nothing does.
func (s *Stats) Warnings() []string {
	var w []string
	say := func(when bool, format string, args ...any) {
		if when {
			w = append(w, fmt.Sprintf(format, args...))
		}
	}
	say(s.ClientOnly, "half of the traffic is missing (half-duplex capture): what servers answer is not here; "+
		"failed connections can't be told from answered ones, so only scans of great volume are found")
	say(s.ServerOnly, "half of the traffic is missing (half-duplex capture): only what servers send is here; "+
		"scans are found by the answers only, of hosts that many servers answered")
	say(s.Unanswered, "none of %d attempts to connect was answered here, not even refused, and nothing else of TCP is here: "+
		"if the capture was filtered, or shows one direction only, that says nothing of who would have answered", s.Attempts)
	say(s.Unheard > 0 && !s.ClientOnly, "%.0f%% of the connections that were looked at went on without an answer that was captured: "+
		"the capture lacks packets", s.Unheard)
	say(s.Mute && !s.ClientOnly, "most answers are missing from the capture; failed connections can't be told from answered ones, "+
		"so only scans of great volume are found")
	say(s.ClockSet == 1, "the capture's clock went back once; scans that span that time may be missed")
	say(s.ClockSet > 1, "the capture's clock went back %d times; scans that span such a time may be missed", s.ClockSet)
	say(s.SourcesEvicted > 0, "more sources than the scan detector remembers: %d %s let go; "+
		"slow scans may be missed", s.SourcesEvicted, plural.Word(s.SourcesEvicted, "was", "were"))
	say(s.Unsaid > 0, "%d %s not raised: too many were open", s.Unsaid, plural.Word(s.Unsaid, "alert of a scan or flood was", "alerts of scans and floods were"))
	return w
}
