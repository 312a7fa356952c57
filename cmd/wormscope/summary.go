package main

import (
	"fmt"
	"maps"
	"time"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/internal/plural"
	"wormscope/scope"
)

// internalError is the reason that is given for frames at which this program
// panicked.
const internalError = "internal error"

// A sight is a source's account of what it has read: the counts of its files or
// interfaces, their names, and warnings.
type sight struct {
	capture.Stats
	names    []string
	warnings []string
}

// sightOf returns the account of a reader of captures.
func sightOf(r *capture.Reader) sight {
	v := sight{Stats: r.Stats()}
	for i := range v.Files {
		v.names = append(v.names, r.Name(i))
	}
	v.warnings = readWarnings(r, &v.Stats)
	return v
}

// add adds the counts of one interface.
func (v *sight) add(name string, f capture.FileStats) {
	v.names = append(v.names, name)
	v.Files = append(v.Files, f)
	v.Frames += f.Frames
	v.Bytes += f.Bytes
	v.WireBytes += f.WireBytes
	v.Truncated += f.Truncated
	v.Dropped += f.Dropped
}

// summary says what was looked at and what weakens the conclusions.
func (p *pipeline) summary(seen *sight) scope.Capture {
	decoded, scans, shares := p.decodedStats(), p.scans.Stats(), p.shares.Stats()
	c := scope.Capture{
		Packets:   seen.Frames,
		Bytes:     seen.WireBytes,
		Dropped:   seen.Dropped,
		Undecoded: map[string]uint64{},
		NotIP:     decoded.Outcomes[packet.NotIP],
		Files:     seen.names,
	}
	if p.traffic.frames > 0 {
		c.First, c.Last = time.Unix(0, p.traffic.first).UTC(), time.Unix(0, p.traffic.last).UTC()
	}
	maps.Insert(c.Undecoded, decoded.Undecoded())
	if p.traffic.panics > 0 {
		c.Undecoded[internalError] = p.traffic.panics
	}
	c.Warnings = append(c.Warnings, seen.warnings...)
	c.Warnings = append(c.Warnings, p.leftOut()...)
	c.Warnings = append(c.Warnings, p.sightWarnings(&seen.Stats, &decoded, &c)...)
	c.Warnings = append(c.Warnings, p.lookupsCut(&seen.Stats)...)
	c.Warnings = append(c.Warnings, unseen(&decoded, seen.Frames)...)
	c.Warnings = append(c.Warnings, scans.Warnings()...)
	c.Warnings = append(c.Warnings, shares.Warnings()...)
	c.Warnings = append(c.Warnings, p.events.sinks.warnings()...)
	c.Warnings = append(c.Warnings, p.state.warnings()...)
	return c
}

// readWarnings says what was wrong with the files.
func readWarnings(source *capture.Reader, stats *capture.Stats) []string {
	var out []string
	for _, w := range stats.Warnings {
		text := w.Text
		if w.File >= 0 {
			text = fmt.Sprintf("%s: offset %d: %s", source.Name(w.File), w.Offset, w.Text)
		}
		if w.Times > 1 {
			text += fmt.Sprintf(" (%d times)", w.Times)
		}
		out = append(out, text)
	}
	if stats.More > 0 {
		out = append(out, plural.Count(stats.More, "more fault", "more faults")+" in the files")
	}
	return out
}

// worthWarning is the least share of frames at which a fault is worth a warning.
const worthWarning = 0.01

// sightWarnings says what the capture could not show.
func (p *pipeline) sightWarnings(stats *capture.Stats, decoded *packet.Stats, c *scope.Capture) []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	percent := func(n uint64) float64 {
		share := 100 * float64(n) / float64(max(stats.Frames, 1))
		if n < stats.Frames {
			return min(share, 99) // never rounded to 100 unless it is all
		}
		return share
	}
	if decoded.Outcomes[packet.OK] > 0 && p.traffic.inside != someInside {
		but := ""
		if p.traffic.inside == linkLocalInside {
			but = " but link-local ones, which every network has"
		}
		warn("no address counts as inside%s: say with --internal which addresses are yours", but)
	}
	if stats.Dropped > 0 {
		warn("%s lost when the capture was made: the contents are unknown", numbered(stats.Dropped, "packet"))
	}
	if stats.Skipped > 0 {
		warn("%s passed over", plural.Count(stats.Skipped, "byte of the files is damaged and was", "bytes of the files are damaged and were"))
	}
	if percent(stats.Truncated) >= 100*worthWarning {
		warn("%.0f%% of the packets were cut short when captured (snapshot length): names and contents may be missing", percent(stats.Truncated))
	}
	var undecoded uint64
	for _, n := range c.Undecoded {
		undecoded += n
	}
	if percent(undecoded) >= 100*worthWarning {
		warn("%.0f%% of the packets could not be decoded", percent(undecoded))
	}
	if n := p.engine.TimeWentBack(); n > 0 {
		warn("time goes back in %s by more than a second: captures joined in the wrong order, or a clock that was set", numbered(n, "place"))
	}
	if n, mixed := p.engine.Retimed(); n > 0 {
		why := "a clock was wrong for a moment"
		if mixed || percent(n) >= 100*worthWarning {
			why = "two clocks are in one capture; set them alike"
		}
		warn("%s more than a minute from the time of those before and behind, and taken to be as old as those: %s", numbered(n, "packet"), why)
	}
	if t := &p.traffic; t.frames > 1 && t.first == t.last {
		warn("all packets have the same time, as where times were left out: what came first, and how fast, is not known")
	}
	if p.traffic.panics > 0 {
		warn("%s could not be examined because of a mistake in wormscope, please report it: %s", numbered(p.traffic.panics, "packet"), p.traffic.panicAt)
	}
	return out
}

// lookupsCut warns where few of the packets were cut short, so that nothing is said
// of that, and many of the DNS messages were: kill-switch names are long.
func (p *pipeline) lookupsCut(stats *capture.Stats) []string {
	s := p.lookups.Stats()
	short, all := float64(s.CutShort), float64(s.Queries+s.Responses)
	cut := float64(stats.Truncated)
	if min(short, cut) == 0 || short < worthWarning*all || cut >= worthWarning*float64(stats.Frames) {
		return nil
	}
	return []string{numbered(s.CutShort, "DNS message") + " cut short when captured (snapshot length): names in them may be missing"}
}

// unseen warns of packets that can't be looked into, if they are many among so
// many frames.
func unseen(decoded *packet.Stats, frames uint64) []string {
	var out []string
	warn := func(n, few uint64, words string) {
		if n > 0 && n*few >= frames {
			out = append(out, numbered(n, "packet")+" "+words)
		}
	}
	var opaque uint64
	for o, n := range decoded.Opaque {
		if packet.Outcome(o).Failure() {
			opaque += n
		}
	}
	warn(decoded.Sliced, 1000, "cut short before capture (by a broker, a mirror or a tunnel): names and contents may be missing")
	f := &decoded.Fragments
	warn(f.Expired+f.Evicted+f.Waiting, 1000, "in fragments of which some are missing: no more than the first was examined")
	warn(f.Overlaps, 1000, "in fragments that contradict earlier ones: receivers may have read something else")
	warn(opaque, 100, "of tunnels that can't be looked into, encrypted or cut: the contents were not examined")
	warn(decoded.Encrypted, 100, "encrypted (IPsec ESP): the contents can't be seen")
	warn(decoded.Outcomes[packet.NotIP], 2, "without IP, not examined")
	return out
}

// numbered writes a number with its noun.
func numbered(n uint64, noun string) string { return plural.Count(n, noun, noun+"s") }
