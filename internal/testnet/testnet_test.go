package testnet

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/corpus"
)

var recordInto = flag.String("record", "", "folder to write the recordings to, instead of throwing them away")

// seen is what a recording holds.
type seen struct {
	asked, answered, refused map[netip.Addr]bool // by port 445
	kill, noSuchName         int                 // messages with the kill switch's name; answers that there is none
	smb1, smb2               int
}

// look reads a recording.
func look(t *testing.T, path string) seen {
	t.Helper()
	s := seen{asked: map[netip.Addr]bool{}, answered: map[netip.Addr]bool{}, refused: map[netip.Addr]bool{}}
	if err := corpus.Packets(t, path, s.packet); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *seen) packet(p *packet.Packet) {
	switch {
	case p.Dst.Port == 445 && p.Flags.IsSYN():
		s.asked[p.Dst.Addr.Netip()] = true
	case p.Src.Port == 445 && p.Flags.IsSYNACK():
		s.answered[p.Src.Addr.Netip()] = true
	case p.Src.Port == 445 && p.Flags.Has(packet.RST) && len(p.Payload) == 0:
		s.refused[p.Src.Addr.Netip()] = true
	}
	if bytes.Contains(p.Payload, []byte("\x29iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea\x03com")) {
		s.kill++
		if p.Src.Port == 53 && p.Proto == packet.ProtoUDP && p.Payload[3]&15 == 3 {
			s.noSuchName++
		}
	}
	if bytes.Contains(p.Payload, []byte("\xfeSMB")) {
		s.smb2++
	}
	if bytes.Contains(p.Payload, []byte("\xffSMB")) {
		s.smb1++
	}
}

// Every scenario is recorded and shows what it is there for. With -record the
// recordings stay.
func TestRecord(t *testing.T) {
	swept := func(s seen) bool { return len(s.asked) >= 254 && len(s.answered) == 6 && len(s.refused) == 12 }
	// On a busy machine a question may be asked, or a segment sent, again.
	shows := map[string]func(seen) bool{
		"nmap-syn-sweep":     swept,
		"nmap-connect-sweep": swept,
		"masscan-sweep":      swept,
		"dig-nxdomain":       func(s seen) bool { return s.kill >= 10 && s.noSuchName == 3 },
		"dig-resolved":       func(s seen) bool { return s.kill >= 10 && s.noSuchName == 0 },
		"unbound-chain":      func(s seen) bool { return s.kill >= 4 && s.noSuchName >= 2 },
		"smbclient-smb3":     func(s seen) bool { return s.smb2 > 10 && s.smb1 <= 1 },
		"smbclient-nt1":      func(s seen) bool { return s.smb1 > 10 && s.smb2 == 0 },
		"nmap-ms17-010":      func(s seen) bool { return s.smb1 >= 8 && s.smb2 == 0 },
	}
	for _, scenario := range Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			Need(t, scenario.Tools...)
			dir := *recordInto
			if dir == "" {
				dir = t.TempDir()
			}
			path := filepath.Join(dir, scenario.Name+".pcap")
			scenario.Record(t, path)
			if s := look(t, path); !shows[scenario.Name](s) {
				t.Errorf("the recording does not show it: %+v", s)
			}
		})
	}
}

// What is committed shows the same as what is recorded anew.
func TestCommittedRecordings(t *testing.T) {
	for _, scenario := range Scenarios() {
		path := filepath.Join("..", "..", "testdata", "pcaps", scenario.Name+".pcap")
		if _, err := os.Stat(path); err != nil {
			t.Errorf("make pcaps-recorded: %v", err)
		}
	}
}
