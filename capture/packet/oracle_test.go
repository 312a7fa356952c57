package packet_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// TestMain keeps gopacket to what is compared: of the payloads of UDP and TCP
// it decodes tunnels only. Some of its application decoders panic or print.
func TestMain(m *testing.M) {
	for _, port := range []layers.UDPPort{53, 67, 68, 123, 546, 547, 623, 1812, 3784, 5060, 6343} {
		layers.RegisterUDPPortLayerType(port, gopacket.LayerTypePayload)
	}
	for _, port := range []layers.TCPPort{53, 443, 502, 636, 989, 990, 992, 993, 994, 995, 5061} {
		layers.RegisterTCPPortLayerType(port, gopacket.LayerTypePayload)
	}
	os.Exit(m.Run())
}

const protoAH = 51

// view is one IP packet of a frame, as gopacket sees it.
type view struct {
	tuple
	flags    packet.Flags
	seq, ack uint32
	fragment bool // ports are hidden
	whole    bool // a transport header was read

	v6         bool
	badVersion bool // which gopacket does not mind
	failed     bool // something above IP could not be read
}

// oracle decodes a frame with gopacket: every IP packet in it, outermost first.
func oracle(f *capture.Frame) (views []view, failed bool) {
	data := slices.Clip(f.Data) // gopacket's PPPoE reads beyond the end where there is room
	decode := gopacket.NewPacket(data, layers.LinkType(f.Link), gopacket.DecodeOptions{NoCopy: true})
	for _, layer := range decode.Layers() {
		if careless(layer) {
			return views, true
		}
		switch l := layer.(type) {
		case *layers.IPv4:
			v := view{fragment: l.Flags&layers.IPv4MoreFragments != 0 || l.FragOffset != 0}
			v.src, v.dst, v.proto = endpoint(l.SrcIP, 0), endpoint(l.DstIP, 0), packet.Proto(l.Protocol)
			v.badVersion = l.Version != 4
			views = append(views, v)
			continue
		case *layers.IPv6:
			v := view{v6: true, badVersion: l.Version != 6}
			v.src, v.dst, v.proto = endpoint(l.SrcIP, 0), endpoint(l.DstIP, 0), packet.Proto(l.NextHeader)
			if l.HopByHop != nil {
				v.proto = packet.Proto(l.HopByHop.NextHeader)
			}
			views = append(views, v)
			continue
		}
		if len(views) > 0 {
			views[len(views)-1].take(layer)
		}
	}
	if failed = decode.ErrorLayer() != nil; failed && len(views) > 0 {
		views[len(views)-1].failed = true
	}
	return views, failed
}

// careless reports whether gopacket reads on after a layer without checking
// what says that it is something else.
func careless(layer gopacket.Layer) bool {
	switch l := layer.(type) {
	case *layers.IPv6:
		// It does not count the hop-by-hop header in the payload length.
		return l.HopByHop != nil && int(l.Length) < len(l.HopByHop.Contents)+20
	case *layers.Ethernet:
		return l.EthernetType == layers.EthernetTypePPPoEDiscovery // which it reads as a session
	case *layers.Dot1Q:
		// A type below 0x0600 is a length, to which it does not cut the frame.
		return l.Type < 0x0600 || l.Type == layers.EthernetTypePPPoEDiscovery
	case *layers.PPPoE:
		return l.Version != 1 || l.Type != 1
	case *layers.LLC:
		return l.IG || l.CR || len(l.Contents) != 3 || l.Control != 3 // no unnumbered information of the SAPs
	case *layers.SNAP:
		oui := string(l.OrganizationalCode) // whose numbers are no EtherTypes
		return oui != "\x00\x00\x00" && oui != "\x00\x00\xf8"
	}
	return false
}

// take adds what a layer above IP says. Layers that could not be read are in
// the list too, without contents.
func (v *view) take(layer gopacket.Layer) {
	if len(layer.LayerContents()) == 0 {
		return
	}
	if !v.v6 && v.proto != packet.ProtoTCP && v.proto != packet.ProtoUDP && v.proto != packet.ProtoSCTP && v.proto != packet.ProtoICMP && v.proto != protoAH {
		return // gopacket walks over IPv6 extension headers after IPv4 too
	}
	ports := func(from, to uint16) {
		v.src, v.dst = netip.AddrPortFrom(v.src.Addr(), from), netip.AddrPortFrom(v.dst.Addr(), to)
		v.whole = true
	}
	switch l := layer.(type) {
	case *layers.TCP:
		ports(uint16(l.SrcPort), uint16(l.DstPort))
		v.flags, v.seq, v.ack = packet.Flags(l.Contents[13]), l.Seq, l.Ack
	case *layers.UDP:
		ports(uint16(l.SrcPort), uint16(l.DstPort))
	case *layers.SCTP:
		ports(uint16(l.SrcPort), uint16(l.DstPort))
	case *layers.IPv6HopByHop:
		v.proto = packet.Proto(l.NextHeader)
	case *layers.IPv6Destination:
		v.proto = packet.Proto(l.NextHeader)
	case *layers.IPv6Routing:
		v.proto = packet.Proto(l.NextHeader)
	case *layers.IPSecAH:
		v.proto = packet.Proto(l.NextHeader)
	case *layers.IPv6Fragment:
		v.proto, v.fragment = packet.Proto(l.NextHeader), true
	case *layers.ICMPv4, *layers.ICMPv6:
		v.whole = true
	}
}

func endpoint(ip []byte, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), port)
}

// agree reports whether the decoder's packet is what gopacket sees.
func agree(p *packet.Packet, v view) bool {
	if p.Src.Addr.Netip() != v.src.Addr() || p.Dst.Addr.Netip() != v.dst.Addr() {
		return false
	}
	if v.fragment || !v.whole && v.failed {
		return true
	}
	if p.Proto == packet.ProtoTCP && (p.Flags != v.flags || p.Seq != v.seq || p.Ack != v.ack) {
		return false
	}
	return tupleOf(p) == v.tuple
}

// compare says how the decoder and gopacket differ about a frame, or nothing.
// Where gopacket fails it has no opinion about what it failed on.
func compare(f *capture.Frame, p *packet.Packet, o packet.Outcome) string {
	if o == packet.UnsupportedLink {
		return ""
	}
	views, failed := oracle(f)
	if len(views) == 0 {
		if failed || o != packet.OK {
			return ""
		}
		return fmt.Sprintf("%v-%v %v, gopacket sees no IP", p.Src, p.Dst, p.Proto)
	}
	v := views[len(views)-1]
	switch {
	case o == packet.OK && agree(p, v):
		return ""
	case o == packet.Held && (v.fragment || v.failed):
		return ""
	case o.Failure() && (!v.whole || v.badVersion || v.failed):
		return ""
	case o != packet.OK:
		return fmt.Sprintf("%v, gopacket sees %v-%v %v", o, v.src, v.dst, v.proto)
	}
	return fmt.Sprintf("%v-%v %v, gopacket sees %v-%v %v", p.Src, p.Dst, p.Proto, v.src, v.dst, v.proto)
}

// deviations are the captures in which gopacket sees something else, and in
// how many frames, each with the reason that tshark -V shows for a frame of it.
var deviations = map[string]struct {
	frames int
	why    string
}{
	"zeek__testing__btest__Traces__erspanIII.pcap":                                       {2, "gopacket reads no ERSPAN type III"},
	"the-tcpdump-group__tests__erspan-type-i-1.pcap":                                     {2, "gopacket reads no ERSPAN type I"},
	"the-tcpdump-group__tests__erspan-type-i-2.pcap":                                     {2, "gopacket reads no ERSPAN type I"},
	"the-tcpdump-group__tests__erspan-type-i-4.pcap":                                     {88, "gopacket reads no ERSPAN type I"},
	"the-tcpdump-group__tests__mpls-over-udp.pcap":                                       {2, "gopacket reads no MPLS over UDP"},
	"zeek__testing__btest__Traces__vntag_vlan_sandwich_clean.pcap":                       {1, "gopacket reads no VN-TAG"},
	"zeek__testing__btest__Traces__tunnels__teredo_bubble_with_payload.pcap":             {4, "gopacket reads no Teredo"},
	"OISF__tests__decode-teredo-01__input.pcap":                                          {4, "gopacket reads no Teredo"},
	"the-tcpdump-group__tests__bigtcp-ipv6-vxlan-ipv4.pcap":                              {1, "gopacket refuses an IPv6 length of 0, as large segments have it"},
	"the-tcpdump-group__tests__bigtcp-ipv6-vxlan-ipv6.pcap":                              {1, "gopacket refuses an IPv6 length of 0, as large segments have it"},
	"the-tcpdump-group__tests__bigtcp-ipv6-geneve-ipv6.pcap":                             {1, "gopacket refuses an IPv6 length of 0, as large segments have it"},
	"zeek__testing__btest__Traces__trunc__mpls-6in6-6in6-4in6-trunc.pcap":                {1, "the innermost IPv4 header is cut: the tunnel counts"},
	"zeek__testing__btest__Traces__tunnels__gtp__gtp1_gn_normal_incl_fragmentation.pcap": {76, "gopacket does not look into fragments of GTP-U"},
}

func TestGopacket(t *testing.T) {
	t.Parallel()
	for _, name := range captures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			d := newPair()
			var differences []string
			for _, f := range readFrames(t, name) {
				o := d.decode(t, &f)
				if difference := compare(&f, &d.p, o); difference != "" {
					differences = append(differences, fmt.Sprintf("frame %d: %s", f.Number, difference))
				}
			}
			d.counts(t)
			if known := deviations[filepath.Base(name)]; len(differences) != known.frames {
				t.Errorf("%d frames differ, not %d %s", len(differences), known.frames, known.why)
				for _, difference := range differences[:min(5, len(differences))] {
					t.Error(difference)
				}
			}
		})
	}
}
