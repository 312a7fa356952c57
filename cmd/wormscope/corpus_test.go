package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/internal/corpus"
)

// everythingInside counts every address as inside, which is the hardest case
// for rules that must leave honest hosts alone.
func everythingInside() []string { return []string{"--internal", "0.0.0.0/0", "--internal", "::/0"} }

// hangs is far more than any public capture takes, on a busy machine, too.
const hangs = 3 * time.Minute

// replayWithin replays one capture, and fails the test if that does not end.
func replayWithin(t *testing.T, path string, flags ...string) result {
	t.Helper()
	done := make(chan result, 1)
	go func() { done <- runReplay(t, []string{path}, flags...) }()
	select {
	case r := <-done:
		return r
	case <-time.After(hangs):
		t.Fatalf("%s: no end after %v", filepath.Base(path), hangs)
		return result{}
	}
}

// TestPublicCaptures reads every public capture to its end, or refuses it with
// a reason in one line.
func TestPublicCaptures(t *testing.T) {
	read, refused := 0, 0
	for _, path := range corpus.Files(t) {
		r := replayWithin(t, path, everythingInside()...)
		switch {
		case r.status == exitOK:
			read++
			if len(r.scope) == 0 || r.stdout == "" {
				t.Errorf("%s: no scope", filepath.Base(path))
			}
			if strings.Contains(r.stderr, "mistake in wormscope") {
				t.Errorf("%s: %s", filepath.Base(path), r.stderr)
			}
		case r.status == exitFail && strings.Count(r.stderr, "\n") == 1 && strings.Contains(r.stderr, filepath.Base(path)):
			refused++
			t.Logf("refused: %s", r.stderr)
		default:
			t.Errorf("%s: exit status %d: %s", filepath.Base(path), r.status, r.stderr)
		}
	}
	t.Logf("%d read to the end, %d refused", read, refused)
	if read < 290 {
		t.Errorf("only %d captures were read", read)
	}
}

// TestHonestTrafficIsNoScan looks for scan alerts where there must be none.
func TestHonestTrafficIsNoScan(t *testing.T) {
	for _, path := range corpus.Files(t, "smb_legit", "fp_fanout", "flood_backscatter", "lateral_movement") {
		for _, flags := range [][]string{nil, everythingInside()} {
			r := replayWithin(t, path, flags...)
			for _, e := range readEvents(t, r.alerts) {
				if e.Event.Action == "scan" {
					t.Errorf("%s %v: %s scans", filepath.Base(path), flags, e.Host.IP[0])
				}
			}
		}
	}
}

// TestPublicSweepsAreFound looks for the scanners that public captures hold,
// with the ports that they sweep.
func TestPublicSweepsAreFound(t *testing.T) {
	tests := []struct {
		capture, host string
		ports         []uint16
	}{
		{"stamparm__sensor__tests__corpus__infection_scan.pcap", "10.0.0.5", []uint16{445}},
		{"stratosphereips__dataset__test7-malicious.pcap", "192.168.2.16", []uint16{23, 2323, 8080, 9527}},
		{"chrissanders__synscan.pcapng", "172.16.0.8", []uint16{0}},
	}
	for _, tt := range tests {
		t.Run(tt.capture, func(t *testing.T) {
			r := replayWithin(t, filepath.Join(corpus.Dir(t), "scan", tt.capture))
			found := map[uint16]bool{}
			for _, e := range last(readEvents(t, r.alerts), "scan") {
				if e.Host.IP[0] != tt.host {
					t.Errorf("%s scans", e.Host.IP[0])
				}
				found[e.Wormscope.Scan.Port] = true
			}
			for _, port := range tt.ports {
				if !found[port] {
					t.Errorf("the scan of port %d by %s was not found: %v", port, tt.host, found)
				}
			}
		})
	}
}
