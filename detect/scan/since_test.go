package scan

import (
	"testing"
	"time"
)

// TestSince shows from which attempt on a source is said to look like a scanner:
// not from the alarm, which comes late where it scans slowly, and not from what it
// did as a client.
func TestSince(t *testing.T) {
	for _, tt := range []struct {
		name  string
		run   func(b *bed)
		want  time.Duration // since the first attempt
		until time.Duration // by the alarm, so much must have passed
	}{
		{
			name: "slowly, in vain",
			run:  func(b *bed) { b.sweep(worm, "10.9.0.1", 8, 445, 2*time.Minute, always(refused)) },
			want: 0, until: 10 * time.Minute,
		},
		{
			name: "slowly, after it was a client",
			run: func(b *bed) {
				b.sweep(worm, "10.8.0.1", 3, 445, 20*time.Second, always(answered))
				b.sweep(worm, "10.9.1.1", 12, 445, time.Minute, always(silent))
			},
			want: time.Minute, until: 5 * time.Minute,
		},
		{
			name: "at once",
			run:  func(b *bed) { b.sweep(worm, "10.9.0.1", 30, 445, 50*time.Millisecond, always(silent)) },
			want: 0, until: 900 * time.Millisecond,
		},
		{
			name: "at once, after it was a client",
			run: func(b *bed) {
				b.sweep(worm, "10.8.0.1", 1, 445, 6*time.Second, always(answered))
				b.sweep(worm, "10.9.0.1", 30, 445, 50*time.Millisecond, always(silent))
			},
			want: 6 * time.Second, until: 6900 * time.Millisecond,
		},
		{
			name: "where all answer",
			run:  func(b *bed) { b.sweep(worm, "10.9.0.1", 30, 445, 50*time.Millisecond, always(answered)) },
			want: 0, until: 900 * time.Millisecond,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, Config{})
			b.whole()
			start := begin.Add(b.now)
			tt.run(b)
			b.engine.Close()
			a := b.one()
			// Attempts are remembered to a tick.
			if got := a.Evidence.Scan.Since.Sub(start); got > tt.want || got < tt.want-nanosPerTick {
				t.Errorf("looks like a scanner from %v on, want %v", got, tt.want)
			}
			if got := a.Time.Sub(start); got < tt.until {
				t.Errorf("alarm after %v, want no earlier than after %v", got, tt.until)
			}
			if a.Evidence.Scan.Since.Before(a.First) {
				t.Errorf("looks like a scanner from %v on, before its first attempt at %v", a.Evidence.Scan.Since, a.First)
			}
		})
	}
}
