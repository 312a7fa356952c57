package kafka

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"wormscope/internal/input"
	"wormscope/sinks/tlsconf"
)

// Config are the settings of a sink; docs/kafka.md explains them.
type Config struct {
	Cluster `yaml:",inline"`

	// Topic takes alerts and changes of hosts' states, each as it is rendered.
	Topic string `yaml:"topic"`
	// StateTopic takes changes of hosts' states as well. It is meant to be
	// compacted, so that it holds the latest state of each host.
	StateTopic string `yaml:"state_topic"`
	// LedgerTopic takes the words (package event) that a central scope reads.
	LedgerTopic string `yaml:"ledger_topic"`

	// Create says that missing topics are made, with this many Partitions (6 if 0)
	// and Replicas (the cluster's default if 0).
	Create     bool `yaml:"create"`
	Partitions int  `yaml:"partitions"`
	Replicas   int  `yaml:"replicas"`

	// Compression is zstd if empty, or none, gzip, snappy, lz4.
	Compression string `yaml:"compression"`
	// MaxMessageBytes is how large a message may be, and how much goes into one
	// request of a partition, before compression; 1,000,000 if 0, a little less than
	// what brokers accept by default.
	MaxMessageBytes int `yaml:"max_message_bytes"`
	// WhenDenied says what becomes of messages for a topic that the user may not
	// write to: "wait", also if empty, until the user may; or "refuse" them for good.
	WhenDenied string `yaml:"when_denied"`
	// Sensor names who sends, in a header; the host's name if empty.
	Sensor string `yaml:"sensor"`
}

// A Cluster says where a Kafka cluster is, and how to authenticate.
type Cluster struct {
	Brokers  []string          `yaml:"brokers"` // host:port, any of the cluster
	ClientID string            `yaml:"client_id"`
	TLS      *tlsconf.Settings `yaml:"tls"` // nil for none
	SASL     *SASL             `yaml:"sasl"`
}

// SASL is a user and a password.
type SASL struct {
	Mechanism    string `yaml:"mechanism"` // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User         string `yaml:"user"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"` // its first line is the password, if Password is empty
}

// The values of settings that are not given, and their limits.
const (
	defaultClientID   = "wormscope"
	defaultPartitions = 6
	defaultMaxMessage = 1_000_000
	least, most       = 1024, 100 << 20 // of MaxMessageBytes
)

// Values of WhenDenied.
const (
	deniedWait   = "wait"
	deniedRefuse = "refuse"
)

// topicName is what Kafka takes as the name of a topic, but for "." and "..".
var topicName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// checkTopic says what is wrong with the name of a topic, which is set by a key.
func checkTopic(key, name string) error {
	if !topicName.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("%s: %q is no name of a topic: want letters, digits, '.', '_' and '-', at most 249", key, name)
	}
	return nil
}

// maxReplicas is how many replicas the protocol of Kafka can ask for.
const maxReplicas = 1<<15 - 1

// errNumbers refuses how topics would be made.
var errNumbers = fmt.Errorf("partitions and replicas: want 1 or more, and of replicas %d at the most", maxReplicas)

// Validate says what is wrong with the settings, without connecting: all of it, one
// a line.
func (c *Config) Validate() error {
	errs := []error{c.Cluster.Validate()}
	if c.Topic == "" && c.StateTopic == "" && c.LedgerTopic == "" {
		errs = append(errs, errors.New("no topic: set topic, state_topic or ledger_topic"))
	}
	seen := map[string]string{}
	for _, t := range []struct{ key, name string }{{"topic", c.Topic}, {"state_topic", c.StateTopic}, {"ledger_topic", c.LedgerTopic}} {
		if t.name == "" {
			continue
		}
		if other, ok := seen[t.name]; ok {
			errs = append(errs, fmt.Errorf("%s and %s are both %q: each needs one of its own", other, t.key, t.name))
		}
		seen[t.name] = t.key
		errs = append(errs, checkTopic(t.key, t.name))
	}
	if _, err := c.compression(); err != nil {
		errs = append(errs, err)
	}
	if c.MaxMessageBytes != 0 && (c.MaxMessageBytes < least || c.MaxMessageBytes > most) {
		errs = append(errs, fmt.Errorf("max_message_bytes: %d: want %d to %d", c.MaxMessageBytes, least, most))
	}
	if !slices.Contains([]string{"", deniedWait, deniedRefuse}, c.WhenDenied) {
		errs = append(errs, fmt.Errorf("when_denied: %q: want %s or %s", c.WhenDenied, deniedWait, deniedRefuse))
	}
	if c.Partitions < 0 || c.Replicas < 0 || c.Replicas > maxReplicas {
		errs = append(errs, errNumbers)
	}
	if !c.Create && (c.Partitions != 0 || c.Replicas != 0) {
		errs = append(errs, errors.New("partitions and replicas are of topics that are created: set create: true, or leave them out"))
	}
	return errors.Join(errs...)
}

// Validate says what is wrong with the settings, without connecting.
func (c *Cluster) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: none: give host:port of one or more"))
	}
	for _, b := range c.Brokers {
		host, port, err := net.SplitHostPort(b)
		if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || host == "" || n < 1 || n > 65535 || strings.ContainsAny(b, ",@") {
			b = b[strings.LastIndex(b, "@")+1:] // a password has no place in a log
			errs = append(errs, fmt.Errorf("brokers: %q: want host:port alone, such as kafka.example.org:9092", b))
		}
	}
	if c.TLS != nil {
		if _, err := c.TLS.Config(); err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := c.SASL.mechanism(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// InTheClear reports whether anybody on the way to a broker can read the password.
// Other mechanisms than PLAIN do not send it.
func (c *Cluster) InTheClear() bool {
	if c.TLS != nil || c.SASL == nil || !strings.EqualFold(c.SASL.Mechanism, "PLAIN") {
		return false
	}
	return slices.ContainsFunc(c.Brokers, func(broker string) bool {
		host, _, err := net.SplitHostPort(broker)
		return err == nil && !tlsconf.IsLocal(host)
	})
}

// compression returns the codec that the settings name.
func (c *Config) compression() (kafkago.Compression, error) {
	switch c.Compression {
	case "", "zstd":
		return kafkago.Zstd, nil
	case "none":
		return 0, nil
	case "gzip":
		return kafkago.Gzip, nil
	case "snappy":
		return kafkago.Snappy, nil
	case "lz4":
		return kafkago.Lz4, nil
	default:
		return 0, fmt.Errorf("compression: %q: want none, gzip, snappy, lz4 or zstd", c.Compression)
	}
}

// mechanism returns how to authenticate to a broker, nil for not at all.
func (s *SASL) mechanism() (sasl.Mechanism, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // no user
	}
	if s.User == "" {
		return nil, errors.New("sasl.user: missing")
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	switch strings.ToUpper(s.Mechanism) {
	case "PLAIN":
		return plain.Mechanism{Username: s.User, Password: password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.User, password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.User, password)
	default:
		return nil, fmt.Errorf("sasl.mechanism: %q: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
	}
}

func (s *SASL) password() (string, error) {
	switch {
	case s.Password != "" && s.PasswordFile != "":
		return "", errors.New("sasl.password and sasl.password_file: give one of them")
	case s.Password != "":
		return s.Password, nil
	case s.PasswordFile == "":
		return "", errors.New("sasl.password or sasl.password_file: missing")
	}
	text, err := input.Read(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("sasl.password_file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("sasl.password_file: %s: its first line is empty", s.PasswordFile)
	}
	return line, nil
}
