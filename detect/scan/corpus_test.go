package scan

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/zone"
	"wormscope/internal/corpus"
)

func summary(a *alert.Alert) string {
	if f := a.Evidence.Flood; f != nil {
		return fmt.Sprintf("flood %s port %d sources %d packets %d", a.Host, f.Port, f.Sources, f.Packets)
	}
	s := a.Evidence.Scan
	return fmt.Sprintf("%s %s port %d targets %d answered %d refused %d silent %d attempts %d",
		a.Name, a.Host, s.Port, s.Targets, s.Answered, s.Refused, s.Silent, s.Attempts)
}

// replay runs a detector over a capture, and returns what it said. A file that is
// no capture is given back as an error.
func replay(t testing.TB, path string, inside []netip.Prefix) (*recorder, error) {
	t.Helper()
	rec := &recorder{}
	engine := detect.NewEngine(New(rec, zonesOf(t, inside), Config{}))
	if err := corpus.Packets(t, path, engine.Packet); err != nil {
		return nil, err
	}
	engine.Close()
	return rec, nil
}

// TestCorpusScans pins what is found in the captures of scans, with the
// default settings: docs/detection.md has the same table. Captures that are
// not named raise nothing.
func TestCorpusScans(t *testing.T) {
	want := map[string][]string{
		"chrissanders__synscan.pcapng": {
			"vertical 172.16.0.8 port 0 targets 1 answered 2 refused 4 silent 16 attempts 22",
		},
		"stamparm__sensor__tests__corpus__infection_scan.pcap": {
			"fan-out 10.0.0.5 port 445 targets 20 answered 0 refused 0 silent 0 attempts 20",
		},
		"stratosphereips__dataset__test7-malicious.pcap": {
			"sequential 192.168.2.16 port 23 targets 8 answered 0 refused 0 silent 6 attempts 8",
			"sequential 192.168.2.16 port 2323 targets 8 answered 0 refused 2 silent 5 attempts 8",
			"sequential 192.168.2.16 port 8080 targets 7 answered 0 refused 1 silent 6 attempts 7",
			"sequential 192.168.2.16 port 9527 targets 7 answered 0 refused 0 silent 6 attempts 7",
		},
	}
	for _, file := range corpus.Files(t, "scan") {
		name := filepath.Base(file)
		rec, err := replay(t, file, zone.DefaultInside())
		if strings.HasSuffix(name, ".zip") {
			if err == nil {
				t.Errorf("%s was read as a capture", name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := summaries(rec.starts()); !slices.Equal(got, want[name]) {
			t.Errorf("%s: %q, want %q", name, got, want[name])
		}
		again, _ := replay(t, file, zone.DefaultInside())
		if !reflect.DeepEqual(rec, again) {
			t.Errorf("%s: a second run says something else", name)
		}
		checkLives(t, name, rec)
	}
}

// checkLives checks that each alert was opened once, counted on, and closed.
func checkLives(t *testing.T, name string, rec *recorder) {
	t.Helper()
	type state struct {
		seq    int
		closed bool
	}
	open := map[string]*state{}
	for _, a := range rec.alerts {
		s := open[a.ID]
		switch {
		case a.Phase == alert.PhaseStart && s == nil && a.Seq == 0:
			open[a.ID] = &state{}
			continue
		case s == nil || s.closed || a.Seq != s.seq+1 || a.Phase == alert.PhaseStart:
			t.Errorf("%s: out of its life: %d %s %s", name, a.Seq, a.Phase, summary(&a))
			continue
		}
		s.seq = a.Seq
		s.closed = a.Phase == alert.PhaseEnd
	}
	for id, s := range open {
		if !s.closed {
			t.Errorf("%s: alert %s was not closed", name, id)
		}
	}
}

// TestCorpusBenign shows that ordinary traffic, floods and attacks on single
// hosts, with everything counted as inside or as usual, raise no scan alert,
// and that the floods among them are found.
func TestCorpusBenign(t *testing.T) {
	floods := map[string]string{
		"StopDDoS__pkt.TCP.DOMINATE.syn.ecn.cwr.pcapng": "flood 10.10.10.10 port 30120 sources 769 packets 769",
		"StopDDoS__pkt.TCP.synflood.spoofed.pcap":       "flood 10.10.10.10 port 25565 sources 769 packets 769",
	}
	files := corpus.Files(t, "smb_legit", "fp_fanout", "flood_backscatter", "lateral_movement", "dns", "eternalsafety",
		"encap", "ipv6_frag_malformed", "pcapng_variants")
	for _, file := range files {
		name := filepath.Base(file)
		for _, inside := range [][]netip.Prefix{all(), zone.DefaultInside()} {
			rec, err := replay(t, file, inside)
			if err != nil {
				continue // what can be read is for package capture to say
			}
			var want []string
			if f := floods[name]; f != "" {
				want = []string{f}
			}
			if got := summaries(rec.starts()); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			checkLives(t, name, rec)
		}
	}
}
