package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// truth is what was planted in the outbreak capture (cmd/pcapgen/story).
type truth struct {
	Infected  []struct{ IP, Zone, When, Why string }
	Suspected []struct{ IP, Zone, When, Why string }
	Scanners  []struct {
		IP                                 string
		Inside                             bool
		Port                               uint16
		First                              time.Time
		Targets, Answered, Refused, Silent float64
	}
	Targeted []string
	Exposed  []struct {
		IP         string
		ToInternet bool `json:"to_internet"`
	}
	Lookups []struct {
		IP, Name, Rcode string
		Count           uint64
	}
	Contacts []struct {
		IP, Indicator, State, Initiator string
		Connections                     uint64
	}
	Floods []struct {
		IP      string
		Port    uint16
		Sources float64
	}
	Resolvers    []string
	MustNotAlarm []struct{ IP, What string } `json:"must_not_alarm"`
}

// eventDoc is an event as its readers see it.
type eventDoc struct {
	Event struct {
		ID, Kind, Action string
		Severity         int
	}
	Host      struct{ IP []string }
	Source    struct{ IP string }
	Threat    struct{ Indicator struct{ Name, IP string } }
	Wormscope struct {
		Alert struct{ ID, Phase string }
		Count uint64
		Patch string
		State struct{ To string }
		Scan  *struct {
			Port                               uint16
			Targets, Answered, Refused, Silent float64
		}
		Contact *struct{ State, Initiator string }
		DNS     *struct {
			OnBehalf bool `json:"on_behalf"`
		}
	}
	DNS struct {
		ResponseCode string `json:"response_code"`
	} `json:"dns"`
}

// document is a scope document as its readers see it.
type document struct {
	Capture struct{ Packets, Dropped int }
	Totals  struct{ Infected, Suspected int }
	Hosts   []struct {
		IP, Zone, State string
		Confidence      float64
		Role            []string
		KillSwitch      string `json:"kill_switch"`
		Facts           []struct {
			Fact string
			Port uint16
		}
	}
	External []struct{ IP string }
}

func (d *document) in(state string) []string {
	var ips []string
	for _, h := range d.Hosts {
		if h.State == state {
			ips = append(ips, h.IP)
		}
	}
	slices.Sort(ips)
	return ips
}

// outbreak replays the outbreak capture and reads back what it says.
func outbreak(t *testing.T) (truth, []eventDoc, document, result) {
	t.Helper()
	committed(t)
	r := runReplay(t, []string{"outbreak.pcap"}, outbreakArgs()...)
	if r.status != exitOK {
		t.Fatalf("exit status %d: %s", r.status, r.stderr)
	}
	var want truth
	raw, err := os.ReadFile("outbreak.truth.json")
	if err != nil {
		t.Fatal(err)
	}
	unmarshal(t, raw, &want)
	var doc document
	unmarshal(t, r.scope, &doc)
	return want, readEvents(t, r.alerts), doc, r
}

func unmarshal(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// readEvents reads events, one per line.
func readEvents(t *testing.T, lines []byte) []eventDoc {
	t.Helper()
	var out []eventDoc
	for s := bufio.NewScanner(bytes.NewReader(lines)); s.Scan(); {
		var e eventDoc
		unmarshal(t, s.Bytes(), &e)
		out = append(out, e)
	}
	return out
}

// last returns the last word of each alert of a rule.
func last(events []eventDoc, rule string) []eventDoc {
	var order []string
	byID := map[string]eventDoc{}
	for _, e := range events {
		if e.Event.Action == rule && e.Event.Kind == "alert" {
			if _, ok := byID[e.Wormscope.Alert.ID]; !ok {
				order = append(order, e.Wormscope.Alert.ID)
			}
			byID[e.Wormscope.Alert.ID] = e
		}
	}
	var out []eventDoc
	for _, id := range order {
		out = append(out, byID[id])
	}
	return out
}

func TestOutbreakStates(t *testing.T) {
	want, _, doc, _ := outbreak(t)
	var infected, suspected []string
	for _, h := range want.Infected {
		infected = append(infected, h.IP)
	}
	for _, h := range want.Suspected {
		suspected = append(suspected, h.IP)
	}
	slices.Sort(infected)
	slices.Sort(suspected)
	if got := doc.in("infected"); !slices.Equal(got, infected) {
		t.Errorf("infected: %v, want %v", got, infected)
	}
	if got := doc.in("suspected"); !slices.Equal(got, suspected) {
		t.Errorf("suspected: %v, want %v", got, suspected)
	}
	zones, facts := map[string]string{}, map[string][]string{}
	for _, h := range doc.Hosts {
		zones[h.IP] = h.Zone
		for _, f := range h.Facts {
			facts[h.IP] = append(facts[h.IP], f.Fact)
		}
	}
	for _, h := range want.Infected {
		if zones[h.IP] != h.Zone {
			t.Errorf("%s is in zone %q, want %q", h.IP, zones[h.IP], h.Zone)
		}
	}
	for _, ip := range want.Targeted {
		if !slices.Contains(facts[ip], "targeted") {
			t.Errorf("%s was targeted: %v", ip, facts[ip])
		}
	}
	for _, h := range want.Exposed {
		if !slices.Contains(facts[h.IP], "exposed") {
			t.Errorf("%s is exposed: %v", h.IP, facts[h.IP])
		}
	}
}

func TestOutbreakScans(t *testing.T) {
	want, all, doc, _ := outbreak(t)
	scans := map[string]eventDoc{}
	for _, e := range last(all, "scan") {
		if _, ok := scans[e.Host.IP[0]]; ok {
			t.Errorf("%s has two scan alerts", e.Host.IP[0])
		}
		scans[e.Host.IP[0]] = e
	}
	if len(scans) != len(want.Scanners) {
		t.Errorf("%d scanners, want %d", len(scans), len(want.Scanners))
	}
	for _, s := range want.Scanners {
		e, ok := scans[s.IP]
		if !ok {
			t.Errorf("%s scans and was not found", s.IP)
			continue
		}
		got := e.Wormscope.Scan
		// Beyond exact storage targets are estimated; hosts that the scanner
		// had reached before it scanned, such as its file server, are no new
		// targets, nor is what its scan reached twice.
		near(t, s.IP+" targets", got.Targets, s.Targets, .05)
		near(t, s.IP+" answered", got.Answered, s.Answered, .1)
		near(t, s.IP+" refused", got.Refused, s.Refused, .1)
		near(t, s.IP+" silent", got.Silent, s.Silent, .05)
		if outside := slices.ContainsFunc(doc.External, func(x struct{ IP string }) bool { return x.IP == s.IP }); outside == s.Inside {
			t.Errorf("%s among the scanners outside: %v", s.IP, outside)
		}
	}
}

// near checks a number to within a share of what is wanted, or 3.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if slack := max(3, share*want); got < want-slack || got > want+slack {
		t.Errorf("%s: %v, want about %v", what, got, want)
	}
}

func TestOutbreakLookupsAndContacts(t *testing.T) {
	want, all, _, _ := outbreak(t)
	lookups := map[string]eventDoc{}
	for _, e := range last(all, "ioc-domain") {
		if e.Wormscope.DNS.OnBehalf {
			continue
		}
		lookups[e.Host.IP[0]+" "+e.Threat.Indicator.Name] = e
	}
	for _, l := range want.Lookups {
		e, ok := lookups[l.IP+" "+l.Name]
		if !ok {
			t.Errorf("%s asked for %s and was not found", l.IP, l.Name)
			continue
		}
		if e.DNS.ResponseCode != l.Rcode || e.Wormscope.Count != l.Count {
			t.Errorf("%s asked for %s: %s %d times, want %s %d times",
				l.IP, l.Name, e.DNS.ResponseCode, e.Wormscope.Count, l.Rcode, l.Count)
		}
	}
	if len(lookups) != len(want.Lookups) {
		t.Errorf("%d pairs of host and indicator name, want %d", len(lookups), len(want.Lookups))
	}
	contacts := map[string]eventDoc{}
	for _, e := range last(all, "ioc-ip") {
		contacts[e.Host.IP[0]+" "+e.Threat.Indicator.IP] = e
	}
	for _, c := range want.Contacts {
		e, ok := contacts[c.IP+" "+c.Indicator]
		if !ok {
			t.Errorf("%s had contact with %s and was not found", c.IP, c.Indicator)
			continue
		}
		got := e.Wormscope.Contact
		if got.State != c.State || got.Initiator != c.Initiator || e.Wormscope.Count != c.Connections {
			t.Errorf("%s and %s: %s by %s, %d connections, want %s by %s, %d", c.IP, c.Indicator,
				got.State, got.Initiator, e.Wormscope.Count, c.State, c.Initiator, c.Connections)
		}
	}
	if len(contacts) != len(want.Contacts) {
		t.Errorf("%d pairs of host and indicator address, want %d", len(contacts), len(want.Contacts))
	}
}

func TestOutbreakLeavesTheInnocentAlone(t *testing.T) {
	want, all, doc, r := outbreak(t)
	floods := last(all, "flood")
	if len(floods) != len(want.Floods) || floods[0].Host.IP[0] != want.Floods[0].IP {
		t.Errorf("floods: %+v, want %+v", floods, want.Floods)
	}
	innocent := slices.Clone(want.Resolvers)
	for _, b := range want.MustNotAlarm {
		innocent = append(innocent, b.IP)
	}
	for _, ip := range innocent {
		for _, state := range []string{"infected", "suspected"} {
			if slices.Contains(doc.in(state), ip) {
				t.Errorf("%s is %s", ip, state)
			}
		}
		for _, e := range all {
			if e.Event.Action == "scan" && e.Host.IP[0] == ip {
				t.Errorf("%s has a scan alert", ip)
			}
		}
	}
	if first, _, _ := strings.Cut(r.stdout, "\n"); !strings.Contains(first, "5 hosts are INFECTED") {
		t.Errorf("the first line is %q: it must give the verdict", first)
	}
	ids := map[string]bool{}
	for _, e := range all {
		if ids[e.Event.ID] {
			t.Errorf("two events have the id %s", e.Event.ID)
		}
		ids[e.Event.ID] = true
	}
}
