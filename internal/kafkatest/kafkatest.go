// Package kafkatest gives a test a real Apache Kafka on 127.0.0.1: one or
// several nodes, with TLS, SASL and access rules, that can be killed, paused
// and restarted. They are gone when the test ends, however it ends. It needs
// java, mvn and openssl, and for the first run Maven's repository.
package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"wormscope/internal/needs"
	"wormscope/internal/testnet"
)

// Versions of Kafka that the project is tested with; the first is the default.
const (
	Version    = "4.4.0"
	OldVersion = "3.9.2"
)

// script runs the script of this package with a version of Kafka.
func script(version string, args ...string) *exec.Cmd {
	_, self, _, _ := runtime.Caller(0)
	cmd := exec.Command("bash", append([]string{filepath.Join(filepath.Dir(self), "kafka.sh")}, args...)...) //nolint:noctx // its end is that of its standard input
	cmd.Env = append(os.Environ(), "KAFKA_VERSION="+version)
	return cmd
}

// must runs the script to its end.
func must(t testing.TB, version string, env []string, args ...string) {
	t.Helper()
	cmd := script(version, args...)
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kafka.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Options say what kind of a Kafka is wanted. The zero value is one node of
// the default version without any protection.
type Options struct {
	Version string // Version when empty
	Nodes   int    // 1 when 0
	// Secure adds the listeners for TLS and SASL, and access rules: what is not
	// forbidden to a user is allowed.
	Secure bool
	// Properties are further lines of server.properties, such as
	// "auto.create.topics.enable=false"; a later one wins.
	Properties []string
}

// The user that a secure Kafka knows, for all mechanisms.
const (
	User     = "alice"
	Password = "alice-secret"
)

// The listeners of a node.
const (
	plain = iota
	controller
	mutual // TLS with a certificate of the client
	oneWay // TLS
	saslTLS
	saslPlain
	listeners
)

// A Cluster is a running Kafka.
type Cluster struct {
	t      testing.TB
	o      Options
	dir    string
	nodes  []*node
	client *kafka.Client // see reader
}

// Start starts a Kafka and waits until all of its nodes serve. A test that lacks a
// tool is skipped, or fails where CI is set.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	needs.Tools(t, "java", "mvn", "openssl", "flock", "bash")
	if o.Version == "" {
		o.Version = Version
	}
	o.Nodes = max(o.Nodes, 1)
	must(t, o.Version, nil, "get")
	c := &Cluster{t: t, o: o, dir: t.TempDir()}
	if o.Secure {
		must(t, o.Version, nil, "certs", c.Cert(""))
	}
	ports := testnet.FreePorts(t, o.Nodes*listeners)
	for i := range o.Nodes {
		c.nodes = append(c.nodes, &node{
			id: i + 1, dir: filepath.Join(c.dir, fmt.Sprintf("n%d", i+1)), version: o.Version,
			ports: ports[i*listeners : (i+1)*listeners],
		})
	}
	c.format()
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.stop)
	}
	for _, n := range c.nodes {
		if err := n.ready(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Cert returns the path of a file of the certificates: ca.pem, otherca.pem,
// and .key and .pem of client (signed by ca) and stranger (by otherca). The
// server's is for 127.0.0.1 only.
func (c *Cluster) Cert(file string) string { return filepath.Join(c.dir, "certs", file) }

// Brokers returns the addresses of the listeners without protection.
func (c *Cluster) Brokers() []string { return c.addresses(plain) }

// MutualTLS returns the addresses of the listeners that ask for a certificate.
func (c *Cluster) MutualTLS() []string { return c.addresses(mutual) }

// TLS returns the addresses of the listeners that only have one.
func (c *Cluster) TLS() []string { return c.addresses(oneWay) }

// SASLTLS returns the addresses of the listeners for passwords over TLS.
func (c *Cluster) SASLTLS() []string { return c.addresses(saslTLS) }

// SASL returns the addresses of the listeners for passwords in the clear.
func (c *Cluster) SASL() []string { return c.addresses(saslPlain) }

func (c *Cluster) addresses(listener int) []string {
	list := make([]string, 0, len(c.nodes))
	for _, n := range c.nodes {
		list = append(list, n.address(listener))
	}
	return list
}

// Kill ends a node (1 is the first) as a power failure does.
func (c *Cluster) Kill(id int) {
	c.t.Helper()
	c.check(c.nodes[id-1].kill())
}

// Restart starts a node that was killed on its old data, and waits for it.
func (c *Cluster) Restart(id int) {
	c.t.Helper()
	c.check(c.nodes[id-1].start())
	c.check(c.nodes[id-1].ready())
}

// Pause stops a node without ending it: its connections stay and say nothing.
func (c *Cluster) Pause(id int) {
	c.t.Helper()
	c.check(c.nodes[id-1].pause())
}

// Resume lets a node go on that was paused.
func (c *Cluster) Resume(id int) {
	c.t.Helper()
	c.check(c.nodes[id-1].resume())
}

func (c *Cluster) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// Runs reports whether a node was not killed.
func (c *Cluster) Runs(id int) bool { return c.nodes[id-1].leash != nil }
