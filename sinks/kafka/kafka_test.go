package kafka

import (
	"context"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/kafkatest"
	"wormscope/internal/testnet"
	"wormscope/scope"
	"wormscope/sinks"
	"wormscope/sinks/ecs"
	"wormscope/sinks/event"
)

// at is the packet time of the first event.
var at = time.Date(2017, 5, 12, 8, 0, 0, 0, time.UTC)

// alertOf makes the n-th event, which is about one of 64 hosts.
func alertOf(n int) event.Event {
	host := netip.AddrFrom4([4]byte{10, 0, 0, byte(n % 64)})
	when := at.Add(time.Duration(n) * time.Millisecond)
	return event.OfAlert(&alert.Alert{
		ID: alert.Identify("test", host, when, strconv.Itoa(n)), Rule: alert.RuleScan, Name: "fan-out", Severity: alert.High,
		Time: when, First: at, Last: when, Count: uint64(n), Host: host,
		Orig: netip.AddrPortFrom(host, 0), Resp: netip.MustParseAddrPort("10.1.0.1:445"), Proto: 6,
		Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445, Targets: uint64(n)}},
	}, nil)
}

// changeOf makes an event of a change of a host's state.
func changeOf(n int, to scope.State) event.Event {
	host := netip.AddrFrom4([4]byte{10, 0, 0, byte(n % 64)})
	when := at.Add(time.Duration(n) * time.Millisecond)
	return event.OfChange(&scope.Change{
		ID: alert.Identify("host-state", host, when, to.String()), Host: host, To: to, Time: when, Why: "it scans",
	}, nil)
}

func batch(from, to int) []event.Event {
	list := make([]event.Event, 0, to-from)
	for n := from; n < to; n++ {
		list = append(list, alertOf(n))
	}
	return list
}

// renderer renders for a network of 10.0.0.0/8.
func renderer() *ecs.Renderer {
	zones, err := zone.New([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	if err != nil {
		panic(err)
	}
	return ecs.New(ecs.Options{Zones: zones})
}

func open(t testing.TB, c Config) *Sink {
	t.Helper()
	s, err := New(c, renderer())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// deliver delivers a batch, of which nothing may be refused.
func deliver(t testing.TB, s *Sink, list []event.Event) {
	t.Helper()
	if refused := try(t, s, list); len(refused) > 0 {
		t.Fatalf("%d events refused, the first: %v", len(refused), refused[0].Err)
	}
}

// try delivers a batch as an outbox does: again until it is done. It returns what
// was refused.
func try(t testing.TB, s *Sink, list []event.Event) []sinks.Refusal {
	t.Helper()
	for end := time.Now().Add(testnet.Patience); ; time.Sleep(100 * time.Millisecond) {
		refused, err := s.Deliver(t.Context(), list)
		if err == nil {
			return refused
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// answered asks again as long as a broker, which may have much to do, does not
// answer in time.
func answered(ask func() error) error {
	for end := time.Now().Add(testnet.Patience); ; {
		err := ask()
		if err == nil || !strings.Contains(err.Error(), "answer") || time.Now().After(end) {
			return err
		}
	}
}

// check is what a sink's check says.
func check(t *testing.T, s *Sink) error {
	t.Helper()
	return answered(func() error { return s.Check(t.Context()) })
}

// failure is why a batch is not delivered.
func failure(t *testing.T, s *Sink, list []event.Event) error {
	t.Helper()
	return answered(func() error { _, err := s.Deliver(t.Context(), list); return err })
}

// ids are those of a list of events, host by host.
func ids(list []event.Event) map[string][]string {
	byHost := map[string][]string{}
	for i := range list {
		h := list[i].Host().String()
		byHost[h] = append(byHost[h], list[i].ID())
	}
	return byHost
}

// arrived checks that a topic holds exactly the events of a list, in order for
// each host. It returns how many there are twice or more often.
func arrived(t testing.TB, records []kafkatest.Record, list []event.Event) (repeats int) {
	t.Helper()
	got := map[string][]string{}
	seen := map[string]bool{}
	for _, r := range records {
		id := r.Headers[HeaderID]
		if seen[id] {
			repeats++
			continue
		}
		seen[id] = true
		got[r.Key] = append(got[r.Key], id)
		var doc struct {
			Event struct{ ID string }
			Host  struct{ IP []string }
		}
		if err := json.Unmarshal([]byte(r.Value), &doc); err != nil {
			t.Fatalf("not JSON: %v", err)
		}
		if doc.Event.ID != id || doc.Host.IP[0] != r.Key {
			t.Fatalf("header %s and key %s, but the document says %s and %s", id, r.Key, doc.Event.ID, doc.Host.IP[0])
		}
	}
	want := ids(list)
	for host, w := range want {
		if strings.Join(got[host], " ") != strings.Join(w, " ") {
			t.Fatalf("%s: %d events, want %d: they are not all there and in order", host, len(got[host]), len(w))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("events of %d hosts, want %d", len(got), len(want))
	}
	return repeats
}

// TestTopics sees what goes to which topic, and how topics are made.
func TestTopics(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Properties: []string{"message.max.bytes=20000"}})
	way := Cluster{Brokers: c.Brokers()}
	t.Run("kinds", func(t *testing.T) {
		s := open(t, Config{Cluster: way, Topic: "events", StateTopic: "states", LedgerTopic: "words", Create: true, Partitions: 4})
		fact := event.OfFact(&alert.Fact{Kind: alert.FactResolver, Host: netip.MustParseAddr("10.0.0.1"), Time: at}, nil)
		list := []event.Event{alertOf(0), changeOf(1, scope.Suspected), fact, changeOf(2, scope.Targeted), changeOf(65, scope.Infected)}
		deliver(t, s, list)
		arrived(t, c.Read("events"), []event.Event{list[0], list[1], list[3], list[4]})
		arrived(t, c.Read("states"), []event.Event{list[1], list[3], list[4]})
		words := c.Read("words")
		if len(words) != 2 {
			t.Fatalf("%d words for ledgers, want the alert and the fact", len(words))
		}
		for _, w := range words {
			e, err := event.Decode([]byte(w.Value))
			if err != nil || e.ID() != w.Headers[HeaderID] || e.Host().String() != w.Key || w.Headers[HeaderSensor] == "" {
				t.Errorf("word %+v: %v", w, err)
			}
		}
		policy(t, c, "states", "compact")
		policy(t, c, "events", "delete")
	})
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			s := open(t, Config{Cluster: way, Topic: "in-" + codec, Create: true, Compression: codec})
			deliver(t, s, batch(0, 2000))
			if n := arrived(t, c.Read("in-"+codec), batch(0, 2000)); n != 0 {
				t.Errorf("%d events arrived twice", n)
			}
		})
	}
	t.Run("too large", func(t *testing.T) { tooLarge(t, c, way) })
	t.Run("slow", func(t *testing.T) { slow(t, c, way) })
	t.Run("worker", func(t *testing.T) { small(t, way) })
	t.Run("quota", func(t *testing.T) { throttled(t, c, way) })
}

// policy checks the cleanup policy of a topic.
func policy(t *testing.T, c *kafkatest.Cluster, topic, want string) {
	t.Helper()
	admin := c.Client()
	r, err := admin.DescribeConfigs(t.Context(), &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{{
		ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"cleanup.policy"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Resources[0].ConfigEntries[0].ConfigValue; got != want {
		t.Errorf("cleanup.policy of %s is %s, want %s", topic, got, want)
	}
}

// tooLarge delivers a batch in which two messages are larger than what the
// broker takes, and one than what the settings allow.
func tooLarge(t *testing.T, c *kafkatest.Cluster, way Cluster) {
	t.Helper()
	s := open(t, Config{Cluster: way, Topic: "small", Create: true, Compression: "none", MaxMessageBytes: 100_000})
	list := batch(0, 200)
	var keep []event.Event
	large := map[string]bool{}
	for n := range list {
		if size := map[int]int{7: 30_000, 71: 40_000, 90: 200_000}[n]; size > 0 {
			list[n].Alert.Name = strings.Repeat("x", size)
			large[list[n].ID()] = true
			continue
		}
		keep = append(keep, list[n])
	}
	refused := try(t, s, list)
	if len(refused) != len(large) {
		t.Errorf("%d messages refused, want %d", len(refused), len(large))
	}
	for _, r := range refused {
		if !large[r.Event.ID()] || len(r.Body) < 30_000 || !strings.Contains(r.Err.Error(), "larger") {
			t.Errorf("refused %s, %d bytes: %v", r.Event.ID(), len(r.Body), r.Err)
		}
	}
	arrived(t, c.Read("small"), keep)
}

// TestStopped sees that Deliver returns when it is told to, whatever the
// broker does, and that nothing is lost by it.
func TestStopped(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	s := open(t, Config{Cluster: Cluster{Brokers: c.Brokers()}, Topic: "events", Create: true})
	deliver(t, s, batch(0, 100))
	c.Pause(1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	if _, err := s.Deliver(ctx, batch(100, 200)); err == nil {
		t.Error("delivered to a process that does not run")
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v to stop", took)
	}
	c.Resume(1)
	deliver(t, s, batch(100, 200))
	t.Logf("%d repeats", arrived(t, c.Read("events"), batch(0, 200)))
	c.Kill(1)
	_, err := s.Deliver(t.Context(), batch(200, 300))
	if want := "closed the connection: it stopped"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the broker is away, and it said %v, want %q", err, want)
	}
	// Not before all connections of its pool are known to be closed.
	for want, end := "nothing listens there", time.Now().Add(testnet.Patience); err == nil || !strings.Contains(err.Error(), want); {
		if _, err = s.Deliver(t.Context(), batch(200, 300)); err == nil || time.Now().After(end) {
			t.Fatalf("the broker is away, and it said %v, want %q", err, want)
		}
	}
	c.Restart(1)
	deliver(t, s, batch(200, 300))
	arrived(t, c.Read("events"), batch(0, 300))
}

// TestOldVersion delivers to the oldest Kafka that the project is tested with.
func TestOldVersion(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Version: kafkatest.OldVersion})
	s := open(t, Config{Cluster: Cluster{Brokers: c.Brokers()}, Topic: "events", StateTopic: "states", Create: true})
	if err := check(t, s); err != nil {
		t.Error(err)
	}
	deliver(t, s, batch(0, 5000))
	arrived(t, c.Read("events"), batch(0, 5000))
}
