package exposure_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/exposure"
	"wormscope/detect/zone"
	"wormscope/internal/corpus"
)

type recorder struct{ alerts []alert.Alert }

func (r *recorder) Alert(a alert.Alert) { r.alerts = append(r.alerts, a) }
func (r *recorder) Fact(alert.Fact)     {}

// TestCorpusAgainstModel compares with the plainest way to say who answers on
// SMB's ports: a set.
func TestCorpusAgainstModel(t *testing.T) {
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range corpus.Files(t, "smb_legit", "smb_attack", "eternalsafety", "lateral_movement", "scan", "flood_backscatter") {
		r := &recorder{}
		e := detect.NewEngine(exposure.New(r, zones, exposure.Config{}))
		want := map[string]bool{}
		each(t, file, func(p *packet.Packet) {
			e.Packet(p)
			port := p.Src.Port
			data := p.PayloadLen > 0 && p.Flags&packet.SYN == 0 && p.Dst.Port >= 1024
			if p.Proto == packet.ProtoTCP && (port == 445 || port == 139) && (p.Flags.IsSYNACK() || data) &&
				zones.Inside(p.Src.Addr.Netip()) && !p.Dst.Addr.Netip().IsMulticast() {
				want[p.Src.String()] = true
			}
		})
		e.Close()
		got := map[string]bool{}
		for _, a := range r.alerts {
			got[fmt.Sprintf("%v:%d", a.Host, a.Evidence.Exposure.Port)] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", filepath.Base(file), slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		total += len(want)
	}
	if total < 30 {
		t.Errorf("only %d hosts answer in all captures", total)
	}
}

// each calls take with each packet of a capture; a file that is none has none.
func each(t *testing.T, file string, take func(*packet.Packet)) {
	t.Helper()
	if err := corpus.Packets(t, file, take); err != nil {
		t.Logf("%s: %v", file, err)
	}
}
