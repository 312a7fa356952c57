package smb

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/internal/corpus"
)

// truth is what groundtruth.json says of a capture, made by another parser.
type truth struct {
	Checks []struct {
		Frame          uint64
		Client, Server string
		Result         string
		Status         string
	} `json:"ms17010_checks"`
	Pulsar []struct {
		Client, Server string
		Op, Timeout    string
		FirstFrame     uint64 `json:"first_frame"`
		Responses      []struct {
			Frame   uint64
			Verdict string
			Key     string `json:"xor_key"`
			Arch    string
		}
		ExecOK    uint64 `json:"exec_ok_responses"`
		ExecFirst uint64 `json:"exec_first_frame"`
	} `json:"doublepulsar"`
	Blue []struct {
		Client, Server string
		Frame          uint64  `json:"nt_trans_frame"`
		TotalData      uint32  `json:"total_data"`
		Completed      *uint64 `json:"completed_frame"`
	} `json:"eternalblue_attempts"`
	OS map[string]struct {
		OS     string `json:"native_os"`
		LAN    string `json:"native_lm"`
		Domain string
	} `json:"server_os"`
	Negotiate map[string]struct {
		NTLM *struct {
			Version string
			AV      map[string]string
		} `json:"ntlm_version"`
		SMB1 *struct {
			Required bool `json:"signing_required"`
			Enabled  bool `json:"signing_enabled"`
		}
		SMB2 *struct {
			Required bool `json:"signing_required"`
		}
	}
	Instances []struct {
		Host   string
		Key    string `json:"xor_key"`
		Arch   string
		Frames []uint64
	} `json:"implant_instances"`
}

// truths reads groundtruth.json.
func truths(t *testing.T) map[string]truth {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t), "groundtruth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Pcaps map[string]truth }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Pcaps) < 3 {
		t.Fatalf("%d captures in groundtruth.json", len(all.Pcaps))
	}
	return all.Pcaps
}

// told is a fact as the truth can tell it.
type told struct {
	kind       alert.FactKind
	host, peer string
	frame      uint64
	detail     string
}

// facts lists the facts of some kinds, in order of frames.
func (r *recorder) told(kinds ...alert.FactKind) []told {
	var all []told
	for _, f := range r.facts {
		if slices.Contains(kinds, f.Kind) {
			all = append(all, told{f.Kind, f.Host.String(), f.Peer.String(), f.Frame.Number, f.Detail})
		}
	}
	slices.SortFunc(all, compareTold)
	return all
}

func compareTold(a, b told) int {
	if a.frame != b.frame {
		return int(a.frame) - int(b.frame)
	}
	return strings.Compare(string(a.kind)+a.host+a.detail, string(b.kind)+b.host+b.detail)
}

// compareAll reports what is missing and what is too much.
func compareAll(t *testing.T, what string, have, want []told) {
	t.Helper()
	slices.SortFunc(want, compareTold)
	for _, w := range want {
		if !slices.Contains(have, w) {
			t.Errorf("%s: missing %+v", what, w)
		}
	}
	for _, h := range have {
		if !slices.Contains(want, h) {
			t.Errorf("%s: too much %+v", what, h)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%s: %d, want %d", what, len(have), len(want))
	}
}

// TestTruth compares what is found in the captures of real attacks with what
// is known about them, both ways.
func TestTruth(t *testing.T) {
	for name, want := range truths(t) {
		t.Run(name, func(t *testing.T) {
			rec := replay(t, filepath.Join("eternalsafety", name))
			truthChecks(t, rec, &want)
			truthPulsar(t, rec, &want)
			truthBlue(t, rec, &want)
			truthAssets(t, rec, &want)
			truthInstances(t, rec, &want)
		})
	}
}

func truthChecks(t *testing.T, rec *recorder, want *truth) {
	t.Helper()
	kinds := map[string]alert.FactKind{
		"VULNERABLE": alert.FactVulnerable, "PATCHED": alert.FactPatched, "INCONCLUSIVE": alert.FactPatchUnknown,
	}
	var list []told
	for _, c := range want.Checks {
		list = append(list, told{kinds[c.Result], c.Server, c.Client, c.Frame, "check"})
	}
	have := rec.told(alert.FactVulnerable, alert.FactPatched, alert.FactPatchUnknown)
	// The host that refuses the session has no check in the list, but is
	// "patch UNKNOWN" among the expected states.
	have = slices.DeleteFunc(have, func(f told) bool { return f.host == "192.168.116.150" && f.kind == alert.FactPatchUnknown })
	compareAll(t, "checks", have, list)
	for _, c := range want.Checks {
		i := slices.IndexFunc(rec.alerts, func(a alert.Alert) bool {
			return a.Rule == alert.RuleCheck && a.Host.String() == c.Server && a.Orig.Addr().String() == c.Client
		})
		if i < 0 {
			t.Errorf("no alert for the check of %s by %s", c.Server, c.Client)
			continue
		}
		a := rec.alerts[i]
		status := fmt.Sprintf("0x%08x", a.Evidence.SMB.Check.Status)
		patch := map[string]alert.Patch{"VULNERABLE": alert.PatchVulnerable, "INCONCLUSIVE": alert.PatchUnknown}[c.Result]
		if status != c.Status || a.Evidence.SMB.Check.Patch != patch || a.Frames[1].Number != c.Frame || a.Phase != alert.PhaseStart {
			t.Errorf("check of %s by %s: %+v %+v", c.Server, c.Client, a, *a.Evidence.SMB.Check)
		}
	}
}

func truthPulsar(t *testing.T, rec *recorder, want *truth) {
	t.Helper()
	var pings, payloads []told
	execs := map[string]uint64{}
	for _, p := range want.Pulsar {
		for _, r := range p.Responses {
			switch r.Verdict {
			case "IMPLANTED":
				pings = append(pings, told{alert.FactImplanted, p.Server, p.Client, r.Frame, r.Key + " " + r.Arch})
			case "NOT_IMPLANTED":
				pings = append(pings, told{alert.FactClean, p.Server, p.Client, r.Frame, "ping"})
			default:
				t.Fatalf("verdict %q", r.Verdict)
			}
		}
		execs[p.Server+" "+p.Client] += p.ExecOK
		if p.ExecOK >= payloadParts {
			payloads = append(payloads, told{alert.FactPayload, p.Server, p.Client, p.ExecFirst, ""})
		}
	}
	compareAll(t, "pings", rec.told(alert.FactImplanted, alert.FactClean, alert.FactProbed), pings)
	compareAll(t, "payloads", rec.told(alert.FactPayload), payloads)
	have := map[string]uint64{}
	for _, a := range rec.alerts {
		if a.Rule == alert.RuleDoublePulsar && a.Phase == alert.PhaseEnd {
			have[a.Host.String()+" "+a.Orig.Addr().String()] += a.Evidence.SMB.Implant.Execs
		}
	}
	for pair, n := range execs {
		if have[pair] != n {
			t.Errorf("exec replies of %s: %d, want %d", pair, have[pair], n)
		}
	}
}

func truthBlue(t *testing.T, rec *recorder, want *truth) {
	t.Helper()
	var list, sent []told
	for _, b := range want.Blue {
		list = append(list, told{alert.FactExploitAttempted, b.Server, b.Client, b.Frame, eternalBlue})
		sent = append(sent, told{alert.FactExploitSent, b.Client, b.Server, b.Frame, eternalBlue})
		if b.Completed != nil {
			list = append(list, told{alert.FactExploitCompleted, b.Server, b.Client, *b.Completed, eternalBlue})
		}
	}
	compareAll(t, "exploits", rec.told(alert.FactExploitAttempted, alert.FactExploitCompleted), list)
	compareAll(t, "exploits sent", rec.told(alert.FactExploitSent), sent)
	ends := map[string]uint64{}
	for _, a := range rec.alerts {
		if x := a.Evidence.SMB.Exploit; x != nil && a.Phase == alert.PhaseEnd {
			ends[string(x.Outcome)] += a.Count
			if x.TotalData != want.Blue[0].TotalData {
				t.Errorf("total data %d", x.TotalData)
			}
		}
	}
	completed := uint64(len(list) - len(want.Blue))
	if ends["attempted"] != uint64(len(want.Blue)) || ends["completed"] != completed {
		t.Errorf("alerts count %v, want %d and %d", ends, len(want.Blue), completed)
	}
}

// lastAsset returns the last that was said about a host.
func (r *recorder) lastAsset(host string) alert.Asset {
	var a alert.Asset
	for _, f := range r.facts {
		if f.Kind == alert.FactAsset && f.Host.String() == host {
			a = *f.Asset
		}
	}
	return a
}

func truthAssets(t *testing.T, rec *recorder, want *truth) {
	t.Helper()
	for host, w := range want.OS {
		a := rec.lastAsset(host)
		// Where a name is also in an NTLM challenge, that is surer.
		if a.OS.Value != w.OS || a.LAN.Value != w.LAN || w.Domain != "" && a.Domain.Value != w.Domain {
			t.Errorf("%s: %q %q %q, want %+v", host, a.OS.Value, a.LAN.Value, a.Domain.Value, w)
		}
		if over := strings.HasPrefix(w.OS, "Windows 7"); over && !a.OutOfSupport {
			t.Errorf("%s: %s is out of support", host, a.Product.Value)
		}
	}
	for host, w := range want.Negotiate {
		a := rec.lastAsset(host)
		if w.SMB1 != nil && (!a.SMB1 || a.SigningRequired != w.SMB1.Required) {
			t.Errorf("%s: SMB1 %v, signing %v %v, want %+v", host, a.SMB1, a.SigningEnabled, a.SigningRequired, *w.SMB1)
		}
		if w.NTLM != nil && w.NTLM.AV != nil { // without, it is a client's
			if !strings.HasPrefix(w.NTLM.Version, a.Build.Value) || a.Name.Value != w.NTLM.AV["nb_computer"] || a.DNSName.Value != w.NTLM.AV["dns_computer"] {
				t.Errorf("%s: %q %q, want %+v", host, a.Build.Value, a.Name.Value, *w.NTLM)
			}
		}
	}
}

func truthInstances(t *testing.T, rec *recorder, want *truth) {
	t.Helper()
	instance := map[string]int{}
	for _, w := range want.Instances {
		instance[w.Host]++
		key, err := strconv.ParseUint(w.Key, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, a := range rec.alerts {
			i := a.Evidence.SMB.Implant
			if a.Host == netip.MustParseAddr(w.Host) && i != nil && uint64(i.Key) == key {
				found = found || a.Phase == alert.PhaseStart
				if i.Arch != w.Arch || i.Instance != instance[w.Host] || a.Severity != alert.Critical {
					t.Errorf("%s: %+v, want instance %d, %s", w.Host, *i, instance[w.Host], w.Arch)
				}
			}
		}
		if !found {
			t.Errorf("no alert for instance %s of %s", w.Key, w.Host)
		}
	}
}

// TestWannaCryMarks: both worms send all the marks, and nobody else any.
func TestWannaCryMarks(t *testing.T) {
	rec := replay(t, "eternalsafety/wannacry.pcap")
	sent := map[string]map[string]bool{}
	for _, f := range rec.facts {
		if f.Kind == alert.FactMark {
			if sent[f.Host.String()] == nil {
				sent[f.Host.String()] = map[string]bool{}
			}
			sent[f.Host.String()][f.Detail] = true
		}
	}
	for _, host := range []string{"192.168.116.149", "192.168.116.138"} {
		if len(sent[host]) != markCount {
			t.Errorf("%s sends %v, want all of %v", host, sent[host], (marks(1)<<markCount - 1).names())
		}
	}
	if len(sent) != 2 {
		t.Errorf("marks of %d hosts, want 2", len(sent))
	}
	i := slices.IndexFunc(rec.facts, func(f alert.Fact) bool { return f.Detail == "tree-other-address" })
	if rec.facts[i].Frame.Number != 212 {
		t.Errorf("first path to another address in frame %d, want 212", rec.facts[i].Frame.Number)
	}
}

// TestRefused: the host that lets nobody in is checked, and its patch unknown.
func TestRefused(t *testing.T) {
	rec := replay(t, "eternalsafety/wannacry.pcap")
	want := []told{
		{alert.FactPatchUnknown, "192.168.116.150", "192.168.116.149", 219, "check"},
		{alert.FactPatchUnknown, "192.168.116.150", "192.168.116.138", 2136, "check"},
		{alert.FactPatchUnknown, "192.168.116.143", "192.168.116.138", 2124, "check"},
	}
	compareAll(t, "unknown", rec.told(alert.FactPatchUnknown), want)
}

// TestProbe: a ping without a reply is one, and no more.
func TestProbe(t *testing.T) {
	rec := replay(t, "smb_attack/ntop__tests__cfgs__default__pcap__smbv1.pcap")
	compareAll(t, "probes", rec.told(alert.FactProbed, alert.FactClean, alert.FactImplanted),
		[]told{{alert.FactProbed, "10.128.0.243", "172.16.156.130", 7, "ping"}})
	if len(rec.alerts) != 2 || rec.alerts[0].Evidence.SMB.Implant.State != "probed" || rec.alerts[0].Name != alert.NameProbed {
		t.Errorf("alerts %+v", rec.alerts)
	}
}

// TestOrdinary: ordinary SMB and administration raise nothing.
func TestOrdinary(t *testing.T) {
	for _, file := range corpus.Files(t, "smb_legit", "lateral_movement", "fp_fanout") {
		rec := run(packets(t, file))
		for _, a := range rec.alerts {
			t.Errorf("%s: %s %s %v", filepath.Base(file), a.Rule, a.Name, a.Frames)
		}
		for _, f := range rec.facts {
			if f.Kind != alert.FactAsset && f.Kind != alert.FactVulnerable {
				t.Errorf("%s: %s %s", filepath.Base(file), f.Kind, f.Detail)
			}
		}
	}
}
