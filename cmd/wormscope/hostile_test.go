package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/scope"
	"wormscope/scope/export"
	"wormscope/scope/report"
	"wormscope/sinks"
	"wormscope/sinks/cef"
	"wormscope/sinks/ecs"
	"wormscope/sinks/eve"
	"wormscope/sinks/event"
	"wormscope/sinks/joint"
	"wormscope/sinks/ocsf"
)

// hostileWords is what a stranger writes where an event has a text: controls of a
// terminal in both forms, a line end, markup, and what turns text around.
const hostileWords = "a\x1b[31m\u009b1m\nZ<script>\"'\u202e|=\\"

// leaves calls visit for each text and number of decoded JSON, with what sets it.
func leaves(v any, visit func(set func(any), is any)) {
	switch x := v.(type) {
	case map[string]any:
		for k, inner := range x {
			leaves(inner, visit)
			visit(func(to any) { x[k] = to }, inner)
		}
	case []any:
		for i, inner := range x {
			leaves(inner, visit)
			visit(func(to any) { x[i] = to }, inner)
		}
	}
}

// TestHostileEvents puts what a stranger writes in the place of each text of each
// event that a sensor may send to the joint ledger. Whatever is made of it can be
// looked at on a terminal and in a browser, and nothing panics.
func TestHostileEvents(t *testing.T) {
	tried := 0
	try := func(document any) {
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if e, err := event.Decode(append([]byte{event.Version}, text...)); err == nil {
			tried++
			checkOutputs(t, &e, text)
		}
	}
	for _, e := range hostileBase() {
		text, err := json.Marshal(&e)
		var document any
		if err = errors.Join(err, json.Unmarshal(text, &document)); err != nil {
			t.Fatal(err)
		}
		leaves(document, func(set func(any), is any) {
			switch is.(type) {
			case string:
				for _, evil := range []string{hostileWords, "fe80::1%" + hostileWords} {
					set(evil)
					try(document)
				}
			case float64:
				set(200)
				try(document)
			}
			set(is)
		})
	}
	if tried < 300 {
		t.Errorf("only %d were events at all", tried)
	}
}

// hostileBase are the events that are changed: the samples, and a fact of each kind
// that carries a text.
func hostileBase() []event.Event {
	var list []event.Event
	for _, s := range samples.All() {
		list = append(list, s.Event)
	}
	host := list[len(list)-1].Host()
	attribute := alert.Attribute{Value: "x", Confidence: 1, From: "ntlm"}
	for _, f := range []alert.Fact{
		{Kind: alert.FactTargeted, Port: 445},
		{Kind: alert.FactExposed, Port: 139},
		{Kind: alert.FactExploitCompleted, Detail: "EternalBlue"},
		{Kind: alert.FactMark, Detail: "tree id"},
		{Kind: alert.FactAsset, Asset: &alert.Asset{OS: attribute, LAN: attribute, Product: attribute, Build: attribute, Name: attribute, Domain: attribute, DNSName: attribute}},
	} {
		f.Host, f.Peer, f.Time = host, host, samples.Start()
		f.Frame = alert.FrameRef{Number: 9}
		list = append(list, event.OfFact(&f, func(int) string { return "span.pcap" }))
	}
	return list
}

// checkOutputs makes all that is made of an event, and looks at it as a terminal does.
func checkOutputs(t *testing.T, e *event.Event, text []byte) {
	t.Helper()
	check := func(where string, written []byte) {
		for line := range strings.SplitSeq(string(written), "\n") {
			if strings.ContainsFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsGraphic(r) }) || strings.HasPrefix(line, "Z<") {
				t.Fatalf("%s of %s has the line %q", where, text, line)
			}
		}
	}
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []sinks.Renderer{
		cef.New(cef.Options{Zones: zones}), ecs.New(ecs.Options{Zones: zones}), eve.New(eve.Options{Zones: zones}), ocsf.New(ocsf.Options{Zones: zones}),
	} {
		if line, err := r.Event(e); err == nil {
			check(fmt.Sprintf("%T", r), line)
		}
	}
	set, files := joint.New(), joint.Files{}
	set.Add("office\x1b[31m", *e)
	ledger := scope.New(zones, scope.Options{OnChange: func(c scope.Change) {
		check("a change", []byte(c.Host.String()+c.Zone+c.Why))
	}})
	set.Tell(ledger, &files)
	about := scope.Capture{Sensors: set.Sensors(), Files: files.Names()}
	about.First, about.Last = set.Span()
	doc := ledger.Document(about)
	var b bytes.Buffer
	writers := map[string]func(io.Writer) error{
		"scope":  doc.WriteJSON,
		"text":   func(w io.Writer) error { return scope.WriteText(w, &doc) },
		"report": func(w io.Writer) error { return report.Write(w, &doc, report.Options{}) },
	}
	for _, f := range export.Formats() {
		isolate, block := export.Isolate(&doc, scope.Targeted), export.Block(&doc, export.Guards{})
		writers["isolate "+string(f)] = func(w io.Writer) error { l := isolate.For(f); return l.Write(w, f) }
		writers["block "+string(f)] = func(w io.Writer) error { l := block.For(f); return l.Write(w, f) }
	}
	delete(writers, "isolate rpz") // refused
	for where, write := range writers {
		b.Reset()
		if err := write(&b); err != nil {
			t.Fatalf("%s of %s: %v", where, text, err)
		}
		check(where, b.Bytes())
		if bytes.Contains(b.Bytes(), []byte("Z<script")) && where == "report" {
			t.Fatalf("the report of %s has markup of it", text)
		}
	}
}
