package event_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/scope"
	"wormscope/sinks/event"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// all is every sample, and a fact.
func all() []samples.Sample {
	fact := alert.Fact{
		Kind: alert.FactTargeted, Host: netip.MustParseAddr("10.1.0.20"), Peer: netip.MustParseAddr("10.1.0.14"),
		Port: 445, Time: samples.Start(), Frame: alert.FrameRef{File: 3, Number: 9},
	}
	return append(samples.All(), samples.Sample{Name: "fact", Event: event.OfFact(&fact, func(int) string { return "b.pcap" })})
}

func TestRoundTrip(t *testing.T) {
	ids := map[string]string{}
	for _, s := range all() {
		b, err := s.Event.Append([]byte("before"))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		got, err := event.Decode(bytes.TrimPrefix(b, []byte("before")))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		compare := cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})}
		if diff := cmp.Diff(s.Event, got, compare); diff != "" {
			t.Errorf("%s is another event when it is read (-want +got):\n%s", s.Name, diff)
		}
		if got.ID() != s.Event.ID() || got.Host() != s.Event.Host() || !got.Time().Equal(s.Event.Time()) || got.Severity() != s.Event.Severity() {
			t.Errorf("%s has another id, host, time or severity when it is read", s.Name)
		}
		if bytes.ContainsRune(b, '\n') {
			t.Errorf("%s is more than one line", s.Name)
		}
		if s.Event.Alert == nil {
			if other, ok := ids[got.ID()]; ok {
				t.Errorf("%s and %s have the same id", s.Name, other)
			}
			ids[got.ID()] = s.Name
		}
	}
}

// TestFrames: an event carries the names of its files along.
func TestFrames(t *testing.T) {
	names := []string{"a.pcap", "b.pcap", "c.pcap"}
	a := alert.Alert{Frames: []alert.FrameRef{{File: 2, Number: 7}, {File: 0, Number: 3}, {File: 2, Number: 9}, {}}}
	e := event.OfAlert(&a, func(i int) string { return names[i] })
	var got []string
	for _, f := range e.Alert.Frames {
		got = append(got, e.FileName(f.File))
	}
	if diff := cmp.Diff([]string{"c.pcap", "a.pcap", "c.pcap", "c.pcap"}, got); diff != "" {
		t.Error(diff)
	}
	if a.Frames[0].File != 2 {
		t.Error("the alert that the event was made of has changed")
	}
	if e.FileName(-1) != "" || e.FileName(2) != "" {
		t.Error("a file that is not there has a name")
	}
}

func TestRefused(t *testing.T) {
	both := event.Event{Alert: &alert.Alert{}, Change: &scope.Change{}}
	if _, err := both.Append(nil); !errors.Is(err, event.ErrDamaged) {
		t.Errorf("an event that is two things is written: %v", err)
	}
	for text, want := range map[string]error{
		"": event.ErrDamaged, "\x02{}": event.ErrVersion, "\x01{}": event.ErrDamaged, "\x01{\"alert\":": event.ErrDamaged,
		"\x01{\"alert\":{},\"fact\":{}}": event.ErrDamaged,
	} {
		if _, err := event.Decode([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", text, err, want)
		}
	}
}

// TestHostile: what no detector says is not an event, whoever sent it. An address goes
// into every output as it is, and its zone can be any text.
func TestHostile(t *testing.T) {
	const evil = "fe80::1%\x1b[31m\n"
	addr, end := netip.MustParseAddr(evil), netip.AddrPortFrom(netip.MustParseAddr(evil), 445)
	list := []netip.Addr{addr}
	for name, e := range map[string]event.Event{
		"host":       {Alert: &alert.Alert{Host: addr}},
		"originator": {Alert: &alert.Alert{Orig: end}},
		"responder":  {Alert: &alert.Alert{Resp: end}},
		"sample":     {Alert: &alert.Alert{Evidence: alert.Evidence{Scan: &alert.Scan{Sample: list}}}},
		"resolver":   {Alert: &alert.Alert{Evidence: alert.Evidence{DNS: &alert.DNS{Resolver: addr}}}},
		"resolved":   {Alert: &alert.Alert{Evidence: alert.Evidence{DNS: &alert.DNS{Resolved: list}}}},
		"listed":     {Alert: &alert.Alert{Evidence: alert.Evidence{DNS: &alert.DNS{Listed: list}}}},
		"last":       {Alert: &alert.Alert{Evidence: alert.Evidence{DNS: &alert.DNS{Last: alert.Lookup{Resolved: list}}}}},
		"client":     {Alert: &alert.Alert{Evidence: alert.Evidence{Exposure: &alert.Exposure{By: addr}}}},
		"phase":      {Alert: &alert.Alert{Phase: alert.PhaseEnd + 1}},
		"change":     {Change: &scope.Change{Host: addr}},
		"fact":       {Fact: &alert.Fact{Host: addr}},
		"peer":       {Fact: &alert.Fact{Peer: addr}},
	} {
		b, err := e.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := event.Decode(b); !errors.Is(err, event.ErrDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzDecode: whatever is read as an event can be written, and read again the same.
func FuzzDecode(f *testing.F) {
	for _, s := range all() {
		b, err := s.Event.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.Decode(b)
		if err != nil {
			return
		}
		first, err := e.Append(nil)
		if err != nil {
			t.Skip() // such as a time beyond the year 9999
		}
		again, err := event.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := again.Append(nil)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s is written as %s: %v", first, second, err)
		}
		_ = again.ID() + again.Host().String() + again.Time().Format(time.RFC3339)
	})
}

func BenchmarkAppend(b *testing.B) {
	e := samples.All()[len(samples.All())-1].Event
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = e.Append(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	e := samples.All()[len(samples.All())-1].Event
	buf, err := e.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
