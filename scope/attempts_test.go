package scope_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"wormscope/detect/alert"
)

// TestFramesCountFromOne: what a detector can show no frame of has none.
func TestFramesCountFromOne(t *testing.T) {
	words := []said{
		factOf(targeted("10.3.0.20", "10.1.0.14", 2, 0)),
		factOf(targeted("10.3.0.20", "10.1.0.14", 1, 10)),
		factOf(targeted("10.3.0.21", "10.1.0.14", 2, 0)),
	}
	l, _ := ledgerOf(t, words)
	d := l.Document(capture())
	if got := find(d, "10.3.0.20").Facts[0].Frames; !slices.Equal(got, []uint64{10}) {
		t.Errorf("frames %v, want 10 alone", got)
	}
	if got := find(d, "10.3.0.21").Facts[0].Frames; len(got) > 0 {
		t.Errorf("frames %v, want none", got)
	}
}

// TestChecksAreCountedOnce: a connection that the scan detector and a check
// tell is one attempt, in whatever order they tell it.
func TestChecksAreCountedOnce(t *testing.T) {
	check := func(when int) alert.Fact {
		f := targeted("10.3.0.20", "10.1.0.14", when, uint64(when))
		f.Alert = "0123456789abcdef0123456789abcdef"
		return f
	}
	words := facts(targeted("10.3.0.20", "10.1.0.14", 9, 0), check(10), check(20), check(30))
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		l, _ := ledgerOf(t, words)
		if m := l.Document(capture()).Matrix[0]; m.Attempts != 3 {
			t.Fatalf("%d attempts, want 3", m.Attempts)
		}
	}
}

// TestPayloadIsNoFurtherAttempt: who sends a payload asked for the implant
// before, on the same connection, even where the question is not seen.
func TestPayloadIsNoFurtherAttempt(t *testing.T) {
	const host, peer = "10.3.0.20", "10.1.0.14"
	sent := facts(smbFact(alert.FactPayload, host, peer, "", 3), smbFact(alert.FactPayload, host, peer, "", 13))
	asked := facts(smbFact(alert.FactClean, host, peer, "ping", 1), smbFact(alert.FactImplanted, host, peer, "0x1 x86", 2))
	for _, words := range [][]said{sent, append(asked, sent[0]), append(asked, sent...)} {
		l, _ := ledgerOf(t, words)
		if m := l.Document(capture()).Matrix[0]; m.Attempts != 2 {
			t.Errorf("%d attempts, want 2", m.Attempts)
		}
	}
}
