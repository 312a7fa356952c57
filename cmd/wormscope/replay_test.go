package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/wire"
)

// endingWith is a reader that calls a function at its end.
type endingWith struct {
	io.Reader
	end func()
}

func (r endingWith) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		r.end()
	}
	return n, err
}

// TestReplayTellsWhatItHas: of a ring whose oldest file goes away meanwhile, what
// the others hold is told, and that one is missing.
func TestReplayTellsWhatItHas(t *testing.T) {
	pcaps := filepath.Join("..", "..", "testdata", "pcaps")
	first, err := os.ReadFile(filepath.Join(pcaps, "smb-doublepulsar.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	later, err := os.ReadFile(filepath.Join(pcaps, "dig-nxdomain.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone.pcap")
	if err = os.WriteFile(gone, later, 0o600); err != nil {
		t.Fatal(err)
	}
	in := endingWith{bytes.NewReader(first), func() { _ = os.Remove(gone) }}
	var out, report bytes.Buffer
	status := run([]string{"replay", gone, "-"}, in, &out, &report)
	want := "wormscope: open " + gone + ": no such file or directory"
	if lines := strings.Split(strings.TrimSpace(report.String()), "\n"); status != 1 || lines[len(lines)-1] != want {
		t.Errorf("status %d, want 1 and, last, %s\n%s", status, want, &report)
	}
	if text := out.String(); !strings.HasPrefix(text, "1 host is INFECTED") || !strings.Contains(text, "  - open "+gone) {
		t.Errorf("what the other holds is not told:\n%s", text)
	}
}

// TestReplayPassesTimesBeyondReason: frames that claim to be of the end of all
// times that there are, or of the beginning, neither stop a replay nor hide the
// others.
func TestReplayPassesTimesBeyondReason(t *testing.T) {
	const kill = "iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"
	host, server := netip.MustParseAddrPort("10.1.0.5:20000"), netip.MustParseAddrPort("10.1.0.53:53")
	ask := func(name string) []byte {
		return lookup(host, server, wire.DNS{ID: 1, Flags: wire.RD, Name: name, Type: wire.TypeA})
	}
	now := time.Date(2017, 5, 12, 8, 0, 0, 0, time.UTC).UnixNano()
	var b bytes.Buffer
	w := capfile.NewNG(&b)
	w.Section(binary.LittleEndian, capfile.Interface{Link: capfile.LinkEthernet, Resolution: 9})
	for _, at := range []int64{0, now, math.MaxInt64, math.MaxInt64 - 1e9, math.MinInt64, now + 1e9} {
		w.Packet(0, at, ask("www.example.com"))
		w.Packet(0, at, synData())
	}
	w.Packet(0, now+2e9, ask(kill))
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "times.pcapng")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runReplay(t, []string{path})
	askers := last(readEvents(t, r.alerts), "ioc-domain")
	if r.status != exitOK || len(askers) != 1 || askers[0].Host.IP[0] != "10.1.0.5" {
		t.Errorf("status %d, asked for the kill switch: %d, want 1\n%s", r.status, len(askers), r.stderr)
	}
}
