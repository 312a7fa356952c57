package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"wormscope/scope"
	"wormscope/scope/report"
)

// start is when the scenes of these tests begin.
var start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

// hostile is a name as an attacker would choose it.
const hostile = "</script><img src=x onerror=alert(1)>\u202e'\"`{{.}}"

const killName = "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"

var zoneNames = []string{"office", "production", "servers", "clinic"}

// An outbreak makes documents as a worm would.
type outbreak struct {
	random *rand.Rand
	doc    *scope.Document
	zones  map[string]*scope.ZoneSummary
	cells  map[[2]string]*scope.ZoneAttack
}

// outbreakOf returns the document on an outbreak with so many infected and
// suspected hosts, as many targeted ones and exposed ones together.
func outbreakOf(infected, suspected, others int) *scope.Document {
	o := &outbreak{
		random: rand.New(rand.NewPCG(1, 2)),
		doc: &scope.Document{
			Version: 1,
			Capture: scope.CaptureSummary{
				First: new(start), Last: new(at(5400)), Packets: 48_201_977, Bytes: 31_456_789_012, Dropped: 612_400,
				Undecoded: map[string]uint64{"truncated IPv4 header": 3},
				Warnings:  []string{"one direction is missing: the tap sees what clients send and not what servers answer"},
				Files:     []string{"core-span.pcapng"},
			},
		},
		zones: map[string]*scope.ZoneSummary{},
		cells: map[[2]string]*scope.ZoneAttack{},
	}
	for i := range infected + suspected {
		o.sick(i, infected)
	}
	for i := range others {
		o.other(i, infected+suspected)
	}
	o.finish()
	return o.doc
}

func address(i int) (string, string) {
	z := (i * 7 / 5) % len(zoneNames)
	return fmt.Sprintf("10.%d.%d.%d", (z+1)*10, i/200, i%200+10), zoneNames[z]
}

// sick adds an infected or suspected host. The worm doubles about every ten
// minutes at first.
func (o *outbreak) sick(i, infected int) {
	ip, zone := address(i)
	since := at(300 + 4200*logistic(i, infected))
	h := scope.HostEntry{
		IP: ip, Zone: zone, State: scope.Infected, Confidence: .99, Since: &since, FirstSeen: since,
		LastSeen: since.Add(time.Duration(300+o.random.IntN(900)) * time.Second), Patch: "unknown", Role: []string{}, InfectedBy: []scope.Source{},
	}
	h.Facts = []scope.FactItem{
		{Fact: "beaconing", Confidence: .9, First: since, Last: since, Count: 1, Peer: "10.30.0.53", Frames: []uint64{uint64(688 + i*97)}, Rule: "ioc-domain", Alert: fmt.Sprintf("%032x", i), Indicator: killName, Feed: "builtin", Class: "kill-switch", Counts: true, Detail: "asked for the kill-switch name " + killName + ": NXDOMAIN; the worm goes on"},
		{Fact: "scanning", Confidence: .95, First: since.Add(8 * time.Second), Last: h.LastSeen, Count: 254, Port: 445, Frames: []uint64{uint64(720 + i*97), uint64(725 + i*97)}, Rule: "scan", Alert: fmt.Sprintf("%032x", i+1<<20), Counts: true, Detail: fmt.Sprintf("scanned port 445: %d targets, 12 answered, 30 refused, 212 silent, 19.8/s", 254+i)},
	}
	h.KillSwitch = "not reached"
	if i >= infected {
		h.State, h.Confidence, h.KillSwitch = scope.Suspected, .6, ""
		h.Facts = h.Facts[1:]
		h.Facts[0].Confidence = .6
		since = at(600 + float64((i-infected)*61%3600))
		*h.Since, h.FirstSeen, h.LastSeen = since, since, since.Add(5*time.Minute)
	} else if i > 0 {
		source := o.random.IntN(max(1, i*2/3))
		h.InfectedBy = append(h.InfectedBy, scope.Source{IP: o.doc.Hosts[source].IP, Confidence: .9})
		if second := o.random.IntN(i); second != source && i%9 == 0 {
			h.InfectedBy = append(h.InfectedBy, scope.Source{IP: o.doc.Hosts[second].IP, Confidence: .4})
		}
		h.Patch = "vulnerable"
		o.targeted(&h, o.doc.Hosts[source].IP, o.doc.Hosts[source].Zone, since.Add(-time.Second), uint64(600+i*97))
		if i%11 == 5 {
			h.InfectedBy = []scope.Source{}
		}
	} else {
		h.PatientZero = true
	}
	o.add(h)
}

// logistic returns when, of the whole time, the i-th of n is infected.
func logistic(i, n int) float64 {
	if i == 0 || n < 2 {
		return 0
	}
	all, part := float64(n), float64(min(i, n-1))
	grown := 0.0
	for v := 1.0; v < part+1; v *= 1.1 {
		grown++
	}
	whole := 0.0
	for v := 1.0; v < all; v *= 1.1 {
		whole++
	}
	return (grown + part/all) / (whole + 1)
}

// targeted adds the fact that a peer tried a host.
func (o *outbreak) targeted(h *scope.HostEntry, peer, from string, when time.Time, frame uint64) {
	h.Facts = append(h.Facts, scope.FactItem{
		Fact: "targeted", Confidence: .9, First: when, Last: when, Count: 1, Peer: peer, Port: 445, Frames: []uint64{frame},
		Detail: "was tried by the scanner " + peer + " on port 445",
	})
	slices.SortStableFunc(h.Facts, func(a, b scope.FactItem) int { return a.First.Compare(b.First) })
	if when.Before(h.FirstSeen) {
		h.FirstSeen = when
	}
	cell := o.cells[[2]string{from, h.Zone}]
	if cell == nil {
		cell = &scope.ZoneAttack{From: from, To: h.Zone}
		o.cells[[2]string{from, h.Zone}] = cell
	}
	cell.Targets++
	cell.Attempts += 3
	cell.Sources = min(cell.Targets, cell.Sources+uint64(o.random.IntN(2))+1-min(1, cell.Sources))
	if h.State >= scope.Suspected {
		cell.Affected++
	}
}

// other adds a targeted or exposed host.
func (o *outbreak) other(i, sick int) {
	ip, zone := address(sick + i)
	first := at(600 + float64(i%900))
	h := scope.HostEntry{
		IP: ip, Zone: zone, State: scope.Targeted, Confidence: .9, FirstSeen: first, LastSeen: first.Add(time.Minute),
		Patch: "unknown", Role: []string{}, InfectedBy: []scope.Source{}, Facts: []scope.FactItem{},
	}
	if i%5 < 3 {
		h.Facts = append(h.Facts, scope.FactItem{Fact: "exposed", Confidence: 1, First: first, Last: first, Count: 7, Peer: "10.10.0.9", Port: 445, Frames: []uint64{uint64(11 + i)}, Rule: "smb-exposed", Alert: fmt.Sprintf("%032x", i+2<<20), Detail: "answers on port 445, to 7 clients", Outside: i%97 == 0})
		h.Role = []string{"file-server"}
	}
	switch {
	case i%5 < 2:
		h.State, h.Confidence = scope.Exposed, 1
	case len(o.doc.Hosts) > 0 && i%7 != 0:
		source := o.doc.Hosts[i%min(40, len(o.doc.Hosts))]
		o.targeted(&h, source.IP, source.Zone, first, uint64(3000+i))
	default:
		o.targeted(&h, "203.0.113.99", "internet", first, uint64(3000+i))
	}
	if i%13 == 4 {
		h.Patch = "patched"
	}
	o.add(h)
}

// add counts a host.
func (o *outbreak) add(h scope.HostEntry) {
	z := o.zones[h.Zone]
	if z == nil {
		z = &scope.ZoneSummary{Name: h.Zone}
		o.zones[h.Zone] = z
	}
	for _, c := range []*scope.StateCounts{&z.Hosts, &o.doc.Totals.StateCounts} {
		switch h.State {
		case scope.Infected:
			c.Infected++
		case scope.Suspected:
			c.Suspected++
		case scope.Targeted:
			c.Targeted++
		default:
			c.Exposed++
		}
	}
	for _, f := range h.Facts {
		if f.Fact == "exposed" {
			z.SMBExposed++
			o.doc.Totals.SMBExposed++
			if f.Outside {
				z.FromInternet++
				o.doc.Totals.FromInternet++
				h.FromInternet = true
			}
		}
	}
	o.doc.Hosts = append(o.doc.Hosts, h)
}

// finish adds what is not about one host.
func (o *outbreak) finish() {
	for _, from := range append([]string{"internet"}, zoneNames...) {
		if z := o.zones[from]; z != nil {
			o.doc.Zones = append(o.doc.Zones, *z)
		}
		for _, to := range zoneNames {
			if c := o.cells[[2]string{from, to}]; c != nil {
				o.doc.Matrix = append(o.doc.Matrix, *c)
			}
		}
	}
	o.doc.External = []scope.Scanner{
		{IP: "203.0.113.99", Ports: []uint16{139, 445}, Targets: 1020, Answered: 14, First: at(200), Last: at(900), Frames: []uint64{2000, 2004}, Alerts: []string{"a"}},
		{IP: "198.51.100.23", Ports: []uint16{445}, Targets: 512, First: at(1200), Last: at(1260), Frames: []uint64{90211}, Alerts: []string{"b"}, Indicator: "198.51.100.23", Attacks: []string{"EternalBlue"}},
	}
	o.doc.Totals.External = 2
	o.doc.Attacks = []scope.Attack{{Kind: "flood", Target: "10.30.0.80", Zone: "servers", Port: 80, Sources: 1_950_000, Count: 2_000_000, First: at(500), Last: at(620), Alert: "c"}}
	slices.SortStableFunc(o.doc.Hosts, func(a, b scope.HostEntry) int { return int(b.State) - int(a.State) })
}

// render writes a report.
func render(t testing.TB, doc *scope.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, doc, report.Options{Version: "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// readBack returns the document as a reader of its JSON has it.
func readBack(t testing.TB, doc *scope.Document) *scope.Document {
	t.Helper()
	var b bytes.Buffer
	if err := doc.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var again scope.Document
	if err := json.Unmarshal(b.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	return &again
}

// hostileDocument has a name wherever a stranger chooses it.
func hostileDocument(name string) *scope.Document {
	doc := outbreakOf(3, 1, 4)
	doc.Capture.Files = []string{name, "b.pcap"}
	doc.Capture.Warnings = append(doc.Capture.Warnings, name)
	doc.Capture.Undecoded[name] = 7
	for i := range doc.Zones {
		doc.Zones[i].Name = name
	}
	for i := range doc.Matrix {
		doc.Matrix[i].From, doc.Matrix[i].To = name, name
	}
	for i := range doc.Hosts {
		h := &doc.Hosts[i]
		h.Zone, h.Patch, h.Role, h.KillSwitch = name, name, []string{name}, name
		h.InfectedBy = append(h.InfectedBy, scope.Source{IP: name, Confidence: .5})
		for j := range h.Facts {
			f := &h.Facts[j]
			f.Fact, f.Peer, f.Rule, f.Alert, f.Indicator, f.Feed, f.Detail = name, name, name, name, name, name, name
			f.FrameFiles = slices.Repeat([]string{name}, len(f.Frames))
		}
	}
	doc.External[0].IP, doc.External[0].Indicator = name, name
	doc.Attacks[0].Kind, doc.Attacks[0].Target, doc.Attacks[0].Zone = name, name, name
	return doc
}
