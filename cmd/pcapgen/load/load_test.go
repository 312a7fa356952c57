package load_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/cmd/pcapgen/load"
)

// each calls visit with every packet of a capture and returns how many there
// are and how many bytes they have.
func each(t *testing.T, pcap []byte, visit func(*packet.Packet)) (packets, length int) {
	t.Helper()
	r, err := capture.Open([]string{"-"}, bytes.NewReader(pcap))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := packet.NewDecoder()
	var f capture.Frame
	var p packet.Packet
	last := int64(0)
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			return packets, length
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Time < last {
			t.Fatalf("packet %d is older than the one before", f.Number)
		}
		last = f.Time
		if o := d.Decode(&f, &p); o.Failure() {
			t.Fatalf("packet %d: %v", f.Number, o)
		}
		packets++
		length += f.Len
		visit(&p)
	}
}

// lines returns the lines of a feed that are not comments.
func lines(t *testing.T, write func(io.Writer) error) map[string]bool {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for l := range strings.Lines(b.String()) {
		if l[0] != '#' {
			out[strings.TrimSpace(l)] = true
		}
	}
	return out
}

// listed reports whether a name, or one above it, is in a feed.
func listed(names map[string]bool, name string) bool {
	for name != "" {
		if names[name] {
			return true
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return false
}

// tally counts what the captures to measure with promise.
type tally struct {
	data, dns, sweep, v6, tagged int
	names                        map[string]bool
	addresses                    map[netip.Addr]bool
}

func (c *tally) packet(p *packet.Packet, names, addresses map[string]bool) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	control := p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0
	isDNS := p.Proto == packet.ProtoUDP && (p.Src.Port == 53 || p.Dst.Port == 53)
	count(&c.data, p.Proto == packet.ProtoTCP && !control)
	count(&c.dns, isDNS)
	count(&c.sweep, p.Flags.IsSYN() && p.Dst.Port == 445)
	count(&c.v6, !p.Src.Addr.Is4())
	count(&c.tagged, p.VLAN != 0)
	for _, a := range []netip.Addr{p.Src.Addr.Netip(), p.Dst.Addr.Netip()} {
		if addresses[a.String()] {
			c.addresses[a] = true
		}
	}
	if isDNS && p.Dst.Port == 53 {
		if name := question(p.Payload); listed(names, name) {
			c.names[name] = true
		}
	}
}

// question is the name of a query without compression.
func question(message []byte) string {
	var labels []string
	for b := message[12:]; b[0] != 0; b = b[1+b[0]:] {
		labels = append(labels, string(b[1:1+b[0]]))
	}
	return strings.Join(labels, ".")
}

func TestMixIsAsPromised(t *testing.T) {
	const packets = 200_000
	names := lines(t, func(w io.Writer) error { return load.WriteNames(w, 30_000) })
	addresses := lines(t, func(w io.Writer) error { return load.WriteAddresses(w, 30_000) })
	if len(names) != 30_000 || len(addresses) != 30_000 {
		t.Fatalf("%d names and %d addresses are distinct, want 30000", len(names), len(addresses))
	}
	for name, size := range map[string]int{"small": 125, "large": 640, "smb": 640} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := load.Mixes()[name].Write(&b, packets); err != nil {
				t.Fatal(err)
			}
			c := tally{names: map[string]bool{}, addresses: map[netip.Addr]bool{}}
			n, length := each(t, b.Bytes(), func(p *packet.Packet) { c.packet(p, names, addresses) })
			if n != packets || length/n < size*95/100 || length/n > size*105/100 {
				t.Errorf("%d packets of %d bytes", n, length/n)
			}
			for what, share := range map[string][2]int{
				"TCP data": {c.data, 700}, "DNS": {c.dns, 100}, "SYN to 445": {c.sweep, 50}, "IPv6": {c.v6, 90}, "tagged": {c.tagged, 120},
			} {
				if got := share[0] * 1000 / n; got < share[1]*85/100 || got > share[1]*115/100 {
					t.Errorf("%s: %d of a thousand, want %d", what, got, share[1])
				}
			}
			if len(c.names) != load.Planted || len(c.addresses) != load.Planted {
				t.Errorf("%d names and %d addresses of the feeds occur, want %d", len(c.names), len(c.addresses), load.Planted)
			}
		})
	}
}

func TestFloodIsAsItsTruthSays(t *testing.T) {
	const sources = 50_000
	var b bytes.Buffer
	planted, err := load.WriteFlood(&b, sources)
	if err != nil {
		t.Fatal(err)
	}
	var truth load.FloodTruth
	if err := json.Unmarshal(planted, &truth); err != nil {
		t.Fatal(err)
	}
	flooding, spoofed := map[netip.Addr]bool{}, 0
	targets := map[netip.Addr]map[netip.Addr]bool{}
	each(t, b.Bytes(), func(p *packet.Packet) {
		if !p.Flags.IsSYN() || p.Dst.Port != 445 {
			return
		}
		src := p.Src.Addr.Netip()
		if p.Dst.Addr.Netip() == truth.Flood.IP {
			if flooding[src] = true; src.As4()[0] == 10 {
				spoofed++
			}
			return
		}
		if targets[src] == nil {
			targets[src] = map[netip.Addr]bool{}
		}
		targets[src][p.Dst.Addr.Netip()] = true
	})
	if len(flooding) != sources || spoofed != truth.Spoofed {
		t.Errorf("%d sources, %d of them inside; want %d and %d", len(flooding), spoofed, sources, truth.Spoofed)
	}
	for _, s := range truth.Scanners {
		if got := len(targets[s.IP]); got != s.Targets {
			t.Errorf("%v tries %d targets, want %d", s.IP, got, s.Targets)
		}
	}
	for _, a := range truth.Busy {
		if len(targets[a]) != 1 {
			t.Errorf("%v, who only works, tries %d targets", a, len(targets[a]))
		}
	}
}

// TestRepeated repeats two captures, one of which can't be read, and wants their
// frames in order, from the first again, none before the one before.
func TestRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	once, broken := filepath.Join(dir, "once.pcap"), filepath.Join(dir, "broken.pcap")
	var made bytes.Buffer
	if err := load.Mixes()["small"].Write(&made, 10); err != nil {
		t.Fatal(err)
	}
	for path, b := range map[string][]byte{once: made.Bytes(), broken: []byte("no capture")} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var first []packet.Packet
	each(t, made.Bytes(), func(p *packet.Packet) { first = append(first, *p) })
	var repeated bytes.Buffer
	if err := load.WriteRepeated(&repeated, []string{broken, once}, 25); err != nil {
		t.Fatal(err)
	}
	n := 0
	packets, _ := each(t, repeated.Bytes(), func(p *packet.Packet) {
		if want := first[n%len(first)]; p.Src != want.Src || p.Dst != want.Dst || p.Seq != want.Seq {
			t.Errorf("packet %d is from %v to %v, want %v to %v", n+1, p.Src, p.Dst, want.Src, want.Dst)
		}
		n++
	})
	if packets != 25 {
		t.Errorf("%d packets, want 25", packets)
	}
	if err := load.WriteRepeated(io.Discard, []string{broken}, 25); err == nil {
		t.Error("no frame at all is no error")
	}
}
