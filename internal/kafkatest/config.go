package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// names of the listeners, as server.properties has them.
var names = [listeners]string{"PLAINTEXT", "CONTROLLER", "MUTUAL", "TLS", "SASL_SSL", "SASL_PLAINTEXT"} //nolint:gochecknoglobals // a constant table

// protocols of the listeners.
var protocols = [listeners]string{"PLAINTEXT", "PLAINTEXT", "SSL", "SSL", "SASL_SSL", "SASL_PLAINTEXT"} //nolint:gochecknoglobals // a constant table

// format writes the nodes' configuration and makes their storage.
func (c *Cluster) format() {
	c.t.Helper()
	env := []string{}
	if c.o.Secure {
		env = append(env, fmt.Sprintf("KAFKA_FORMAT_ARGS=--add-scram SCRAM-SHA-256=[name=%s,password=%s] --add-scram SCRAM-SHA-512=[name=%s,password=%s]",
			User, Password, User, Password))
	}
	var formatting sync.WaitGroup
	failed := make([]error, len(c.nodes))
	for i, n := range c.nodes {
		c.check(os.MkdirAll(n.dir, 0o750))
		c.check(os.WriteFile(filepath.Join(n.dir, "server.properties"), []byte(c.properties(n)), 0o600))
		formatting.Go(func() {
			cmd := script(c.o.Version, "format", n.dir)
			cmd.Env = append(cmd.Env, env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				failed[i] = fmt.Errorf("kafka node %d: make its storage: %w\n%s", n.id, err, out)
			}
		})
	}
	formatting.Wait()
	for _, err := range failed {
		c.check(err)
	}
}

// properties returns the configuration of a node.
func (c *Cluster) properties(n *node) string {
	voters := make([]string, 0, len(c.nodes))
	for _, v := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", v.id, v.address(controller)))
	}
	var listen, advertise, protocol []string
	for l := range listeners {
		if l > controller && !c.o.Secure {
			break
		}
		listen = append(listen, names[l]+"://"+n.address(l))
		protocol = append(protocol, names[l]+":"+protocols[l])
		if l != controller {
			advertise = append(advertise, names[l]+"://"+n.address(l))
		}
	}
	copies := min(len(c.nodes), 3)
	inSync := max(copies-1, 1)
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", n.id),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"controller.listener.names=CONTROLLER",
		"listeners=" + strings.Join(listen, ","),
		"advertised.listeners=" + strings.Join(advertise, ","),
		"listener.security.protocol.map=" + strings.Join(protocol, ","),
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(n.dir, "data"),
		"num.partitions=3",
		fmt.Sprintf("default.replication.factor=%d", copies),
		fmt.Sprintf("min.insync.replicas=%d", inSync),
		"auto.create.topics.enable=false",
		"offsets.topic.num.partitions=3",
		fmt.Sprintf("offsets.topic.replication.factor=%d", copies),
		"transaction.state.log.num.partitions=1",
		fmt.Sprintf("transaction.state.log.replication.factor=%d", copies),
		fmt.Sprintf("transaction.state.log.min.isr=%d", inSync),
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=1000",
		"broker.session.timeout.ms=3000",
		"broker.heartbeat.interval.ms=500",
		"log.cleaner.dedupe.buffer.size=4194304",
		"log.cleaner.backoff.ms=500",
	}
	if c.o.Secure {
		lines = append(lines, c.security())
	}
	return strings.Join(append(lines, c.o.Properties...), "\n") + "\n"
}

// security returns the lines about certificates, passwords and access rules.
func (c *Cluster) security() string {
	var b strings.Builder
	fmt.Fprintf(&b, `ssl.keystore.type=PEM
ssl.keystore.location=%s
ssl.truststore.type=PEM
ssl.truststore.location=%s
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
`, c.Cert("server.keystore.pem"), c.Cert("ca.pem"))
	for _, l := range []string{"sasl_ssl", "sasl_plaintext"} {
		fmt.Fprintf(&b, `listener.name.%[1]s.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[2]s="%[3]s";
listener.name.%[1]s.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.%[1]s.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`, l, User, Password)
	}
	return b.String()
}
