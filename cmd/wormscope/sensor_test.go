package main

import (
	"strings"
	"testing"

	"wormscope/detect/zone"
	"wormscope/internal/samples"
	"wormscope/sinks/syslog"
)

// TestSinksNameTheSensor: where several sensors deliver to one receiver, each event
// says in its own words whose it is.
func TestSinksNameTheSensor(t *testing.T) {
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"ecs": `"observer":{"name":"border"`, "ocsf": `"log_provider":"border"`, "cef": " dvchost=border ", "eve": `"host":"border"`,
	} {
		s := sinkSetting{Type: "syslog", Format: format, own: &syslogKind{syslog.Config{Hostname: "border"}}}
		for _, sample := range samples.All() {
			body, err := s.renderer(zones, false).Event(&sample.Event)
			if err != nil || !strings.Contains(string(body), want) {
				t.Errorf("%s, %s: %v, lacks %s:\n%s", format, sample.Name, err, want, body)
			}
		}
	}
}
