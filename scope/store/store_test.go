package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/scope"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, now, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Begin(func(i int) string { return fmt.Sprintf("file%d.pcap", i) }, nil)
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// told is everything that an emitter was told.
type told struct {
	alerts []alert.Alert
	facts  []alert.Fact
}

func (w *told) Alert(a alert.Alert) { w.alerts = append(w.alerts, a) }
func (w *told) Fact(f alert.Fact)   { w.facts = append(w.facts, f) }

func load(t testing.TB, s *Store) *told {
	t.Helper()
	var r told
	if err := s.Load(&r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// fill sets every field of a value to something that is not zero, so that a
// field which is added later is tested without anybody thinking of it.
func fill(v reflect.Value, n *int) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(int64(*n), 123456789).UTC()
		return
	case *netip.Addr:
		*x = netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)})
		return
	case *netip.AddrPort:
		*x = netip.AddrPortFrom(addr("2001:db8::1"), uint16(*n))
		return
	case *netip.Prefix:
		*x = netip.MustParsePrefix("10.0.0.0/8")
		return
	case *alert.Phase:
		*x = alert.PhaseEnd
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n) + .1)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64, reflect.Uint32:
		v.SetUint(uint64(*n % 250))
	default:
		panic("no idea how to fill " + v.Type().String())
	}
}

func TestAnAlertComesBackWhole(t *testing.T) {
	var a alert.Alert
	n := 0
	fill(reflect.ValueOf(&a).Elem(), &n)
	s := open(t, t.TempDir(), Options{})
	defer shut(t, s)
	s.Alert(a)
	empty := alert.Alert{ID: "empty", Host: addr("10.0.0.1"), Time: at(1), First: at(1), Last: at(1)}
	s.Alert(empty)
	got := load(t, s).alerts
	for i := range got {
		for k := range got[i].Frames {
			got[i].Frames[k].File = a.Frames[k].File // named anew
		}
	}
	var want []alert.Alert
	want = append(want, a, a, empty) // its first word and its latest
	sameAddr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	samePort := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	samePrefix := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, got, sameAddr, samePort, samePrefix); diff != "" {
		t.Errorf("stored (-) and read (+):\n%s", diff)
	}
}

// TestAFactComesBackWhole: a field that a fact gets later must survive, too.
func TestAFactComesBackWhole(t *testing.T) {
	var f alert.Fact
	n := 0
	fill(reflect.ValueOf(&f).Elem(), &n)
	f.Frame.File = 0 // named anew
	other := f
	other.Kind = "other"
	s := open(t, t.TempDir(), Options{})
	defer shut(t, s)
	for range 2 {
		s.Fact(f)
		s.Fact(other)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	sameAddr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff([]alert.Fact{other, f}, load(t, s).facts, sameAddr); diff != "" {
		t.Errorf("stored (-) and read (+):\n%s", diff)
	}
}

// words is a story: alerts that grow, and facts.
func words(r *rand.Rand, n int) *told {
	var w told
	for i := range n {
		host := netip.AddrFrom4([4]byte{10, 1, 0, byte(r.IntN(20))})
		a := alert.Alert{
			Rule: alert.RuleScan, Name: "sequential", Host: host, First: at(i), Last: at(i), Time: at(i), Count: 7,
			Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445, Targets: 20, Silent: 20}}, Frames: []alert.FrameRef{{Number: uint64(i + 1)}},
		}
		if i%3 == 0 {
			a.Rule, a.Name, a.Evidence = alert.RuleDomain, "", alert.Evidence{DNS: &alert.DNS{Question: "evil.example", Type: "A", Resolver: addr("10.3.0.53")}}
			a.Indicator = &ioc.Indicator{Type: ioc.Domain, Value: "evil.example", Feed: "f"}
		}
		a.ID = alert.Identify(a.Rule, host, a.First)
		for seq := range 1 + r.IntN(4) {
			a.Seq, a.Count, a.Last, a.Time = seq, a.Count*10, at(i+seq), at(i+seq)
			w.Alert(a)
		}
		w.Fact(alert.Fact{
			Kind: alert.FactTargeted, Host: addr("10.2.0.1"), Peer: host, Port: 445, Time: at(i),
			Frame: alert.FrameRef{Number: uint64(1000 + i)},
		})
	}
	return &w
}

// tell tells a store the first words and facts of a story.
func (w *told) tell(s *Store, share float64) {
	for _, a := range w.alerts[:int(share*float64(len(w.alerts)))] {
		s.Alert(a)
	}
	for _, f := range w.facts[:int(share*float64(len(w.facts)))] {
		s.Fact(f)
	}
}

// document is the scope that a store's content makes, as JSON.
func document(t testing.TB, s *Store) string {
	t.Helper()
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	l := scope.New(zones, scope.Options{})
	if err = s.Load(l); err != nil {
		t.Fatal(err)
	}
	c, err := s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	d := l.Document(c)
	var b bytes.Buffer
	if err := d.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAsOften: a story told once, twice, broken off anywhere and told again, or
// in another order is the same story.
func TestAsOften(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := words(r, 60)
	once := open(t, t.TempDir(), Options{})
	defer shut(t, once)
	w.tell(once, 1)
	want := document(t, once)
	if !strings.Contains(want, `"count": 70`) {
		t.Fatal("the story has no alert that grew")
	}
	for _, share := range []float64{0, .01, .3, .5, .77, .99, 1} {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		w.tell(s, share)
		shut(t, s)
		s = open(t, dir, Options{})
		w.tell(s, 1)
		if diff := cmp.Diff(want, document(t, s)); diff != "" {
			t.Errorf("told to %v and again (-once +again):\n%s", share, diff)
		}
		shut(t, s)
	}
	for range 5 {
		s := open(t, t.TempDir(), Options{})
		shuffled := *w
		r.Shuffle(len(w.alerts), func(i, j int) { w.alerts[i], w.alerts[j] = w.alerts[j], w.alerts[i] })
		r.Shuffle(len(w.facts), func(i, j int) { w.facts[i], w.facts[j] = w.facts[j], w.facts[i] })
		shuffled.tell(s, 1)
		if diff := cmp.Diff(want, document(t, s)); diff != "" {
			t.Errorf("in another order:\n%s", diff)
		}
		shut(t, s)
	}
}

// TestTheMoreWins: of two words of one number, as a capture that was cut short
// and the whole one give, the one with more in it stays, whichever is first.
func TestTheMoreWins(t *testing.T) {
	short := alert.Alert{ID: "a", Seq: 1, Phase: alert.PhaseEnd, Host: addr("10.0.0.1"), Count: 5, Time: at(9), First: at(1), Last: at(8)}
	long := short
	long.Count, long.Last = 50, at(80)
	for _, order := range [][]alert.Alert{{short, long}, {long, short}} {
		s := open(t, t.TempDir(), Options{})
		for _, a := range order {
			s.Alert(a)
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		got := load(t, s).alerts
		if last := got[len(got)-1]; last.Count != 50 {
			t.Errorf("count %d, want 50", last.Count)
		}
		shut(t, s)
	}
}

func TestTheLimitHolds(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxAlerts: 3, MaxFacts: 2})
	defer shut(t, s)
	for round := range 2 {
		for i := range 5 {
			s.Alert(alert.Alert{ID: strconv.Itoa(i), Seq: round, Time: at(i), Host: addr("10.0.0.1")})
			s.Fact(alert.Fact{Kind: alert.FactResolver, Host: addr("10.0.0.1"), Time: at(i)})
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := load(t, s)
	if len(got.alerts) != 6 || len(got.facts) != 2 { // two words each
		t.Errorf("%d words, %d facts", len(got.alerts), len(got.facts))
	}
	c, err := s.Capture()
	if err != nil || len(c.Warnings) != 2 {
		t.Errorf("warnings %q, %v", c.Warnings, err)
	}
}

func TestWhatMustBeSafeFirst(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	broken := errors.New("no space")
	s.Begin(func(int) string { return "" }, func() error { return broken })
	s.Alert(alert.Alert{ID: "a", Host: addr("10.0.0.1")})
	if err := s.Flush(); !errors.Is(err, broken) {
		t.Errorf("flush: %v", err)
	}
	if err := s.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
	var n int
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM alert").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d alerts, %v", n, err)
	}
}
