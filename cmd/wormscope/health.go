package main

import (
	"fmt"
	"time"

	"wormscope/internal/plural"
)

// stuckAfter is how long the capture loop, which turns several times a second, may
// stand still.
const stuckAfter = 10 * time.Second

// ailments returns why the run is not alive, for /healthz; nothing while it is. A
// run that has not begun yet is alive.
func (b *board) ailments(now time.Time) []string {
	if b.snapshot() == nil {
		return nil
	}
	if still := now.Sub(b.lastTurn()); still > stuckAfter {
		return []string{fmt.Sprintf("the capture loop has not turned for %v", still.Round(time.Second))}
	}
	return nil
}

// unready returns what keeps the run from doing all that it was told to, for
// /readyz; nothing if it does.
func (b *board) unready(now time.Time) []string {
	s := b.snapshot()
	if s == nil {
		return []string{"starting: feeds are being read"}
	}
	wrong := b.ailments(now)
	for i := range s.Interfaces {
		if f := &s.Interfaces[i]; !f.Up {
			wrong = append(wrong, fmt.Sprintf("interface %s is down or gone", f.Name))
		}
	}
	for i := range s.Feeds {
		if f := &s.Feeds[i]; !f.inUse() {
			wrong = append(wrong, fmt.Sprintf("feed %s: no indicator of it is in use", f.Path))
		}
	}
	// A write that failed is tried again each second.
	if now.Sub(s.EventsFailed) < stuckAfter {
		wrong = append(wrong, "the event file can't be written: see the log")
	}
	if now.Sub(s.StateFailed) < stuckAfter {
		wrong = append(wrong, "the state folder can't be written: see the log")
	}
	return append(wrong, s.sinkTrouble()...)
}

// sinkTrouble returns which sinks can't deliver.
func (s *snapshot) sinkTrouble() []string {
	if s.Outbox == nil {
		return nil
	}
	var wrong []string
	if s.Outbox.Error != "" {
		wrong = append(wrong, "events can't be kept for sinks: "+s.Outbox.Error)
	}
	for i := range s.Outbox.Sinks {
		if k := &s.Outbox.Sinks[i]; k.Error != "" {
			wrong = append(wrong, fmt.Sprintf("sink %s, since %s, %s: %s", k.Name, k.Since.UTC().Format(time.RFC3339), plural.Count(k.Waiting, "event waits", "events wait"), k.Error))
		}
	}
	return wrong
}
