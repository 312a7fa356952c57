package scope_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

// TestOrderDoesNotMatter: what is said at one time, in whatever order, comes
// to the same document.
func TestOrderDoesNotMatter(t *testing.T) {
	words := outbreak()
	for i := range 12 { // more scanners of one host than frames are kept
		words = append(words, factOf(targeted("10.1.0.31", "10.1.0.14", 300, uint64(5000+i))))
		words = append(words, factOf(targeted("10.1.0.31", fmt.Sprintf("10.9.0.%d", i+1), 300, uint64(6000+i))))
	}
	sameInAnyOrder(t, words, 50)
}

// sameInAnyOrder tells words in so many orders, of which each must come to the
// same document.
func sameInAnyOrder(t *testing.T, words []said, orders int) {
	t.Helper()
	l, _ := ledgerOf(t, words)
	want := jsonOf(t, l.Document(capture()))
	random := rand.New(rand.NewPCG(1, 2))
	for range orders {
		random.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		l, _ := ledgerOf(t, words)
		if diff := cmp.Diff(want, jsonOf(t, l.Document(capture()))); diff != "" {
			t.Fatalf("another order, another document (-want +got):\n%s", diff)
		}
	}
}

// TestRepeatedDelivery: a word that was heard before changes nothing, and says
// nothing.
func TestRepeatedDelivery(t *testing.T) {
	once, changes := ledgerOf(t, outbreak())
	want, changed := jsonOf(t, once.Document(capture())), len(*changes)
	for _, w := range outbreak() {
		w.to(once)
	}
	if diff := cmp.Diff(want, jsonOf(t, once.Document(capture()))); diff != "" {
		t.Errorf("repeated words changed the document (-want +got):\n%s", diff)
	}
	if len(*changes) != changed {
		t.Errorf("repeated words made the changes %+v", (*changes)[changed:])
	}
}

// TestSinceItsOwnCall: a host that an indicator address called upon, and that
// later calls it, is suspicious since then.
func TestSinceItsOwnCall(t *testing.T) {
	word := contact("10.1.0.14", badAddr, 443, alert.Contact{State: "attempted", Initiator: "peer"}, 10, 7)
	own := word
	own.Seq, own.Phase, own.Time, own.Last = 1, alert.PhaseUpdate, at(300), at(300)
	own.Evidence.Contact = &alert.Contact{State: "established", Initiator: "host", Called: at(300)}
	end := own
	end.Seq, end.Phase, end.Time, end.Last = 2, alert.PhaseEnd, at(900), at(400)
	for _, words := range [][]said{{alertOf(word), alertOf(own), alertOf(end)}, {alertOf(word), alertOf(end)}, {alertOf(end)}} {
		l, _ := ledgerOf(t, words)
		h := find(l.Document(capture()), "10.1.0.14")
		if h.State != scope.Suspected || !h.Since.Equal(at(300)) {
			t.Errorf("%d words: %s since %v", len(words), h.State, h.Since)
		}
	}
}

// TestSinceNotAfterLastSeen: a scan that is over before its silence is certain made
// the host suspicious while it lasted.
func TestSinceNotAfterLastSeen(t *testing.T) {
	a := scan("10.1.0.14", "sequential", swept(445), 300, 7)
	a.First, a.Last = at(290), at(295)
	l, _ := ledgerOf(t, []said{alertOf(a)})
	if h := find(l.Document(capture()), "10.1.0.14"); !h.Since.Equal(at(295)) || !h.LastSeen.Equal(at(295)) {
		t.Errorf("since %v, last seen %v", h.Since, h.LastSeen)
	}
}

// TestLaterWordReplaces: an alert's later word holds the totals; an older one
// that comes late is ignored.
func TestLaterWordReplaces(t *testing.T) {
	first := contact("10.1.0.14", badAddr, 443, alert.Contact{State: "attempted", Initiator: "host"}, 1, 7)
	later := first
	later.Seq, later.Phase, later.Count, later.Frames = 2, alert.PhaseEnd, 9, nil
	later.Evidence.Contact = &alert.Contact{State: "established", Initiator: "host"}
	stale := first
	stale.Seq = 1
	l, _ := ledgerOf(t, []said{alertOf(first), alertOf(later), alertOf(stale)})
	h := find(l.Document(capture()), "10.1.0.14")
	if len(h.Facts) != 1 {
		t.Fatalf("%d facts, want 1", len(h.Facts))
	}
	f := h.Facts[0]
	if f.Count != 9 || f.Confidence != .8 || !slices.Equal(f.Frames, []uint64{7}) {
		t.Errorf("count %d, confidence %v, frames %v", f.Count, f.Confidence, f.Frames)
	}
}

// TestOutsideHosts: only hosts inside are listed; outside scanners are what to
// block.
func TestOutsideHosts(t *testing.T) {
	l, changes := ledgerOf(t, []said{
		alertOf(lookup("203.0.113.1", killSwitch, "NXDOMAIN", 1, 1)),
		factOf(targeted("203.0.113.1", "10.1.0.1", 1, 1)),
		alertOf(exposed("203.0.113.1", 445, "10.1.0.1", 1, false, 1, 1)),
		alertOf(scan("203.0.113.2", "external", alert.Scan{Ports: []uint16{445}, Targets: 10, Answered: 1}, 2, 2)),
		alertOf(scan("203.0.113.2", "sequential", alert.Scan{Port: 139, Targets: 5}, 3, 3)),
	})
	d := l.Document(capture())
	if len(d.Hosts) > 0 || len(*changes) > 0 {
		t.Errorf("hosts %+v, changes %+v", d.Hosts, *changes)
	}
	if len(d.External) != 1 || d.Totals.External != 1 {
		t.Fatalf("outside scanners %+v", d.External)
	}
	if s := d.External[0]; s.IP != "203.0.113.2" || s.Targets != 15 || s.Answered != 1 || !slices.Equal(s.Ports, []uint16{139, 445}) {
		t.Errorf("got %+v", s)
	}
}

func TestRoles(t *testing.T) {
	l, _ := ledgerOf(t, []said{
		alertOf(exposed("10.3.0.20", 445, "10.1.0.1", 5, false, 1, 1)),
		alertOf(exposed("10.3.0.21", 445, "10.1.0.1", 4, false, 1, 1)),
		factOf(alert.Fact{Kind: alert.FactResolver, Host: addr("10.3.0.20"), Time: at(2)}),
	})
	d := l.Document(capture())
	if got := find(d, "10.3.0.20").Role; !slices.Equal(got, []string{"resolver", "file-server"}) {
		t.Errorf("roles %q", got)
	}
	if got := find(d, "10.3.0.21").Role; len(got) > 0 {
		t.Errorf("roles %q, want none", got)
	}
}

// TestWormsAreNoClients: in an outbreak each worm tries all hosts around it, which
// makes no file servers of them; one that others used before is one still.
func TestWormsAreNoClients(t *testing.T) {
	const desk, server, many = "10.1.0.20", "10.3.0.20", "10.3.0.21"
	words := []said{
		alertOf(exposed(desk, 445, "10.1.0.100", 9, false, 90, 1)),
		alertOf(exposed(server, 445, "10.1.0.100", 13, false, 90, 2)),
		alertOf(exposed(many, 445, "10.1.0.100", 64, false, 90, 3)),
	}
	for i := range words {
		words[i].alert.First = at(1)
	}
	for i := range 8 {
		by := "10.1.0." + strconv.Itoa(100+i)
		for k, host := range []string{desk, server, many} {
			words = append(words, factOf(targeted(host, by, 20+i, uint64(10+3*i+k))))
		}
	}
	l, _ := ledgerOf(t, words)
	d := l.Document(capture())
	for host, want := range map[string]bool{desk: false, server: true, many: true} {
		if got := slices.Contains(find(d, host).Role, "file-server"); got != want {
			t.Errorf("%s is a file server: %v", host, got)
		}
	}
}

// TestWormsBeyondClientsToldApart: where there are more worms than clients are
// told apart, they make no file server either, unless others came before them.
func TestWormsBeyondClientsToldApart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		worms int
		first int // when the host was first connected to; worms come from 20 on
		want  bool
	}{
		{"nobody before them", 70, 20, false},
		{"somebody before them", 70, 1, true},
		{"fewer worms", 59, 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const host = "10.1.0.20"
			a := exposed(host, 445, "10.1.1.1", alert.MaxClients, false, 900, 1)
			a.First = at(tt.first)
			words := []said{alertOf(a)}
			for i := range tt.worms {
				words = append(words, factOf(targeted(host, "10.1.1."+strconv.Itoa(i+1), 20+i, uint64(10+i))))
			}
			l, _ := ledgerOf(t, words)
			if got := slices.Contains(find(l.Document(capture()), host).Role, "file-server"); got != tt.want {
				t.Errorf("it is a file server: %v", got)
			}
		})
	}
}

// TestNothingIsNull: arrays of the document are never null.
func TestNothingIsNull(t *testing.T) {
	for _, words := range [][]said{nil, outbreak()} {
		l, _ := ledgerOf(t, words)
		c := capture()
		c.Undecoded, c.Warnings, c.Files = nil, nil, nil
		if text := jsonOf(t, l.Document(c)); strings.Contains(text, "null") {
			t.Errorf("null in %s", text)
		}
	}
}

// TestDocumentIsACopy: what is said later does not change a document.
func TestDocumentIsACopy(t *testing.T) {
	words := outbreak()
	l, _ := ledgerOf(t, words[:len(words)/2])
	d := l.Document(capture())
	want := jsonOf(t, d)
	for _, w := range words[len(words)/2:] {
		w.to(l)
	}
	l.Fact(targeted("10.1.0.31", "10.1.0.14", 1000, 1))
	if got := jsonOf(t, d); got != want {
		t.Error("the document changed with the ledger")
	}
}

func TestDocumentCanBeReadBack(t *testing.T) {
	l, _ := ledgerOf(t, outbreak())
	want := jsonOf(t, l.Document(capture()))
	var d scope.Document
	if err := json.Unmarshal([]byte(want), &d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, jsonOf(t, d)); diff != "" {
		t.Errorf("a document that was read back is another (-want +got):\n%s", diff)
	}
}

// TestFullLedger: the least important and oldest hosts go first, and are
// counted.
func TestFullLedger(t *testing.T) {
	l := scope.New(zones(t), scope.Options{MaxHosts: 4})
	for _, w := range []said{
		alertOf(lookup("10.1.0.1", killSwitch, "NXDOMAIN", 1, 1)),
		alertOf(exposed("10.1.0.2", 445, "10.1.0.1", 1, false, 2, 2)),
		alertOf(exposed("10.1.0.3", 445, "10.1.0.1", 1, false, 3, 3)),
		alertOf(exposed("10.1.0.4", 445, "10.1.0.1", 1, false, 4, 4)),
		alertOf(exposed("10.1.0.2", 139, "10.1.0.1", 1, false, 5, 5)), // heard of again
		factOf(targeted("10.1.0.5", "10.1.0.1", 6, 6)),
		alertOf(lookup("10.1.0.6", badName, "", 7, 7)),
	} {
		w.to(l)
	}
	d := l.Document(scope.Capture{})
	var got []string
	for _, h := range d.Hosts {
		got = append(got, h.IP)
	}
	if want := []string{"10.1.0.1", "10.1.0.6", "10.1.0.5", "10.1.0.2"}; !slices.Equal(got, want) {
		t.Errorf("hosts %q, want %q", got, want)
	}
	want := []string{"the ledger was full at 4 hosts: 2 of the least state were dropped, 0 of them suspected or infected"}
	if !slices.Equal(d.Capture.Warnings, want) {
		t.Errorf("warnings %q", d.Capture.Warnings)
	}
}

// TestForgedHostsMakeRoom: lookups that anyone can send in the name of others push
// no host out of which more is known.
func TestForgedHostsMakeRoom(t *testing.T) {
	const patient = "10.1.0.14"
	l := scope.New(zones(t), scope.Options{MaxHosts: 8})
	for _, w := range []said{
		alertOf(lookup(patient, killSwitch, "NXDOMAIN", 1, 1)),
		alertOf(scan(patient, "sequential", alert.Scan{Port: 445, Targets: 60, Refused: 60}, 2, 2)),
	} {
		w.to(l)
	}
	for i := range 50 {
		alertOf(lookup(fmt.Sprintf("10.2.0.%d", i+1), killSwitch, "NXDOMAIN", 10+i, uint64(10+i))).to(l)
	}
	d := l.Document(capture())
	if len(d.Hosts) != 8 || !slices.ContainsFunc(d.Hosts, func(h scope.HostEntry) bool { return h.IP == patient }) {
		t.Errorf("%s is not among the %d", patient, len(d.Hosts))
	}
	if got := l.States()["infected"]; got != 8 || l.Evicted() != 43 {
		t.Errorf("%d infected, %d let go", got, l.Evicted())
	}
}

func TestFullExternal(t *testing.T) {
	l := scope.New(zones(t), scope.Options{MaxExternal: 2})
	for i, answered := range []uint64{1, 0, 0, 0} {
		a := scan(fmt.Sprintf("203.0.113.%d", i+1), "external", alert.Scan{Targets: 10, Answered: answered}, i, 1)
		l.Alert(a)
	}
	d := l.Document(scope.Capture{})
	if len(d.External) != 2 || d.External[0].IP != "203.0.113.1" || d.External[1].IP != "203.0.113.4" {
		t.Errorf("got %+v", d.External)
	}
	if len(d.Capture.Warnings) != 1 {
		t.Errorf("warnings %q", d.Capture.Warnings)
	}
}

// TestManyFacts: a host keeps the strongest facts of a kind, and says how many
// it left out.
func TestManyFacts(t *testing.T) {
	var words []said
	for i := range 100 {
		weak := &ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("n%d.example", i), Confidence: ioc.LowConfidence}
		words = append(words, alertOf(lookup("10.1.0.14", weak, "", i, uint64(i+1))))
	}
	words = append(words, alertOf(lookup("10.1.0.14", killSwitch, "NXDOMAIN", 200, 200)))
	l, _ := ledgerOf(t, words)
	h := find(l.Document(capture()), "10.1.0.14")
	if len(h.Facts) != 32 || h.LeftOut != 69 || h.State != scope.Infected {
		t.Errorf("%d facts, %d left out, %s", len(h.Facts), h.LeftOut, h.State)
	}
	if last := h.Facts[len(h.Facts)-1]; last.Indicator != killSwitch.Value {
		t.Errorf("the strongest fact is not kept: %+v", last)
	}
}

// TestHostileWords: neither names nor feeds can write to the terminal what
// they want.
func TestHostileWords(t *testing.T) {
	evil := &ioc.Indicator{Type: ioc.Domain, Value: "x.example", Feed: "f\x1b[2J\u202e", Description: strings.Repeat("long ", 100) + "\n"}
	a := lookup("10.1.0.14", evil, "NX\x1b]0;DOMAIN", 1, 1)
	a.Evidence.DNS.Question = "a\x1b[31m\r\n\u202eb.\xff" + strings.Repeat("x", 240) + ".example"
	l, _ := ledgerOf(t, []said{alertOf(a)})
	c := capture()
	c.Files = []string{"one\x07.pcap", "two.pcap"}
	c.Warnings = []string{"a\x1bb"}
	for _, r := range textOf(t, l.Document(c)) {
		if r != '\n' && (r < ' ' || r == 0x7f || r == '\u202e') {
			t.Fatalf("the text holds %q", r)
		}
	}
}

// TestMemory bounds the memory of a ledger of a quarter of a
// million hosts, as a flood with spoofed inside sources leaves them.
func TestMemory(t *testing.T) {
	const hosts = 1 << 18
	before := heap()
	l := scope.New(zones(t), scope.Options{MaxHosts: hosts})
	for i := range 2 * hosts {
		host := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		l.Fact(alert.Fact{Kind: alert.FactTargeted, Host: host, Peer: addr("10.1.0.14"), Port: 445, Time: at(i / 1000), Frame: alert.FrameRef{Number: uint64(i + 1)}})
	}
	perHost := float64(heap()-before) / hosts
	t.Logf("%.0f bytes a host with one fact", perHost)
	if perHost > 700 {
		t.Errorf("%.0f bytes a host with one fact, want at most 700", perHost)
	}
	runtime.KeepAlive(l)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkTargeted(b *testing.B) {
	l := scope.New(zones(b), scope.Options{})
	f := targeted("10.1.0.31", "10.1.0.14", 1, 1)
	i := 0
	for b.Loop() {
		i++
		f.Host = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		f.Frame.Number = uint64(i)
		l.Fact(f)
	}
}
