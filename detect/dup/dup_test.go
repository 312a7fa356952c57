package dup

import (
	"net/netip"
	"testing"
	"time"

	"wormscope/internal/ip"
)

func TestSeen(t *testing.T) {
	f := New(16, 50*time.Millisecond)
	a := NewHash().Uint64(1)
	ms := int64(time.Millisecond)
	for _, step := range []struct {
		hash Hash
		at   int64
		want bool
	}{
		{a, 1000 * ms, false},
		{a, 1010 * ms, true},
		{NewHash().Uint64(2), 1010 * ms, false},
		{a, 990 * ms, true}, // captured out of order
		{a, 1050 * ms, true},
		{a, 1051 * ms, false}, // the window does not slide
		{a, 1101 * ms, true},
		{a, 1102 * ms, false},
	} {
		if got := f.Seen(step.hash, step.at); got != step.want {
			t.Errorf("at %d ms: seen %v, want %v", step.at/ms, got, step.want)
		}
	}
}

// TestForgets checks that a flood pushes out the oldest and no more.
func TestForgets(t *testing.T) {
	f := New(1024, time.Hour)
	const noted = 100_000
	for i := range noted {
		if f.Seen(NewHash().Uint64(uint64(i)), int64(i+1)) {
			t.Fatalf("%d seen before it was noted", i)
		}
	}
	remembered := 0
	for i := noted - 1; i >= noted-256; i-- {
		if f.Seen(NewHash().Uint64(uint64(i)), noted) {
			remembered++
		}
	}
	if remembered < 240 {
		t.Errorf("only %d of the last 256 values remembered", remembered)
	}
}

// TestHashTellsApart checks that each part of a hash matters, and its place.
func TestHashTellsApart(t *testing.T) {
	a, b := ip.FromPort(netip.MustParseAddrPort("192.0.2.1:53")), ip.FromPort(netip.MustParseAddrPort("192.0.2.2:53"))
	hashes := map[Hash]string{}
	for name, h := range map[string]Hash{
		"nothing": NewHash(), "zero": NewHash().Uint64(0), "two zeros": NewHash().Uint64(0).Uint64(0),
		"a b": NewHash().AddrPort(a).AddrPort(b), "b a": NewHash().AddrPort(b).AddrPort(a),
		"ab c": NewHash().Bytes([]byte("ab")).Bytes([]byte("c")), "a bc": NewHash().Bytes([]byte("a")).Bytes([]byte("bc")),
	} {
		if other, ok := hashes[h]; ok {
			t.Errorf("%s and %s have one hash", name, other)
		}
		hashes[h] = name
	}
}
