package packet_test

import (
	"bufio"
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wormscope/capture/packet"
)

// tuple is what decoders must agree on.
type tuple struct {
	src, dst netip.AddrPort
	proto    packet.Proto
}

func tupleOf(p *packet.Packet) tuple { return tuple{p.Src, p.Dst, p.Proto} }

var tsharkFields = []string{
	"frame.number", "frame.protocols", "ip.src", "ip.dst", "ip.proto", "ipv6.src", "ipv6.dst", "ipv6.nxt",
	"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport", "_ws.malformed",
}

// tshark runs the reference dissector over a capture. A row is one frame; a
// cell has every occurrence of its field.
func tshark(t *testing.T, name string, options ...string) []map[string][]string {
	t.Helper()
	args := append([]string{"-n", "-r", name, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"}, options...)
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil && len(out) == 0 {
		t.Logf("tshark: %v", err)
		return nil
	}
	var rows []map[string][]string
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		row := map[string][]string{}
		for i, cell := range strings.Split(lines.Text(), "|") {
			if cell != "" && i < len(tsharkFields) {
				row[tsharkFields[i]] = strings.Split(cell, ",")
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// innermost finds the tuple of the innermost packet in a row: the last IP layer
// that no ICMP message quotes.
func innermost(row map[string][]string) (tuple, bool) {
	v4, v6, family := 0, 0, ""
	transport := map[string]int{}
	after := packet.Proto(0)
	for _, layer := range strings.Split(strings.Join(row["frame.protocols"], ","), ":") {
		switch layer {
		case "ip":
			v4, family, after = v4+1, "ip", 0
		case "ipv6":
			v6, family, after = v6+1, "ipv6", 0
		case "tcp":
			after = packet.ProtoTCP
			transport[layer]++
		case "udp":
			after = packet.ProtoUDP
			transport[layer]++
		case "sctp":
			after = packet.ProtoSCTP
			transport[layer]++
		}
		if layer == "icmp" {
			after = packet.ProtoICMP
			break
		}
		if layer == "icmpv6" {
			after = packet.ProtoICMPv6
			break
		}
	}
	var tu tuple
	n := v4
	if family == "ipv6" {
		n = v6
	}
	if n == 0 || len(row[family+".src"]) < n || len(row[family+".dst"]) < n {
		return tu, false
	}
	src, err1 := netip.ParseAddr(row[family+".src"][n-1])
	dst, err2 := netip.ParseAddr(row[family+".dst"][n-1])
	if err1 != nil || err2 != nil {
		return tu, false
	}
	var from, to uint64
	if name := map[packet.Proto]string{6: "tcp", 17: "udp", 132: "sctp"}[after]; name != "" {
		i := transport[name] - 1
		if i < len(row[name+".srcport"]) && i < len(row[name+".dstport"]) {
			from, _ = strconv.ParseUint(row[name+".srcport"][i], 10, 16)
			to, _ = strconv.ParseUint(row[name+".dstport"][i], 10, 16)
		}
	}
	tu.proto = after
	tu.src = netip.AddrPortFrom(src.Unmap(), uint16(from))
	tu.dst = netip.AddrPortFrom(dst.Unmap(), uint16(to))
	return tu, true
}

func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, name := range captures(t, "encap", "ipv6_frag_malformed") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			rows := tshark(t, name, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE")
			d := packet.NewDecoder()
			var p packet.Packet
			frames := readFrames(t, name)
			bad := 0
			for i := range frames {
				if i >= len(rows) {
					break
				}
				want, ok := innermost(rows[i])
				o := d.Decode(&frames[i], &p)
				got := tupleOf(&p)
				if o != packet.OK {
					got = tuple{}
				} else if want.proto == 0 {
					got.proto = 0
				}
				if ok != (o == packet.OK) || got != want {
					bad++
					if bad < 4 {
						t.Errorf("frame %d (%s): %v %v(%d); tshark %v %v", i+1, strings.Join(rows[i]["frame.protocols"], ","), o, got, p.Proto, ok, want)
					}
				}
			}
			if bad > 0 {
				t.Logf("%d of %d differ", bad, len(frames))
			}
		})
	}
}
