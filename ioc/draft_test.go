package ioc

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestDraft holds what was noted while names were added against the finished
// Set: names that several feeds list, in classes that move their records.
func TestDraft(t *testing.T) {
	labels := []string{"a", "b", "cc", "example", "com", `x\.y`, `\\`, "a-label-of-more-than-sixteen-bytes"}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		b := NewBuilder()
		for line := range 1 + r.IntN(3000) {
			name := []byte(labels[r.IntN(5)])
			for range 1 + r.IntN(4) {
				name = fmt.Appendf(name, ".%s%d", labels[r.IntN(len(labels)-int(seed%2)*3)], r.IntN(4))
			}
			i := Indicator{Value: string(name), Feed: strconv.Itoa(r.IntN(300)), Class: Class(r.IntN(4) * r.IntN(2)), Line: line << r.IntN(8)}
			if err := b.Add(i); err != nil && !errors.Is(err, errLabel) {
				t.Fatal(err)
			}
		}
		s := b.Build()
		names, escapes, feeds := 0, false, map[string]int{}
		var kills []ref
		s.names.arena.each(func(at ref, name []byte) {
			names++
			escapes = escapes || bytes.IndexByte(name, '\\') >= 0
			var walk suffixes
			walk.begin(name)
			walk.next()
			for walk.next() {
				if !s.names.below.has(walk.hash(&s.secret)) {
					t.Fatalf("seed %d: the filter lacks %s from %d on", seed, name, walk.start)
				}
			}
			if found := s.names.table.find(s.names.hash(name), name, &s.names.arena); found == nil || *found != at {
				t.Fatalf("seed %d: %s is not in the table", seed, name)
			}
			best := &s.notes.notes[s.names.arena.entry(at).note]
			feeds[s.notes.texts[s.notes.sources[best.source].feed]]++
			if best.class == KillSwitch {
				kills = append(kills, at)
			}
		})
		var listed []ref
		for _, k := range s.names.kill.list {
			listed = append(listed, k.ref)
		}
		slices.Sort(listed)
		counts := s.Counts()
		if !slices.Equal(listed, kills) || counts.Names != names || counts.KillSwitch != len(kills) || s.names.escapes != escapes {
			t.Fatalf("seed %d: kill-switches %v, want %v; %+v of %d names", seed, listed, kills, counts, names)
		}
		if len(counts.Feeds) != len(feeds) {
			t.Fatalf("seed %d: %d feeds, want %d", seed, len(counts.Feeds), len(feeds))
		}
		for _, f := range counts.Feeds {
			if f.Names != feeds[f.Feed] {
				t.Fatalf("seed %d: feed %s leads %d names, want %d", seed, f.Feed, f.Names, feeds[f.Feed])
			}
		}
	}
}
