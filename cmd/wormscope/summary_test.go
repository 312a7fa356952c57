package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/capture/packet"
	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/wire"
	"wormscope/scope"
)

// TestTimeThatStandsStillIsTold: where a capture has no times, nothing says what
// came first.
func TestTimeThatStandsStillIsTold(t *testing.T) {
	for _, c := range []struct {
		times []int64
		want  bool
	}{
		{[]int64{1494573840e9, 1494573840e9, 1494573840e9}, true},
		{[]int64{0, 0}, true},
		{[]int64{0}, false},
		{[]int64{1494573840e9, 1494573840e9, 1494573841e9}, false},
	} {
		var b bytes.Buffer
		w := capfile.NewWriter(&b, capfile.Pcap{Link: capfile.LinkEthernet})
		for _, at := range c.times {
			w.Packet(at, synData())
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "still.pcap")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		r := runReplay(t, []string{path})
		if told := strings.Contains(r.stderr, "all packets have the same time"); told != c.want || r.status != exitOK {
			t.Errorf("times %v: told is %v, want %v; status %d", c.times, told, c.want, r.status)
		}
	}
}

// TestLookupsCutAreTold: a snapshot length that most packets fit in, and lookups of long
// names do not, is told where it cost names: of few packets and of most lookups.
func TestLookupsCutAreTold(t *testing.T) {
	query := wire.DNS{Name: "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", Type: wire.TypeA, Flags: 0x0100}.Append(nil)
	packet := wire.AppendUDPPacket(nil, netip.MustParseAddrPort("10.1.0.2:50000"), netip.MustParseAddrPort("10.3.0.53:53"), wire.Envelope{TTL: 128}, query)
	lookup := append(wire.AppendEthernet(nil, wire.MAC{2, 1}, wire.MAC{2, 2}, wire.TypeOf(packet)), packet...)
	const snaplen = 80
	for _, c := range []struct {
		what         string
		others, keep int
		want         string
	}{
		{"few packets, all lookups", 300, snaplen, "1 DNS message cut short when captured (snapshot length): names in them may be missing"},
		{"no packet", 300, len(lookup), ""},
		{"many packets, of which that is said anyway", 9, snaplen, "10% of the packets were cut short when captured"},
	} {
		var b bytes.Buffer
		w := capfile.NewWriter(&b, capfile.Pcap{Link: capfile.LinkEthernet})
		for i := range c.others {
			w.Packet(1494573840e9+int64(i), synData())
		}
		w.PacketOf(1494573841e9, lookup[:c.keep], len(lookup))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "cut.pcap")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		r := runReplay(t, []string{path})
		if n := strings.Count(r.stderr, "cut short"); n != min(len(c.want), 1) || !strings.Contains(r.stderr, c.want) || r.status != exitOK {
			t.Errorf("%s: status %d, %q; want %q", c.what, r.status, r.stderr, c.want)
		}
	}
}

// TestNobodyInsideIsTold: that is said of addresses that were seen, and not where
// there were none.
func TestNobodyInsideIsTold(t *testing.T) {
	outside := bytes.Clone(synData())
	copy(outside[26:], []byte{198, 51, 100, 1, 203, 0, 113, 1})
	local := bytes.Clone(outside)
	copy(local[26:], []byte{169, 254, 1, 1})
	mixed := bytes.Clone(synData())
	copy(mixed[30:], []byte{169, 254, 1, 1})
	arp := bytes.Clone(synData())
	copy(arp[12:], []byte{0x08, 0x06})
	for _, c := range []struct {
		what string
		data []byte
		args []string
		want string
	}{
		{"outside", outside, nil, "no address counts as inside: say with --internal"},
		{"link-local", local, nil, "no address counts as inside but link-local ones, which every network has: say"},
		{"link-local from inside", mixed, nil, ""},
		{"inside", synData(), nil, ""},
		{"cut within the header", outside[:33], nil, ""},
		{"no IP", arp, nil, ""},
		{"left out", outside, []string{"--filter", "port 53"}, ""},
	} {
		var b bytes.Buffer
		w := capfile.NewWriter(&b, capfile.Pcap{Link: capfile.LinkEthernet})
		w.PacketOf(1494573840e9, c.data, len(outside))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "inside.pcap")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		r := runReplay(t, []string{path}, c.args...)
		told := strings.Contains(r.stderr, "counts as inside")
		if told != (c.want != "") || !strings.Contains(r.stderr, c.want) || r.status != exitOK {
			t.Errorf("%s: want %q; status %d\n%s", c.what, c.want, r.status, r.stderr)
		}
	}
}

// TestUnseenIsTold: what could not be looked into is said from a share on that
// matters.
func TestUnseenIsTold(t *testing.T) {
	var d packet.Stats
	d.Sliced, d.Encrypted = 1, 10
	d.Fragments = packet.FragmentStats{Seen: 9, Reassembled: 1, Expired: 1, Overlaps: 1, Duplicates: 1}
	d.Opaque[packet.BadIPv4], d.Opaque[packet.Truncated] = 4, 6
	d.Opaque[packet.NotIP] = 500 // ARP in VXLAN, for instance
	d.Outcomes[packet.NotIP] = 500
	want := []string{
		"1 packet cut short before capture (by a broker, a mirror or a tunnel): names and contents may be missing",
		"1 packet in fragments of which some are missing: no more than the first was examined",
		"1 packet in fragments that contradict earlier ones: receivers may have read something else",
		"10 packets of tunnels that can't be looked into, encrypted or cut: the contents were not examined",
		"10 packets encrypted (IPsec ESP): the contents can't be seen",
		"500 packets without IP, not examined",
	}
	if got := unseen(&d, 1000); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := unseen(&d, 1001); len(got) != 0 {
		t.Errorf("of one more packet %q", got)
	}
}

// TestNothingOfIPIsNothingToJudge: that there is no sign of a worm is not said of
// captures in which nothing could be looked at, now or by those who ask later.
func TestNothingOfIPIsNothingToJudge(t *testing.T) {
	arp, macsec := bytes.Clone(synData()), bytes.Clone(synData())
	copy(arp[12:], []byte{0x08, 0x06})
	copy(macsec[12:], []byte{0x88, 0xe5, 0x0c, 0x00}) // encrypted, with a checksum of its own
	for _, c := range []struct {
		name  string
		data  [][]byte
		notIP uint64
		want  string
	}{
		{"arp", [][]byte{arp, arp}, 2, "Nothing to judge: of 2 packets none holds IP, and nothing else is looked at."},
		{"macsec", [][]byte{macsec}, 0, "Nothing to judge: of 1 packet none could be decoded."},
		{"arp and macsec", [][]byte{macsec, arp, macsec}, 1, "Nothing to judge: of 3 packets none could be looked at: 1 holds no IP, and the"},
		{"arp and IP", [][]byte{synData(), arp}, 1, "No sign of a worm in 2 packets."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			w := capfile.NewWriter(&b, capfile.Pcap{Link: capfile.LinkEthernet})
			for i, data := range c.data {
				w.Packet(1494573840e9+int64(i), data)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			path, kept, page := filepath.Join(dir, "a.pcap"), filepath.Join(dir, "state"), filepath.Join(dir, "report.html")
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			alone, with := runReplay(t, []string{path}), runReplay(t, []string{path}, "--state", kept, "--report", page)
			var later, warned bytes.Buffer
			status := run([]string{"report", "--state", kept}, nil, &later, &warned)
			for who, text := range map[string]string{"replay": alone.stdout, "replay --state": with.stdout, "report": later.String()} {
				if !strings.HasPrefix(text, c.want) {
					t.Errorf("%s says\n%s%s", who, text, warned.String())
				}
			}
			if status != exitOK || alone.status != exitOK || with.status != exitOK {
				t.Errorf("status %d, %d, %d", alone.status, with.status, status)
			}
			if blank := strings.Contains(string(slurp(page)), "Nothing to judge"); blank != strings.HasPrefix(c.want, "Nothing") {
				t.Error("the report says otherwise")
			}
			var doc scope.Document
			if err := json.Unmarshal(with.scope, &doc); err != nil || doc.Capture.NotIP != c.notIP || doc.Capture.First == nil {
				t.Errorf("%+v, %v", doc.Capture, err)
			}
		})
	}
}
