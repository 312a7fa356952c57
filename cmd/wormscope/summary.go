package main

import (
	"fmt"
	"maps"
	"time"

	"wormscope/capture"
	"wormscope/scope"
)

// internalError is the reason for which a frame was not examined when this
// program made a mistake.
const internalError = "internal error"

// summary says what was looked at and what weakens the conclusions.
func (p *pipeline) summary(source *capture.Reader) scope.Capture {
	stats, decoded, scans, shares := source.Stats(), p.decoder.Stats(), p.scans.Stats(), p.shares.Stats()
	c := scope.Capture{
		Packets:   stats.Frames,
		Bytes:     stats.WireBytes,
		Dropped:   stats.Dropped,
		Undecoded: map[string]uint64{},
	}
	if p.traffic.frames > 0 {
		c.First, c.Last = time.Unix(0, p.traffic.first).UTC(), time.Unix(0, p.traffic.last).UTC()
	}
	for i := range stats.Files {
		c.Files = append(c.Files, source.Name(i))
	}
	maps.Insert(c.Undecoded, decoded.Undecoded())
	if p.traffic.panics > 0 {
		c.Undecoded[internalError] = p.traffic.panics
	}
	c.Warnings = append(c.Warnings, readWarnings(source, &stats)...)
	c.Warnings = append(c.Warnings, p.sightWarnings(&stats, &c)...)
	c.Warnings = append(c.Warnings, scans.Warnings()...)
	c.Warnings = append(c.Warnings, shares.Warnings()...)
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
		out = append(out, fmt.Sprintf("%d more faults in the files", stats.More))
	}
	return out
}

// A share of frames above which a fault is worth a warning.
const worthWarning = 0.01

// sightWarnings says what the capture could not show.
func (p *pipeline) sightWarnings(stats *capture.Stats, c *scope.Capture) []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	percent := func(n uint64) float64 { return 100 * float64(n) / float64(max(stats.Frames, 1)) }
	if stats.Frames > 0 && !p.traffic.inside {
		warn("no address counts as inside: say with --internal which addresses are yours")
	}
	if stats.Dropped > 0 {
		warn("%d packets were lost when the capture was made: what they held is unknown", stats.Dropped)
	}
	if stats.Skipped > 0 {
		warn("%d bytes of the files are damaged and were passed over", stats.Skipped)
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
		warn("time goes back in %d places by more than a second: captures joined in the wrong order, or a clock that was set", n)
	}
	if p.traffic.panics > 0 {
		warn("%d packets could not be examined because of a mistake in wormscope, please report it: %s", p.traffic.panics, p.traffic.panicAt)
	}
	return out
}
