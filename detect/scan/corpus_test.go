package scan

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
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

// replay runs a detector over a capture, and returns it and what it said. A
// file that is no capture is given back as an error.
func replay(t testing.TB, path string, inside []netip.Prefix) (*recorder, *Detector, error) {
	t.Helper()
	r, err := capture.Open([]string{path}, nil)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	rec := &recorder{}
	d := New(rec, zonesOf(t, inside), Config{})
	engine := detect.NewEngine(d)
	decoder := packet.NewDecoder()
	var f capture.Frame
	var p packet.Packet
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if decoder.Decode(&f, &p) == packet.OK {
			engine.Packet(&p)
		}
	}
	engine.Close()
	return rec, d, nil
}

// TestCorpusScans pins what is found in the captures of scans, with the
// default settings: docs/detection.md has the same table.
func TestCorpusScans(t *testing.T) {
	for _, file := range corpus.Files(t, "scan") {
		rec, d, err := replay(t, file, zone.DefaultInside())
		if err != nil {
			t.Logf("%s: %v", filepath.Base(file), err)
			continue
		}
		t.Logf("%s %+v", filepath.Base(file), d.Stats())
		for _, a := range rec.starts() {
			t.Logf("   %s %v+%v", summary(&a), a.Severity, a.Time.Sub(a.First))
		}
		for _, a := range rec.alerts {
			if a.Phase == alert.PhaseEnd {
				t.Logf("   end %s", summary(&a))
			}
		}
	}
}

// TestCorpusBenign shows that ordinary traffic, with everything counted as
// inside, raises no scan alert.
func TestCorpusBenign(t *testing.T) {
	for _, file := range corpus.Files(t, "smb_legit", "fp_fanout", "flood_backscatter", "lateral_movement", "dns", "eternalsafety", "encap") {
		for _, inside := range [][]netip.Prefix{all(), zone.DefaultInside()} {
			rec, d, err := replay(t, file, inside)
			if err != nil {
				t.Logf("%s: %v", filepath.Base(file), err)
				continue
			}
			for _, a := range rec.starts() {
				if a.Rule == alert.RuleScan {
					t.Errorf("%s: %s", filepath.Base(file), summary(&a))
				} else {
					t.Logf("%s: %s", filepath.Base(file), summary(&a))
				}
			}
			if strings.Contains(file, "flood") {
				t.Logf("%s %+v", filepath.Base(file), d.Stats())
			}
		}
	}
}
