package joint_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/sinks/event"
	"wormscope/sinks/joint"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	start  = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	office = netip.MustParseAddr("10.1.0.14")
	server = netip.MustParseAddr("10.2.0.9")
)

// a listener notes what it is told.
type listener struct {
	Alerts []alert.Alert
	Facts  []alert.Fact
}

func (l *listener) Alert(a alert.Alert) { l.Alerts = append(l.Alerts, a) }
func (l *listener) Fact(f alert.Fact)   { l.Facts = append(l.Facts, f) }

// a word is what a sensor tells.
type word struct {
	sensor string
	event  event.Event
}

func fileName(int) string { return "eth1" }

// scan is one word of a scan.
func scan(sensor string, first time.Duration, seq int, count uint64, last time.Duration) word {
	begin := start.Add(first)
	a := alert.Alert{
		ID: alert.Identify(alert.RuleScan, office, begin, sensor), Seq: seq, Phase: alert.PhaseUpdate, Rule: alert.RuleScan,
		Host: office, Severity: alert.High, Time: start.Add(last), First: begin, Last: start.Add(last), Count: count,
		Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445, Targets: count}}, Frames: []alert.FrameRef{{Number: uint64(seq) + 1}},
	}
	return word{sensor, event.OfAlert(&a, fileName)}
}

func targeted(sensor string, at time.Duration) word {
	f := alert.Fact{
		Kind: alert.FactTargeted, Host: server, Peer: office, Port: 445, Time: start.Add(at),
		Frame: alert.FrameRef{Number: 3}, Alert: alert.Identify(alert.RuleScan, office, start, sensor),
	}
	return word{sensor, event.OfFact(&f, fileName)}
}

// tell puts words into a Set and returns what it tells a ledger.
func tell(words ...word) (listener, []string) {
	s, files, l := joint.New(), &joint.Files{}, listener{}
	for _, w := range words {
		s.Add(w.sensor, w.event)
	}
	s.Tell(&l, files)
	return l, files.Names()
}

func compare(t *testing.T, want, got listener) {
	t.Helper()
	opts := cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.EquateEmpty()}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOneSensor: what one sensor says is told as it was said.
func TestOneSensor(t *testing.T) {
	first, latest := scan("a", 0, 0, 10, time.Second), scan("a", 0, 3, 500, time.Minute)
	first.event.Alert.Phase = alert.PhaseStart
	got, names := tell(latest, scan("a", 0, 1, 100, time.Second*2), first, targeted("a", time.Second))
	compare(t, listener{
		Alerts: []alert.Alert{*first.event.Alert, *latest.event.Alert}, Facts: []alert.Fact{*targeted("a", time.Second).event.Fact},
	}, got)
	if !slices.Equal(names, []string{"a:eth1"}) {
		t.Errorf("files are %v", names)
	}
}

// TestSameScan: two sensors see one scan, the one from its beginning, the other
// more of it.
func TestSameScan(t *testing.T) {
	got, names := tell(
		scan("a", 0, 0, 10, time.Second), scan("a", 0, 2, 300, time.Minute),
		scan("b", 2*time.Second, 0, 12, 3*time.Second), scan("b", 2*time.Second, 4, 900, 50*time.Second),
		targeted("a", time.Second), targeted("b", time.Second+300*time.Microsecond),
	)
	if len(got.Alerts) != 2 || len(got.Facts) != 1 {
		t.Fatalf("%d words and %d facts, want 2 and 1: %+v", len(got.Alerts), len(got.Facts), got)
	}
	first, latest := got.Alerts[0], got.Alerts[1]
	if first.ID != latest.ID || first.ID != scan("a", 0, 0, 10, 0).event.Alert.ID || first.Count != 10 || first.Seq != 0 {
		t.Errorf("the first word is %+v", first)
	}
	if latest.Count != 900 || !latest.First.Equal(start) || !latest.Last.Equal(start.Add(time.Minute)) {
		t.Errorf("the latest word is %+v", latest)
	}
	if got.Facts[0].Alert != first.ID {
		t.Errorf("the fact is of alert %s, want %s", got.Facts[0].Alert, first.ID)
	}
	if !slices.Equal(names, []string{"a:eth1", "b:eth1"}) || latest.Frames[0].File != 1 {
		t.Errorf("files are %v", names)
	}
}

// TestDifferent: what is not the same stays apart.
func TestDifferent(t *testing.T) {
	later := scan("b", time.Hour, 0, 10, time.Hour+time.Second)
	other := scan("b", 0, 0, 10, time.Second)
	other.event.Alert.Evidence.Scan = &alert.Scan{Port: 3389}
	got, _ := tell(scan("a", 0, 0, 10, time.Second), later, other,
		targeted("a", 0), targeted("a", time.Millisecond), targeted("b", time.Minute))
	if len(got.Alerts) != 3 || len(got.Facts) != 3 {
		t.Errorf("%d alerts and %d facts, want 3 and 3", len(got.Alerts), len(got.Facts))
	}
}

// TestTolerance: what two sensors saw within five seconds is one.
func TestTolerance(t *testing.T) {
	for apart, want := range map[time.Duration]int{5 * time.Second: 1, 5*time.Second + 1: 2} {
		began := time.Second + apart // the first ended after a second
		got, _ := tell(scan("a", 0, 0, 10, time.Second), scan("b", began, 0, 10, began+time.Second), targeted("a", 0), targeted("b", apart))
		ids := map[string]bool{}
		for _, a := range got.Alerts {
			ids[a.ID] = true
		}
		if len(ids) != want || len(got.Facts) != want {
			t.Errorf("%v apart: %d alerts and %d facts, want %d", apart, len(ids), len(got.Facts), want)
		}
	}
}

// TestOneWordEach: of two sensors that said one word each of a thing, the one that saw
// more of it is heard.
func TestOneWordEach(t *testing.T) {
	got, _ := tell(scan("a", 0, 0, 10, time.Second), scan("b", 0, 0, 12, 2*time.Second))
	if len(got.Alerts) != 2 || got.Alerts[0].Seq != 0 || got.Alerts[1].Seq != 1 || got.Alerts[1].Count != 12 {
		t.Errorf("told %+v", got.Alerts)
	}
}

// TestThreeSensors: a fact that three sensors learned is one, and one that each
// of two learned twice is two.
func TestThreeSensors(t *testing.T) {
	got, _ := tell(targeted("a", 0), targeted("b", 1), targeted("c", 2))
	if len(got.Facts) != 1 {
		t.Errorf("%d facts, want 1", len(got.Facts))
	}
	got, _ = tell(targeted("a", 0), targeted("a", time.Second), targeted("b", 1), targeted("b", time.Second+1))
	if len(got.Facts) != 2 {
		t.Errorf("%d facts, want 2", len(got.Facts))
	}
}

// TestAnswerSeenByOne: of a lookup that two sensors saw, the one that saw the
// answer speaks.
func TestAnswerSeenByOne(t *testing.T) {
	lookup := func(sensor, rcode string) word {
		a := alert.Alert{
			ID: alert.Identify(alert.RuleDomain, office, start, sensor), Rule: alert.RuleDomain, Host: office, Severity: alert.Critical,
			Time: start, First: start, Last: start, Count: 1, Indicator: &ioc.Indicator{Value: "evil.example"},
			Evidence: alert.Evidence{DNS: &alert.DNS{Question: "evil.example", ResponseCode: rcode}},
		}
		return word{sensor, event.OfAlert(&a, fileName)}
	}
	got, _ := tell(lookup("a", ""), lookup("b", "NXDOMAIN"))
	if last := got.Alerts[len(got.Alerts)-1]; last.Evidence.DNS.ResponseCode != "NXDOMAIN" || last.ID != got.Alerts[0].ID {
		t.Errorf("the latest word is %+v", last)
	}
}

// TestOrder: whatever order words come in, and however often, the same is told.
func TestOrder(t *testing.T) {
	var words []word
	for i := range 40 {
		at := time.Duration(i) * 3 * time.Second
		for _, sensor := range []string{"a", "b", "c"}[:1+i%3] {
			words = append(words, scan(sensor, at, i%2, uint64(i), at+time.Second), targeted(sensor, at+time.Duration(len(sensor))))
		}
	}
	want, _ := tell(words...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		got, _ := tell(append(words, words[:r.IntN(len(words))]...)...)
		compare(t, want, got)
	}
}

// TestSlots: the words in their places make another Set the same, as when a
// compacted topic is read.
func TestSlots(t *testing.T) {
	words := []word{
		scan("a", 0, 1, 20, 2*time.Second), scan("a", 0, 0, 10, time.Second), scan("a", 0, 2, 300, time.Minute),
		scan("b", 2*time.Second, 0, 12, 3*time.Second), targeted("a", 0), targeted("b", 0),
	}
	s, again := joint.New(), joint.New()
	kept := map[string]word{}
	for _, w := range words {
		slots := s.Add(w.sensor, w.event)
		if len(slots) == 0 {
			t.Errorf("%s is no news", w.event.ID())
		}
		for _, slot := range slots {
			kept[slot.Name] = word{w.sensor, slot.Event}
		}
	}
	for _, w := range words {
		if slots := s.Add(w.sensor, w.event); len(slots) > 0 {
			t.Errorf("%s is news again: %v", w.event.ID(), slots)
		}
	}
	if len(kept) != 5 {
		t.Errorf("%d places, want 5: %v", len(kept), kept)
	}
	for _, w := range kept {
		again.Add(w.sensor, w.event)
	}
	var want, got listener
	s.Tell(&want, &joint.Files{})
	again.Tell(&got, &joint.Files{})
	compare(t, want, got)
	hosts := 0
	for host := range s.Hosts() {
		var one listener
		s.TellHost(host, &one, &joint.Files{})
		hosts += min(len(one.Alerts)+len(one.Facts), 1)
	}
	if hosts != 2 {
		t.Errorf("%d hosts have words, want 2", hosts)
	}
}
