package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/internal/corpus"

	"github.com/google/go-cmp/cmp"
)

// scopeHost is a host of the scope document, with what SMB shows of it.
type scopeHost struct {
	IP, State, Patch string
	PatientZero      bool `json:"patient_zero_candidate"`
	Asset            *struct {
		OS, Software, Build, Name, Domain *struct{ Value string }

		SMB1    bool
		Signing string
	}
	Facts []struct {
		Fact, Peer, Name string
		Port             uint16
		Count            uint64
		Frames           []uint64
	}
	InfectedBy []struct {
		IP         string
		Confidence float64
		Steps      []struct {
			Fact  string
			Frame uint64
		}
	} `json:"infected_by"`
}

// count returns how often a fact by a peer was seen, and its frames.
func (h *scopeHost) count(fact, peer string) (n uint64, frames []uint64) {
	for _, f := range h.Facts {
		if f.Fact == fact && (peer == "" || f.Peer == peer) {
			n += f.Count
			frames = append(frames, f.Frames...)
		}
	}
	return n, frames
}

// eternalSafety replays a capture and returns its hosts and its events about
// SMB.
func eternalSafety(t *testing.T, name string) (map[string]scopeHost, result) {
	t.Helper()
	path := filepath.Join(corpus.Dir(t), "eternalsafety", name)
	r := runReplay(t, []string{path})
	if r.status != exitOK {
		t.Fatalf("exit status %d: %s", r.status, r.stderr)
	}
	var doc struct{ Hosts []scopeHost }
	unmarshal(t, r.scope, &doc)
	hosts := map[string]scopeHost{}
	for _, h := range doc.Hosts {
		hosts[h.IP] = h
	}
	return hosts, r
}

// TestWannaCryTree: who infected whom, with the frames that show it.
func TestWannaCryTree(t *testing.T) {
	hosts, r := eternalSafety(t, "wannacry.pcap")
	tree := map[string][]string{}
	for ip, h := range hosts {
		for _, s := range h.InfectedBy {
			told := []string{s.IP}
			for _, step := range s.Steps {
				told = append(told, fmt.Sprint(step.Fact, " ", step.Frame))
			}
			tree[ip] = append(tree[ip], strings.Join(told, " "))
		}
	}
	want := map[string][]string{
		"192.168.116.138": {"192.168.116.149 exploit-completed 610 implanted 688 payload-delivered 747"},
		"192.168.116.172": {
			"192.168.116.138 exploit-completed 2291 implanted 2313 payload-delivered 2363",
			"192.168.116.149 exploit-completed 2213 implanted 2344 payload-delivered 3678",
		},
	}
	equal(t, "tree", tree, want)
	sources := hosts["192.168.116.172"].InfectedBy
	if len(sources) == 2 && (sources[0].Confidence < 0.7 || sources[1].Confidence > 0.3 || sources[1].Confidence < 0.05) {
		t.Errorf("confidences %+v: the first is likely, the second possible", sources)
	}
	if sources := hosts["192.168.116.138"].InfectedBy; len(sources) == 1 && sources[0].Confidence < 0.95 {
		t.Errorf("confidence %v: it is certain", sources[0].Confidence)
	}
	var zero []string
	for ip, h := range hosts {
		if h.PatientZero {
			zero = append(zero, ip)
		}
	}
	equal(t, "patient-zero candidates", zero, []string{"192.168.116.149"})
	for _, line := range []string{
		"3 hosts are INFECTED.",
		"  192.168.116.149  patient-zero candidate: nobody is known to have infected it",
		"  └─ 192.168.116.138  99 %: exploited it [frame 610], found the implant [frame 688], sent the",
		"     └─ 192.168.116.172  82 %: exploited it [frame 2291], found the implant [frame 2313], sent the",
		"or by 192.168.116.149 (18 %)",
		"Windows 7 (6.1.7601)",
	} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("the summary lacks %q", line)
		}
	}
}

// TestCommittedSMB: the captures about SMB that are made here tell what was put
// into them.
func TestCommittedSMB(t *testing.T) {
	committed(t)
	tests := []struct {
		capture string
		hosts   map[string]string // state, patch, and who may have infected it
	}{
		{"smb-ms17-check.pcap", map[string]string{
			"10.10.1.41": "targeted vulnerable", "10.10.1.42": "targeted patched", "10.10.1.44": "targeted patched",
			"10.10.1.45": "targeted unknown", "10.10.1.43": "targeted unknown",
		}},
		{"smb-eternalblue.pcap", map[string]string{
			"10.10.1.23": "infected unknown, patient-zero candidate", "10.10.1.42": "targeted patched",
			"10.10.1.41": "infected vulnerable by 10.10.1.23 [exploit-completed 178 implanted 193]",
		}},
		{"smb-doublepulsar.pcap", map[string]string{
			"10.10.1.23": "suspected unknown", "10.10.1.42": "targeted unknown", "10.10.1.43": "targeted unknown",
			"10.10.1.41": "infected unknown by 10.10.1.23 [implanted 43 payload-delivered 47]",
		}},
		{"nmap-ms17-010.pcap", map[string]string{"10.10.0.20": "targeted patched"}},
	}
	for _, tt := range tests {
		t.Run(tt.capture, func(t *testing.T) {
			r := runReplay(t, []string{tt.capture})
			if r.status != exitOK {
				t.Fatalf("exit status %d: %s", r.status, r.stderr)
			}
			var doc struct{ Hosts []scopeHost }
			unmarshal(t, r.scope, &doc)
			got := map[string]string{}
			for _, h := range doc.Hosts {
				got[h.IP] = h.State + " " + h.Patch
				for _, s := range h.InfectedBy {
					var steps []string
					for _, step := range s.Steps {
						steps = append(steps, fmt.Sprint(step.Fact, " ", step.Frame))
					}
					got[h.IP] += fmt.Sprint(" by ", s.IP, " ", steps)
				}
				if h.PatientZero {
					got[h.IP] += ", patient-zero candidate"
				}
			}
			equal(t, "hosts", got, tt.hosts)
		})
	}
}

// TestNoSMBAlertOnOrdinaryTraffic: file servers, administration and intrusions
// by other means give no alert about SMB, and infect nobody.
func TestNoSMBAlertOnOrdinaryTraffic(t *testing.T) {
	for _, path := range corpus.Files(t, "smb_legit", "lateral_movement", "fp_fanout") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			r := runReplay(t, []string{path})
			if r.status != exitOK {
				t.Fatalf("exit status %d: %s", r.status, r.stderr)
			}
			for _, e := range readEvents(t, r.alerts) {
				switch e.Event.Action {
				case "ms17-010-check", "smb-exploit", "doublepulsar":
					t.Errorf("%s about %v", e.Event.Action, e.Host.IP)
				}
			}
			var doc struct{ Hosts []scopeHost }
			unmarshal(t, r.scope, &doc)
			for _, h := range doc.Hosts {
				if h.State == "infected" || len(h.InfectedBy) > 0 {
					t.Errorf("%s is %s, infected by %v", h.IP, h.State, h.InfectedBy)
				}
			}
		})
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
