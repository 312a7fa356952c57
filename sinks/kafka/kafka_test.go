package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/kafkatest"
	"wormscope/scope"
	"wormscope/sinks/ecs"
	"wormscope/sinks/event"
	"wormscope/sinks/tlsconf"
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

// deliver delivers a batch as an outbox does: again until it is done.
func deliver(t testing.TB, s *Sink, list []event.Event) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		refused, err := s.Deliver(t.Context(), list)
		switch {
		case err == nil && len(refused) == 0:
			return
		case err == nil:
			t.Fatalf("%d events refused, the first: %v", len(refused), refused[0].Err)
		case time.Now().After(end):
			t.Fatal(err)
		}
	}
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

// secured is the way into a secure Kafka over each of its listeners.
func secured(c *kafkatest.Cluster) map[string]Cluster {
	trust := &tlsconf.Settings{CA: c.Cert("ca.pem")}
	user := func(mechanism string) *SASL {
		return &SASL{Mechanism: mechanism, User: kafkatest.User, Password: kafkatest.Password}
	}
	return map[string]Cluster{
		"plaintext":         {Brokers: c.Brokers()},
		"TLS":               {Brokers: c.TLS(), TLS: trust},
		"mutual TLS":        {Brokers: c.MutualTLS(), TLS: &tlsconf.Settings{CA: c.Cert("ca.pem"), Cert: c.Cert("client.pem"), Key: c.Cert("client.key")}},
		"PLAIN":             {Brokers: c.SASL(), SASL: user("PLAIN")},
		"PLAIN over TLS":    {Brokers: c.SASLTLS(), TLS: trust, SASL: user("plain")},
		"SCRAM-256":         {Brokers: c.SASL(), SASL: user("SCRAM-SHA-256")},
		"SCRAM-256 and TLS": {Brokers: c.SASLTLS(), TLS: trust, SASL: user("SCRAM-SHA-256")},
		"SCRAM-512 and TLS": {Brokers: c.SASLTLS(), TLS: trust, SASL: user("SCRAM-SHA-512")},
	}
}

// TestSecure delivers over every listener of a secure Kafka, and sees what is
// said when the way in is wrong.
func TestSecure(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Secure: true})
	ways := secured(c)
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			topic := "over-" + strings.ReplaceAll(name, " ", "-")
			s := open(t, Config{Cluster: way, Topic: topic, Create: true})
			if err := s.Check(t.Context()); err != nil {
				t.Errorf("check: %v", err)
			}
			deliver(t, s, batch(0, 100))
			arrived(t, c.Read(topic), batch(0, 100))
		})
	}
	for _, test := range wrongWays(t, c, ways) {
		t.Run(test.name, func(t *testing.T) { test.run(t) })
	}
	t.Run("rights", func(t *testing.T) { rights(t, c, ways["SCRAM-256 and TLS"]) })
}

// A wrongWay is a configuration that can't work, and what must be said of it.
type wrongWay struct {
	name   string
	config Config
	want   string // in both errors
}

func (w *wrongWay) run(t *testing.T) {
	t.Helper()
	if w.config.Topic == "" {
		w.config.Topic = "over-TLS"
	}
	s := open(t, w.config)
	for what, err := range map[string]error{
		"check":   s.Check(t.Context()),
		"deliver": func() error { _, err := s.Deliver(t.Context(), batch(0, 1)); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), w.want) {
			t.Errorf("%s said %q, want something of %q", what, err, w.want)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
}

func wrongWays(t *testing.T, c *kafkatest.Cluster, ways map[string]Cluster) []wrongWay {
	t.Helper()
	nobody := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(nobody, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	localhost := func(addrs []string) []string {
		return []string{strings.Replace(addrs[0], "127.0.0.1", "localhost", 1)}
	}
	ca := c.Cert("ca.pem")
	wrongPassword := func(mechanism string) Config {
		return Config{Cluster: Cluster{Brokers: c.SASL(), SASL: &SASL{Mechanism: mechanism, User: kafkatest.User, PasswordFile: nobody}}}
	}
	return []wrongWay{
		{"no such host", Config{Cluster: Cluster{Brokers: []string{"no-such-host.invalid:9092"}}}, `there is no host named "no-such-host.invalid"`},
		{"no broker there", Config{Cluster: Cluster{Brokers: []string{"127.0.0.1:1"}}}, "127.0.0.1:1: nothing listens there (connection refused)"},
		{"unknown authority", Config{Cluster: Cluster{Brokers: c.TLS(), TLS: &tlsconf.Settings{}}}, `signed by "CN=wormscope ca", which is not trusted here: set tls.ca`},
		{"wrong authority", Config{Cluster: Cluster{Brokers: c.TLS(), TLS: &tlsconf.Settings{CA: c.Cert("otherca.pem")}}}, "which is not trusted here: set tls.ca"},
		{"other name", Config{Cluster: Cluster{Brokers: localhost(c.TLS()), TLS: &tlsconf.Settings{CA: ca}}}, "its certificate is for 127.0.0.1, not for localhost"},
		{"no client certificate", Config{Cluster: Cluster{Brokers: c.MutualTLS(), TLS: &tlsconf.Settings{CA: ca}}}, "client certificate"},
		{"client certificate of a stranger", Config{Cluster: Cluster{Brokers: c.MutualTLS(), TLS: &tlsconf.Settings{CA: ca, Cert: c.Cert("stranger.pem"), Key: c.Cert("stranger.key")}}}, "client certificate"},
		{"plaintext to TLS", Config{Cluster: Cluster{Brokers: c.TLS()}}, "it speaks TLS: set tls"},
		{"TLS to plaintext", Config{Cluster: Cluster{Brokers: c.Brokers(), TLS: &tlsconf.Settings{CA: ca}}}, "it may speak no TLS on this port"},
		{"wrong password, PLAIN", wrongPassword("PLAIN"), "the password is wrong"},
		{"wrong password, SCRAM-256", wrongPassword("SCRAM-SHA-256"), "the password is wrong"},
		{"wrong password, SCRAM-512", wrongPassword("SCRAM-SHA-512"), "the password is wrong"},
		{"no user", Config{Cluster: Cluster{Brokers: c.SASL()}}, "wants a user and a password (sasl)"},
		{"user to a port without", Config{Cluster: Cluster{Brokers: c.Brokers(), SASL: ways["PLAIN"].SASL}}, "sasl"},
		{"topic missing", Config{Cluster: ways["TLS"], Topic: "nowhere"}, `topic "nowhere" does not exist: make it, or set create: true`},
	}
}

// rights sees what is said and done when the user has no right to a topic.
func rights(t *testing.T, c *kafkatest.Cluster, way Cluster) {
	t.Helper()
	admin := c.Client()
	s := open(t, Config{Cluster: Cluster{Brokers: c.Brokers()}, Topic: "secret", StateTopic: "readable", LedgerTopic: "open", Create: true})
	deliver(t, s, []event.Event{alertOf(0), changeOf(1, scope.Suspected)})
	deny := func(topic string, op kafkago.ACLOperationType) {
		r, err := admin.CreateACLs(t.Context(), &kafkago.CreateACLsRequest{ACLs: []kafkago.ACLEntry{{
			ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic, ResourcePatternType: kafkago.PatternTypeLiteral,
			Principal: "User:" + kafkatest.User, Host: "*", Operation: op, PermissionType: kafkago.ACLPermissionTypeDeny,
		}}})
		if err != nil || r.Errors[0] != nil {
			t.Fatalf("deny: %v %v", err, r)
		}
	}
	deny("secret", kafkago.ACLOperationTypeAll)
	deny("readable", kafkago.ACLOperationTypeWrite)
	denied := open(t, Config{Cluster: way, Topic: "secret", StateTopic: "readable", LedgerTopic: "open"})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := denied.Check(t.Context()); err != nil && strings.Contains(err.Error(), `"readable"`) {
			break // all brokers heard of it
		}
	}
	list := []event.Event{alertOf(2), changeOf(3, scope.Infected)}
	for what, err := range map[string]error{
		"check":   denied.Check(t.Context()),
		"deliver": func() error { _, err := denied.Deliver(t.Context(), list); return err }(),
	} {
		for _, topic := range []string{"secret", "readable"} {
			if want := fmt.Sprintf("the user has no right to topic %q", topic); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s said %q, want %q", what, err, want)
			}
		}
	}
	if n := len(c.Read("open")); n != 2 {
		t.Errorf("the topic that is allowed holds %d words, want 2: the others must not hold it up", n)
	}
	refusing := open(t, Config{Cluster: way, Topic: "secret", StateTopic: "readable", WhenDenied: "refuse"})
	refused, err := refusing.Deliver(t.Context(), list)
	if err != nil || len(refused) != 3 {
		t.Errorf("refused %d messages (%v), want 3: two of topic, one of state_topic", len(refused), err)
	}
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
	refused, err := s.Deliver(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
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
	for _, want := range []string{"closed the connection: it stopped", "nothing listens there"} {
		if _, err := s.Deliver(t.Context(), batch(200, 300)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the broker is away, and it said %v, want %q", err, want)
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
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	deliver(t, s, batch(0, 5000))
	arrived(t, c.Read("events"), batch(0, 5000))
}
