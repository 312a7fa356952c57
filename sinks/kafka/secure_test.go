package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"wormscope/internal/kafkatest"
	"wormscope/internal/testnet"
	"wormscope/scope"
	"wormscope/sinks/event"
	"wormscope/sinks/tlsconf"
)

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
			if err := check(t, s); err != nil {
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
	for what, err := range map[string]error{"check": check(t, s), "deliver": failure(t, s, batch(0, 1))} {
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
	for end := time.Now().Add(testnet.Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := denied.Check(t.Context()); err != nil && strings.Contains(err.Error(), `"readable"`) {
			break // all brokers heard of it
		}
	}
	list := []event.Event{alertOf(2), changeOf(3, scope.Infected)}
	for what, err := range map[string]error{"check": check(t, denied), "deliver": failure(t, denied, list)} {
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
	if refused := try(t, refusing, list); len(refused) != 3 {
		t.Errorf("refused %d messages, want 3: two of topic, one of state_topic", len(refused))
	}
}
