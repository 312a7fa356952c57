package kafka

import (
	"strings"
	"testing"
)

// TestTopicNames: a name that Kafka does not take is refused for each topic, of the
// sink and of the central ledger.
func TestTopicNames(t *testing.T) {
	cluster := Cluster{Brokers: []string{"kafka.example.org:9092"}}
	for what, check := range map[string]func(name string) error{
		"sink: topic":           func(name string) error { return (&Config{Cluster: cluster, Topic: name}).Validate() },
		"sink: state_topic":     func(name string) error { return (&Config{Cluster: cluster, StateTopic: name}).Validate() },
		"sink: ledger_topic":    func(name string) error { return (&Config{Cluster: cluster, LedgerTopic: name}).Validate() },
		"central: ledger_topic": func(name string) error { return (&Central{Cluster: cluster, LedgerTopic: name}).Validate() },
		"central: joint_topic":  func(name string) error { return (&Central{Cluster: cluster, JointTopic: name}).Validate() },
		"central: state_topic":  func(name string) error { return (&Central{Cluster: cluster, StateTopic: name}).Validate() },
	} {
		_, key, _ := strings.Cut(what, ": ")
		for _, good := range []string{"a", "wormscope.alerts", "_-.", "...", strings.Repeat("x", 249)} {
			if err := check(good); err != nil {
				t.Errorf("%s %q: %v", what, good, err)
			}
		}
		for _, bad := range []string{".", "..", "a b", "a/b", "é", "a\n", strings.Repeat("x", 250)} {
			if err := check(bad); err == nil || !strings.Contains(err.Error(), key+": ") || !strings.Contains(err.Error(), "is no name of a topic") {
				t.Errorf("%s %q: got %v", what, bad, err)
			}
		}
	}
}
