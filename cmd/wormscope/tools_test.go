package main

import (
	"path/filepath"
	"slices"
	"testing"

	"wormscope/internal/testnet"
)

// TestRealTools records real tools in network namespaces of the test's own
// and replays what was recorded.
func TestRealTools(t *testing.T) {
	// What each recording must lead to: the host that scans 445, the host that
	// asked for the kill switch, with the answer. Nobody else may do either. And
	// the host that was checked for MS17-010, and is not vulnerable.
	type want struct{ scanner, asker, rcode, patched string }
	wants := map[string]want{
		"nmap-syn-sweep":     {scanner: "10.10.1.23"},
		"nmap-connect-sweep": {scanner: "10.10.1.23"},
		"masscan-sweep":      {scanner: "10.10.1.23"},
		"dig-nxdomain":       {asker: "10.10.1.23", rcode: "NXDOMAIN"},
		"dig-resolved":       {asker: "10.10.1.23", rcode: "NOERROR"},
		"unbound-chain":      {asker: "10.10.1.23", rcode: "NXDOMAIN"},
		"smbclient-smb3":     {},
		"smbclient-nt1":      {},
		"nmap-ms17-010":      {patched: "10.10.0.20"},
	}
	for _, s := range testnet.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			testnet.Need(t, s.Tools...)
			w, ok := wants[s.Name]
			if !ok {
				t.Fatalf("no expectation for %s", s.Name)
			}
			path := filepath.Join(t.TempDir(), s.Name+".pcap")
			s.Record(t, path)
			r := runReplay(t, []string{path})
			if r.status != exitOK {
				t.Fatalf("exit status %d: %s", r.status, r.stderr)
			}
			all := readEvents(t, r.alerts)
			var scanners, askers []string
			for _, e := range last(all, "scan") {
				scanners = append(scanners, e.Host.IP[0])
				if e.Wormscope.Scan.Port != 445 {
					t.Errorf("port %d is scanned", e.Wormscope.Scan.Port)
				}
			}
			for _, e := range last(all, "ioc-domain") {
				if e.Wormscope.DNS.OnBehalf {
					continue
				}
				askers = append(askers, e.Host.IP[0])
				if e.DNS.ResponseCode != w.rcode {
					t.Errorf("the answer was %q, want %q", e.DNS.ResponseCode, w.rcode)
				}
			}
			var patched []string
			for _, e := range last(all, "ms17-010-check") {
				patched = append(patched, e.Host.IP[0])
				if e.Wormscope.Patch != "patched" {
					t.Errorf("the check says %q", e.Wormscope.Patch)
				}
			}
			if !slices.Equal(patched, some(w.patched)) {
				t.Errorf("checked: %v, want %q", patched, w.patched)
			}
			if !slices.Equal(scanners, some(w.scanner)) {
				t.Errorf("scanners: %v, want %q", scanners, w.scanner)
			}
			if !slices.Equal(askers, some(w.asker)) {
				t.Errorf("asked for the kill switch: %v, want %q", askers, w.asker)
			}
		})
	}
}

// some returns a list of one, or of none for the empty string.
func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
