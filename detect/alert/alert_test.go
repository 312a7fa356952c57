package alert

import (
	"net/netip"
	"testing"
	"time"
)

func TestIdentifyTellsApart(t *testing.T) {
	host := netip.MustParseAddr("10.0.0.1")
	at := time.Unix(1494590000, 5)
	base := Identify(RuleScan, host, at, "445")
	if len(base) != 32 {
		t.Errorf("id %q has %d digits, want 32", base, len(base))
	}
	if again := Identify(RuleScan, host, at, "445"); again != base {
		t.Errorf("the same alert has two ids: %s, %s", base, again)
	}
	others := map[string]string{
		"rule":          Identify(RuleFlood, host, at, "445"),
		"host":          Identify(RuleScan, host.Next(), at, "445"),
		"time":          Identify(RuleScan, host, at.Add(1), "445"),
		"key":           Identify(RuleScan, host, at, "44"),
		"split of keys": Identify(RuleScan, host, at, "4", "45"),
		"no key":        Identify(RuleScan, host, at),
	}
	seen := map[string]string{base: "base"}
	for what, id := range others {
		if other, ok := seen[id]; ok {
			t.Errorf("another %s has the same id as %s", what, other)
		}
		seen[id] = what
	}
}

func TestPace(t *testing.T) {
	var p Pace
	var spoke []uint64
	now := int64(1e18)
	for count := uint64(1); count <= 2000; count++ {
		if p.Due(count, now) {
			spoke = append(spoke, count)
		}
		now += int64(time.Millisecond)
	}
	want := []uint64{1, 10, 100, 1000}
	if len(spoke) != len(want) {
		t.Fatalf("spoke at %v, want %v", spoke, want)
	}
	for i := range want {
		if spoke[i] != want[i] {
			t.Fatalf("spoke at %v, want %v", spoke, want)
		}
	}
	if p.Due(2001, now) {
		t.Error("spoke again at once")
	}
	if !p.Due(2002, now+int64(PaceInterval)) {
		t.Error("stayed quiet for longer than PaceInterval")
	}
}

func TestPaceHurries(t *testing.T) {
	var p Pace
	now := int64(1e18)
	p.Due(1, now)
	p.Hurry()
	if !p.Due(2, now) {
		t.Error("did not speak at once")
	}
	if p.Due(3, now) || !p.Due(10, now) {
		t.Error("did not go on as before")
	}
}
