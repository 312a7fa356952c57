package packet_test

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wormscope/capture/packet"
	"wormscope/internal/needs"
)

// tuple is what decoders must agree on.
type tuple struct {
	src, dst netip.AddrPort
	proto    packet.Proto
}

func tupleOf(p *packet.Packet) tuple { return tuple{p.Src.Netip(), p.Dst.Netip(), p.Proto} }

var tsharkFields = []string{
	"frame.number", "frame.protocols", "ip.src", "ip.dst", "ip.proto", "ipv6.src", "ipv6.dst", "ipv6.nxt",
	"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport", "ip.flags.mf", "ip.frag_offset",
	"ipv6.fraghdr.more", "ipv6.fraghdr.offset",
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

// isFragment reports whether any IP packet in a row is a fragment.
func isFragment(row map[string][]string) bool {
	for _, field := range []string{"ip.flags.mf", "ip.frag_offset", "ipv6.fraghdr.more", "ipv6.fraghdr.offset"} {
		for _, value := range row[field] {
			if value != "0" && value != "0x0000" && value != "False" {
				return true
			}
		}
	}
	return false
}

// innermost finds the tuple of the innermost packet in a row: the last IP layer
// that no ICMP message quotes. The protocol is 0 where tshark did not get to it.
func innermost(row map[string][]string) (found tuple, ok bool) {
	transports := map[string]packet.Proto{
		"tcp": packet.ProtoTCP, "udp": packet.ProtoUDP, "sctp": packet.ProtoSCTP, "icmp": packet.ProtoICMP, "icmpv6": packet.ProtoICMPv6,
	}
	seen := map[string]int{}
	family, transport := "", ""
	for layer := range strings.SplitSeq(strings.Join(row["frame.protocols"], ","), ":") {
		if layer == "ip" || layer == "ipv6" {
			family, transport = layer, ""
		} else if transports[layer] != 0 {
			transport = layer
		}
		seen[layer]++
		if transport == "icmp" || transport == "icmpv6" {
			break
		}
	}
	src, ok1 := occurrence(row, family+".src", seen[family])
	dst, ok2 := occurrence(row, family+".dst", seen[family])
	if !ok1 || !ok2 {
		return tuple{}, false
	}
	from, _ := occurrence(row, transport+".srcport", seen[transport])
	to, _ := occurrence(row, transport+".dstport", seen[transport])
	return tuple{parseEnd(src, from), parseEnd(dst, to), transports[transport]}, true
}

// occurrence is the n-th value of a field, counted from 1.
func occurrence(row map[string][]string, field string, n int) (string, bool) {
	if n < 1 || n > len(row[field]) {
		return "", false
	}
	return row[field][n-1], true
}

func parseEnd(address, port string) netip.AddrPort {
	a, _ := netip.ParseAddr(address)
	n, _ := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a.Unmap(), uint16(n))
}

// differsFromTshark says how the decoder and tshark, which looked at each
// fragment by itself, differ about a frame. It leaves out what was reassembled.
func differsFromTshark(p *packet.Packet, o packet.Outcome, row map[string][]string) string {
	want, ok := innermost(row)
	fragment := isFragment(row)
	got := tupleOf(p)
	if want.proto == 0 {
		got = tuple{netip.AddrPortFrom(p.Src.Addr.Netip(), 0), netip.AddrPortFrom(p.Dst.Addr.Netip(), 0), 0}
	}
	switch {
	case o == packet.UnsupportedLink, o == packet.OK && fragment && !p.Fragment:
		return ""
	case o == packet.NotIP && !ok, o == packet.Held && fragment:
		return ""
	case o == packet.OK && ok && got == want:
		return ""
	case o.Failure() && want.src.Port() == 0 && want.dst.Port() == 0:
		return "" // tshark got no further than the addresses
	}
	return fmt.Sprintf("%v %v-%v %v, tshark sees %v-%v %v in %s", o, p.Src, p.Dst, p.Proto,
		want.src, want.dst, want.proto, strings.Join(row["frame.protocols"], ","))
}

// tsharkDeviations are the captures in which tshark sees something else, and in
// how many frames.
var tsharkDeviations = map[string]struct {
	frames int
	why    string
}{
	"ntop__tests__cfgs__default__pcap__capwap.pcap":                       {11, "802.11 in CAPWAP: not decoded, as 802.11 is not"},
	"ntop__tests__cfgs__default__pcap__capwap_data.pcapng":                {14, "802.11 in CAPWAP: not decoded, as 802.11 is not"},
	"ntop__tests__cfgs__default__pcap__reasm_crash_anon.pcapng":           {1, "a TCP header length of 0, of which tshark shows the ports"},
	"the-tcpdump-group__tests__LINKTYPE_IPV6_invalid.pcap":                {1, "an IPv4 packet on a link for IPv6, which tshark refuses"},
	"the-tcpdump-group__tests__bigtcp-ipv6-vxlan-ipv4.pcap":               {1, "a UDP length of 0, which tshark does not look into"},
	"the-tcpdump-group__tests__bigtcp-ipv6-vxlan-ipv6.pcap":               {1, "a UDP length of 0, which tshark does not look into"},
	"the-tcpdump-group__tests__bigtcp-ipv6-geneve-ipv6.pcap":              {1, "a UDP length of 0, which tshark does not look into"},
	"the-tcpdump-group__tests__bigtcp-ipv6.pcap":                          {1, "an IPv6 length of 0, which tshark does not look into"},
	"zeek__testing__btest__Traces__trunc__mpls-6in6-6in6-4in6-trunc.pcap": {1, "the innermost IPv4 header is cut: the tunnel counts"},
}

func TestTshark(t *testing.T) {
	t.Parallel()
	needs.Tools(t, "tshark")
	for _, name := range captures(t, "encap", "ipv6_frag_malformed") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			frames := readFrames(t, name)
			rows := tshark(t, name, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE")
			if len(rows) != len(frames) && (len(rows) > 0 || packet.Supports(frames[0].Link)) {
				t.Fatalf("tshark has %d rows for %d frames", len(rows), len(frames))
			}
			d := packet.NewDecoder()
			var p packet.Packet
			var differences []string
			whole := map[int]tuple{} // by index: what was made whole
			for i := range rows {
				o := d.Decode(&frames[i], &p)
				if o == packet.OK && !p.Fragment && isFragment(rows[i]) {
					whole[i] = tupleOf(&p)
				}
				if difference := differsFromTshark(&p, o, rows[i]); difference != "" {
					differences = append(differences, fmt.Sprintf("frame %d: %s", i+1, difference))
				}
			}
			if known := tsharkDeviations[filepath.Base(name)]; len(differences) != known.frames {
				t.Errorf("%d frames differ, not %d %s", len(differences), known.frames, known.why)
				for _, difference := range differences[:min(5, len(differences))] {
					t.Error(difference)
				}
			}
			compareWhole(t, name, whole)
		})
	}
}

// compareWhole compares what was reassembled with what tshark reassembles.
func compareWhole(t *testing.T, name string, whole map[int]tuple) {
	t.Helper()
	if len(whole) == 0 {
		return
	}
	rows := tshark(t, name)
	bad := 0
	for _, i := range slices.Sorted(maps.Keys(whole)) {
		got := whole[i]
		want, _ := innermost(rows[i])
		if want.proto == 0 {
			got.proto = 0
		}
		if got != want {
			if bad++; bad < 5 {
				t.Errorf("frame %d, reassembled: %v, tshark sees %v in %v", i+1, got, want, rows[i]["frame.protocols"])
			}
		}
	}
	t.Logf("%d datagrams reassembled, %d otherwise than by tshark", len(whole), bad)
}
