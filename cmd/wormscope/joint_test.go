package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/cmd/pcapgen/capfile"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/scope"
	"wormscope/scope/store"
	"wormscope/sinks/event"
	"wormscope/sinks/joint"

	"github.com/google/go-cmp/cmp"
)

// A view is what one sensor sees of a capture.
type view struct {
	name string
	sees func(netip.Addr) bool // either end of what it sees
}

// views are three sensors of the outbreak that overlap: what goes between two
// zones is seen by both.
func views() []view {
	within := func(prefix string) func(netip.Addr) bool { return netip.MustParsePrefix(prefix).Contains }
	office, production := within("10.10.0.0/16"), within("10.20.0.0/16")
	return []view{
		{"office", office},
		{"production", production},
		{"border", func(a netip.Addr) bool { return !office(a) && !production(a) }},
	}
}

// writeViews writes what each sensor sees of a capture into files of a folder.
func writeViews(t *testing.T, path, dir string) (files []string) {
	t.Helper()
	source, err := capture.Open([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	outs := make([]*os.File, 0, len(views()))
	writers := make([]*capfile.Writer, 0, len(views()))
	for _, v := range views() {
		f, err := os.Create(filepath.Join(dir, v.name+".pcap"))
		if err != nil {
			t.Fatal(err)
		}
		outs, files = append(outs, f), append(files, f.Name())
		writers = append(writers, capfile.NewWriter(f, capfile.Pcap{Nano: true, Link: uint32(capture.LinkEthernet)}))
	}
	decoder := packet.NewDecoder()
	var frame capture.Frame
	var p packet.Packet
	for {
		err := source.Next(&frame)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		known := decoder.Decode(&frame, &p) == packet.OK
		for i, v := range views() {
			if !known || v.sees(p.Src.Addr.Netip()) || v.sees(p.Dst.Addr.Netip()) {
				writers[i].PacketOf(frame.Time, frame.Data, frame.Len)
			}
		}
	}
	for i, w := range writers {
		if err := errors.Join(w.Flush(), outs[i].Close()); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// wordsOf replays a capture with a state folder, and returns what its ledger
// was heard.
func wordsOf(t *testing.T, capture string, args []string) []event.Event {
	t.Helper()
	dir := t.TempDir()
	r := runReplay(t, []string{capture}, append(args, "--state", dir)...)
	if r.status != 0 {
		t.Fatalf("replay %s: %s", capture, r.stderr)
	}
	db, err := store.Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var words heard
	if err := db.Load(&words); err != nil {
		t.Fatal(err)
	}
	return words
}

// heard notes what a ledger is heard.
type heard []event.Event

func (l *heard) Alert(a alert.Alert) {
	*l = append(*l, event.OfAlert(&a, func(int) string { return "eth1" }))
}

func (l *heard) Fact(f alert.Fact) {
	*l = append(*l, event.OfFact(&f, func(int) string { return "eth1" }))
}

// essence is what two scopes must agree in that came by different ways: states,
// confidences, sources and facts with their counts, to the second. Files and
// frames are others, and so is when in that second a scan began for a sensor
// that sees a part of it.
func essence(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var doc struct {
		Totals   map[string]any   `json:"totals"`
		Zones    []map[string]any `json:"zones"`
		Hosts    []map[string]any `json:"hosts"`
		External []map[string]any `json:"external"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	hosts := map[string]any{}
	for _, h := range doc.Hosts {
		facts := map[string][]any{}
		for _, f := range list(h["facts"]) {
			f, kind := f.(map[string]any), f.(map[string]any)["fact"].(string)
			facts[kind] = append(facts[kind], f["count"], f["peer"], f["confidence"], second(f["first"]), second(f["last"]))
		}
		sources := map[string]any{}
		for _, s := range list(h["infected_by"]) {
			s := s.(map[string]any)
			sources[s["ip"].(string)] = s["confidence"]
		}
		hosts[h["ip"].(string)] = map[string]any{
			"state": h["state"], "confidence": h["confidence"], "zone": h["zone"], "patch": h["patch"], "role": h["role"],
			"first": second(h["first_seen"]), "zero": h["patient_zero_candidate"], "facts": facts, "by": sources,
		}
	}
	outside := map[string]any{}
	for _, e := range doc.External {
		outside[e["ip"].(string)] = true
	}
	return map[string]any{"totals": doc.Totals, "zones": doc.Zones, "hosts": hosts, "external": outside}
}

// second is a time without its fraction.
func second(v any) string {
	s, _ := v.(string)
	return s[:min(len(s), len("2006-01-02T15:04:05"))]
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// TestJointScope: what three sensors saw of one outbreak, each its part, makes
// the scope of the whole.
func TestJointScope(t *testing.T) {
	committed(t)
	for _, name := range []string{"outbreak.pcap", "smb-eternalblue.pcap", "incident.pcap"} {
		t.Run(name, func(t *testing.T) {
			whole := runReplay(t, []string{name}, outbreakArgs()...)
			set := joint.New()
			for i, file := range writeViews(t, name, t.TempDir()) {
				for _, e := range wordsOf(t, file, outbreakArgs()) {
					set.Add(views()[i].name, e)
				}
			}
			zones, err := zone.New(zone.DefaultInside(), outbreakZones())
			if err != nil {
				t.Fatal(err)
			}
			ledger := scope.New(zones, scope.Options{})
			var files joint.Files
			set.Tell(ledger, &files)
			doc := ledger.Document(scope.Capture{Files: files.Names()})
			var text bytes.Buffer
			if err := doc.WriteJSON(&text); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(essence(t, whole.scope), essence(t, text.Bytes())); diff != "" {
				t.Errorf("the joint scope differs from that of the whole capture (-want +got):\n%s", diff)
			}
		})
	}
}

// outbreakZones are the zones that outbreakArgs gives.
func outbreakZones() []zone.Zone {
	one := func(name, prefix string) zone.Zone {
		return zone.Zone{Name: name, Prefixes: []netip.Prefix{netip.MustParsePrefix(prefix)}}
	}
	return []zone.Zone{one("office", "10.10.0.0/16"), one("production", "10.20.0.0/16"), one("dmz", "172.16.5.0/24")}
}
