package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/internal/corpus"
)

// groundTruth is what an independent parser found in the captures of
// eternalsafety (groundtruth.json).
type groundTruth struct {
	Pcaps map[string]struct {
		States map[string]string `json:"expected_states"`
		Checks []struct {
			Frame                  uint64
			Client, Server, Result string
		} `json:"ms17010_checks"`
		Pulsar []struct {
			Client, Server string
			Responses      []struct {
				Frame         uint64
				Verdict, Arch string
				Key           string `json:"xor_key"`
			}
			Execs uint64 `json:"exec_ok_responses"`
		} `json:"doublepulsar"`
		Exploits []struct {
			Client, Server string
			Frame          uint64 `json:"nt_trans_frame"`
			Completed      uint64 `json:"completed_frame"`
		} `json:"eternalblue_attempts"`
		Tree []struct {
			Parent, Child string
			Evidence      struct {
				Implanted uint64 `json:"dp_implanted_first"`
				Seen      uint64 `json:"dp_implanted_seen"`
				Payload   uint64 `json:"payload_exec_first_reply"`
				Completed any    `json:"exploit_completed"`
			}
		} `json:"expected_infection_tree"`
		OS map[string]struct {
			OS     string `json:"native_os"`
			LAN    string `json:"native_lm"`
			Domain string
		} `json:"server_os"`
		Negotiate map[string]struct {
			SMB1 *struct {
				Required bool `json:"signing_required"`
			} `json:"smb1"`
			NTLM *struct {
				Version string
				AV      *struct {
					Computer string `json:"nb_computer"`
					Domain   string `json:"nb_domain"`
				}
			} `json:"ntlm_version"`
		}
		Exposed []string `json:"exposed_445"`
	}
}

func readTruth(t *testing.T) groundTruth {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(corpus.Dir(t), "groundtruth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g groundTruth
	unmarshal(t, raw, &g)
	return g
}

// TestGroundTruth: the command tells what an independent parser found.
func TestGroundTruth(t *testing.T) {
	g := readTruth(t)
	if len(g.Pcaps) < 3 {
		t.Fatalf("groundtruth.json has %d captures", len(g.Pcaps))
	}
	for name, want := range g.Pcaps {
		t.Run(name, func(t *testing.T) {
			hosts, r := eternalSafety(t, name)
			if scans := last(readEvents(t, r.alerts), "scan"); len(scans) > 0 {
				t.Errorf("%d scans, though nobody scans", len(scans))
			}
			equal(t, "answer on 445", exposed445(hosts), slices.Sorted(slices.Values(want.Exposed)))
			for ip, state := range want.States {
				h := hosts[ip]
				expectState(t, &h, state)
			}
			for ip, os := range want.OS {
				expectOS(t, hosts[ip], ip, os.OS, os.LAN, os.Domain)
			}
			for ip, n := range want.Negotiate {
				a := hosts[ip].Asset
				if a == nil {
					t.Errorf("%s: nothing of its server", ip)
					continue
				}
				if n.SMB1 != nil && (!a.SMB1 || (a.Signing == "required") != n.SMB1.Required) {
					t.Errorf("%s: SMB1 %v, signing %s; want %+v", ip, a.SMB1, a.Signing, *n.SMB1)
				}
				if n.NTLM != nil && (a.Build == nil || !strings.HasPrefix(n.NTLM.Version, a.Build.Value+" ")) {
					t.Errorf("%s: build %v, want %s", ip, a.Build, n.NTLM.Version)
				}
				if n.NTLM != nil && n.NTLM.AV != nil && (a.Name == nil || a.Name.Value != n.NTLM.AV.Computer) {
					t.Errorf("%s: name %v, want %s", ip, a.Name, n.NTLM.AV.Computer)
				}
			}
		})
	}
}

// TestGroundTruthOfAttacks: so it does for each check, exploit and request to
// the implant.
func TestGroundTruthOfAttacks(t *testing.T) {
	for name, want := range readTruth(t).Pcaps {
		t.Run(name, func(t *testing.T) {
			hosts, r := eternalSafety(t, name)
			checks := checkVerdicts(t, r)
			for _, c := range want.Checks {
				patch := map[string]string{"VULNERABLE": "vulnerable", "PATCHED": "patched", "INCONCLUSIVE": "unknown"}[c.Result]
				if got := checks[c.Client+">"+c.Server]; got.patch != patch || !slices.Contains(got.frames, c.Frame) {
					t.Errorf("check of %s by %s on frame %d: %+v, want %s", c.Server, c.Client, c.Frame, got, patch)
				}
			}
			tally := map[string]uint64{}
			key := func(fact, client, server string) string { return fact + " " + client + " " + server }
			for _, x := range want.Exploits {
				tally[key("exploit-attempted", x.Client, x.Server)]++
				if x.Completed > 0 {
					tally[key("exploit-completed", x.Client, x.Server)]++
					expectFrame(t, hosts[x.Server], "exploit-completed", x.Client, x.Completed)
				}
			}
			for _, p := range want.Pulsar {
				for _, answer := range p.Responses {
					fact := map[string]string{"NOT_IMPLANTED": "not-implanted", "IMPLANTED": "implanted"}[answer.Verdict]
					tally[key(fact, p.Client, p.Server)]++
					expectFrame(t, hosts[p.Server], fact, p.Client, answer.Frame)
					if fact == "implanted" {
						expectImplant(t, hosts[p.Server], answer.Key+" "+answer.Arch, answer.Frame)
					}
				}
				if p.Execs >= 100 {
					tally[key("payload-delivered", p.Client, p.Server)]++
				}
			}
			for what, n := range tally {
				f := strings.Fields(what)
				h := hosts[f[2]]
				if got, _ := h.count(f[0], f[1]); got != n {
					t.Errorf("%s of %s by %s: %d times, want %d", f[0], f[2], f[1], got, n)
				}
			}
			for ip, h := range hosts {
				for _, f := range h.Facts {
					attack := f.Fact == "exploit-attempted" || f.Fact == "exploit-completed" || f.Fact == "implanted" || f.Fact == "payload-delivered"
					if attack && tally[key(f.Fact, f.Peer, ip)] == 0 {
						t.Errorf("%s of %s by %s is not true", f.Fact, ip, f.Peer)
					}
				}
			}
		})
	}
}

// verdict is what a check for MS17-010 came to.
type checkVerdict struct {
	patch  string
	frames []uint64
}

// checkVerdicts returns the last word on each check, by who checked whom.
func checkVerdicts(t *testing.T, r result) map[string]checkVerdict {
	t.Helper()
	verdicts := map[string]checkVerdict{}
	for line := range strings.Lines(string(r.alerts)) {
		var e struct {
			Event       struct{ Action string }
			Source      struct{ IP string }
			Destination struct{ IP string }
			Wormscope   struct {
				Patch  string
				Frames []struct{ Number uint64 }
			}
		}
		unmarshal(t, []byte(line), &e)
		if e.Event.Action == "ms17-010-check" {
			v := checkVerdict{patch: e.Wormscope.Patch}
			for _, f := range e.Wormscope.Frames {
				v.frames = append(v.frames, f.Number)
			}
			verdicts[e.Source.IP+">"+e.Destination.IP] = v
		}
	}
	return verdicts
}

func exposed445(hosts map[string]scopeHost) []string {
	var list []string
	for ip, h := range hosts {
		for _, f := range h.Facts {
			if f.Fact == "exposed" && f.Port == 445 {
				list = append(list, ip)
			}
		}
	}
	slices.Sort(list)
	return list
}

// expectState compares a host with a state of groundtruth.json, which is
// written in words.
func expectState(t *testing.T, h *scopeHost, words string) {
	t.Helper()
	implanted, _ := h.count("implanted", "")
	completed, _ := h.count("exploit-completed", "")
	var ok bool
	switch {
	case strings.HasPrefix(words, "INFECTED"):
		ok = h.State == "infected"
	case strings.HasPrefix(words, "IMPLANTED"):
		ok = h.State == "infected" && implanted > 0
	case words == "VULNERABLE+EXPLOITED(completed) not implanted":
		ok = h.State == "targeted" && h.Patch == "vulnerable" && completed > 0 && implanted == 0
	case words == "EXPOSED+TARGETED, patch UNKNOWN":
		ok = h.State == "targeted" && h.Patch == "unknown" && completed == 0 && implanted == 0
	default:
		t.Errorf("no test of the state %q", words)
		return
	}
	if ok = ok && h.PatientZero == strings.Contains(words, "patient zero candidate") || !strings.HasPrefix(words, "INFECTED") && ok; !ok {
		t.Errorf("%s is %s, patch %s, %d replies of an implant, %d exploits, patient-zero candidate %v; want %s",
			h.IP, h.State, h.Patch, implanted, completed, h.PatientZero, words)
	}
}

func expectOS(t *testing.T, h scopeHost, ip, os, software, domain string) {
	t.Helper()
	a := h.Asset
	if a == nil || a.OS == nil || a.Software == nil {
		t.Errorf("%s: no system, want %s", ip, os)
		return
	}
	if a.OS.Value != os || a.Software.Value != software {
		t.Errorf("%s: system %s, %s; want %s, %s", ip, a.OS.Value, a.Software.Value, os, software)
	}
	if domain != "" && (a.Domain == nil || a.Domain.Value != domain) {
		t.Errorf("%s: domain %v, want %s", ip, a.Domain, domain)
	}
}

// expectFrame looks for a frame among the evidence, of which the first four
// are kept.
func expectFrame(t *testing.T, h scopeHost, fact, peer string, frame uint64) {
	t.Helper()
	_, frames := h.count(fact, peer)
	if !slices.Contains(frames, frame) && len(frames) < 4 {
		t.Errorf("%s of %s by %s: frames %v, want %d", fact, h.IP, peer, frames, frame)
	}
}

// expectImplant looks for the key of an implant.
func expectImplant(t *testing.T, h scopeHost, name string, frame uint64) {
	t.Helper()
	for _, f := range h.Facts {
		if f.Fact == "implanted" && f.Name == name && slices.Contains(f.Frames, frame) {
			return
		}
	}
	t.Errorf("%s: no implant %s on frame %d", h.IP, name, frame)
}

// TestGroundTruthTree: every edge that groundtruth.json expects is there, in
// its order.
func TestGroundTruthTree(t *testing.T) {
	for name, want := range readTruth(t).Pcaps {
		if len(want.Tree) == 0 {
			continue
		}
		hosts, _ := eternalSafety(t, name)
		expected, got := map[string][]string{}, map[string][]string{}
		for _, e := range want.Tree {
			expected[e.Child] = append(expected[e.Child], e.Parent)
		}
		for ip, h := range hosts {
			for _, s := range h.InfectedBy {
				got[ip] = append(got[ip], s.IP)
			}
		}
		equal(t, name, got, expected)
	}
}
