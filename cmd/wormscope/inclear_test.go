package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPasswordsInTheClear: who leaves TLS out is told that the password can be read,
// unless it stays on the machine or is not sent at all.
func TestPasswordsInTheClear(t *testing.T) {
	for text, want := range map[string]bool{
		"sinks: [{type: kafka, topic: t, brokers: ['127.0.0.1:1', 'kafka.example:9092'], sasl: {mechanism: plain, user: u, password: p}}]": true,
		"sinks: [{type: kafka, topic: t, brokers: ['127.0.0.1:9092'], sasl: {mechanism: PLAIN, user: u, password: p}}]":                    false,
		"sinks: [{type: kafka, topic: t, brokers: ['kafka.example:1'], tls: {}, sasl: {mechanism: PLAIN, user: u, password: p}}]":          false,
		"sinks: [{type: kafka, topic: t, brokers: ['kafka.example:1'], sasl: {mechanism: SCRAM-SHA-256, user: u, password: p}}]":           false,
		"sinks: [{type: kafka, topic: t, brokers: ['kafka.example:1']}]":                                                                   false,
		"sinks: [{type: elasticsearch, url: 'http://search.example:9200', username: u, password: p}]":                                      true,
		"sinks: [{type: elasticsearch, url: 'http://search.example:9200', api_key: 'a:b'}]":                                                true,
		"sinks: [{type: elasticsearch, url: 'http://search.example:9200'}]":                                                                false,
		"sinks: [{type: elasticsearch, url: 'https://search.example:9200', username: u, password: p}]":                                     false,
		"sinks: [{type: elasticsearch, url: 'http://[::1]:9200', username: u, password: p}]":                                               false,
		"sinks: [{type: splunk, url: 'http://splunk.example:8088', token: t}]":                                                             true,
		"sinks: [{type: splunk, url: 'http://localhost:8088', token: t}]":                                                                  false,
		"central: {brokers: ['kafka.example:1'], sasl: {mechanism: PLAIN, user: u, password: p}}":                                          true,
		"central: {brokers: ['localhost:1'], sasl: {mechanism: PLAIN, user: u, password: p}}":                                              false,
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		if status := run([]string{"config", "check", path}, nil, &stdout, &stderr); status != exitOK {
			t.Errorf("%s: status %d, %s", text, status, &stderr)
		}
		if got := strings.Count(stderr.String(), clearWords); got > 1 || (got == 1) != want {
			t.Errorf("%s: %q", text, &stderr)
		}
	}
}
