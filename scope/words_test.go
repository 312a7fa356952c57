package scope_test

import (
	"net/netip"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// TestContactWords has contacts of which not both directions were seen, and
// those that the peer began.
func TestContactWords(t *testing.T) {
	host, peer := netip.MustParseAddrPort("10.0.0.9:123"), netip.MustParseAddrPort("203.0.113.9:5000")
	called := "was called by the indicator address 203.0.113.9 on port 123"
	for _, c := range []struct {
		contact alert.Contact
		by      netip.AddrPort
		want    string
	}{
		{alert.Contact{State: "attempted", Initiator: "peer"}, peer, called + " and did not answer"},
		{alert.Contact{State: "attempted", Initiator: "peer", Refused: true}, peer, called + " and refused"},
		{alert.Contact{State: "attempted", Initiator: "peer", Refused: true, Answered: true}, peer, called + " and answered"},
		{alert.Contact{State: "attempted", Initiator: "peer", Answered: true, BytesResp: 48}, peer, called + ": sent 48 bytes, received 0 bytes"},
		{alert.Contact{State: "established", Initiator: "peer", BytesOrig: 7, BytesResp: 48}, peer, called + ": sent 48 bytes, received 7 bytes"},
		{alert.Contact{State: "attempted", Initiator: "unknown", BytesOrig: 48}, host, "had traffic with 203.0.113.9:5000: sent 48 bytes, received 0 bytes"},
		{alert.Contact{State: "established", Initiator: "unknown", BytesOrig: 7, BytesResp: 48}, peer, "had traffic with 203.0.113.9:5000: sent 48 bytes, received 7 bytes"},
		{alert.Contact{State: "attempted", Initiator: "unknown"}, host, "had traffic with 203.0.113.9:5000: no answer"},
		{alert.Contact{State: "established", Initiator: "host", BytesOrig: 7, BytesResp: 48}, host, "connected to 203.0.113.9:5000: sent 7 bytes, received 48 bytes"},
	} {
		a := alert.Alert{Host: host.Addr(), Orig: host, Resp: peer, Count: 1, Evidence: alert.Evidence{Contact: &c.contact}}
		if c.by == peer {
			a.Orig, a.Resp = peer, host
		}
		if got := scope.Predicate(&a); got != c.want {
			t.Errorf("%+v: %q, want %q", c.contact, got, c.want)
		}
	}
}

// TestExposedWords shows that a number of clients that is a bound is said as one.
func TestExposedWords(t *testing.T) {
	for clients, want := range map[uint64]string{
		1:                "answers on port 445",
		63:               "answers on port 445, to 63 clients",
		alert.MaxClients: "answers on port 445, to at least 64 clients",
	} {
		a := exposed("10.1.0.5", 445, "10.1.0.9", clients, false, 1, 1)
		if got := scope.Predicate(&a); got != want {
			t.Errorf("%d clients: %q, want %q", clients, got, want)
		}
	}
}

// TestScanWords: what became of the attempts adds up to the targets, and a sample
// of ports is said to be one.
func TestScanWords(t *testing.T) {
	some := []uint16{21, 22, 23, 80, 8080}
	for _, c := range []struct {
		scan alert.Scan
		want string
	}{
		{alert.Scan{Port: 445, Targets: 40, Answered: 3, Refused: 7, Silent: 30}, "scanned port 445: 40 targets, 3 answered, 7 refused, 30 silent"},
		{alert.Scan{Port: 445, Targets: 40}, "scanned port 445: 40 targets, 0 answered, 0 refused, 0 silent, 40 unknown"},
		{alert.Scan{Port: 445, Targets: 5187, Estimated: true, Answered: 94, Silent: 5000}, "scanned port 445: about 5,187 targets, 94 answered, 0 refused, 5,000 silent"},
		{alert.Scan{Port: 445, Targets: 5187, Estimated: true, Answered: 94}, "scanned port 445: about 5,187 targets, 94 answered, 0 refused, 0 silent, 5,093 unknown"},
		{alert.Scan{Ports: some, Targets: 9, Answered: 2, Silent: 30}, "scanned ports 21, 22, 23, 80 and 1 more: 9 targets, 2 answered, 0 refused, 30 silent"},
		{alert.Scan{Ports: append(some, some...), Targets: 9, Silent: 90}, "scanned ports 21, 22, 23, 80 and more: 9 targets, 0 answered, 0 refused, 90 silent"},
		// Three ports of 128 targets, of which only 18 said anything: 330 attempts came to nothing yet.
		{alert.Scan{Ports: []uint16{135, 3389, 5985}, Targets: 128, Answered: 18, Refused: 36}, "scanned ports 135, 3389, 5985: 128 targets, 18 answered, 36 refused, 0 silent, at least 74 unknown"},
	} {
		a := scan("10.1.0.14", "sequential", c.scan, 5, 5)
		if got := scope.Predicate(&a); got != c.want {
			t.Errorf("%+v: %q, want %q", c.scan, got, c.want)
		}
	}
}

// TestFolderIsSaidOnce: the folder that all files are in is named at the beginning, and
// no line says it again.
func TestFolderIsSaidOnce(t *testing.T) {
	list := bracketed()
	for i := range list {
		list[i].Frame.File = i % 2
	}
	for _, c := range []struct {
		files        [2]string
		where, frame string
	}{
		{[2]string{"mon.pcap", "tue.pcap"}, "2 files\n", "[frame 4 of tue.pcap]"},
		{[2]string{"/tap/a/mon.pcap", "/tap/a/tue.pcap"}, "2 files in /tap/a/\n", "[frame 4 of tue.pcap]"},
		{[2]string{"/tap/a/mon.pcap", "/tap/ab/tue.pcap"}, "2 files in /tap/\n", "[frame 4 of ab/tue.pcap]"},
		{[2]string{"/a/mon.pcap", "/b/tue.pcap"}, "2 files\n", "[frame 4 of /b/tue.pcap]"},
		{[2]string{"a/mon.pcap", "tue.pcap"}, "2 files\n", "[frame 4 of tue.pcap]"},
		{[2]string{"-", "a/tue.pcap"}, "2 files\n", "[frame 4 of a/tue.pcap]"},
	} {
		summary := capture()
		summary.Files = c.files[:]
		l, _ := ledgerOf(t, facts(list...))
		text := textOf(t, l.Document(summary))
		if !strings.Contains(text, c.where) || !strings.Contains(strings.Join(strings.Fields(text), " "), c.frame) {
			t.Errorf("files %q: want %q and %q in\n%s", c.files, c.where, c.frame, text)
		}
	}
}
