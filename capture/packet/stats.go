package packet

import (
	"iter"
	"maps"
	"slices"

	"wormscope/capture"
)

// Encap is a way in which one packet or frame is carried inside another.
type Encap uint8

// The encapsulations that the decoder looks into.
const (
	VLAN        Encap = iota // 802.1Q and 802.1ad tags; a frame with two counts two
	LLC                      // 802.2 LLC, with or without SNAP
	MPLS                     // label stack, over Ethernet, PPP, IP or UDP
	PPPoE                    // PPPoE session (RFC 2516)
	Shim                     // any other tag between Ethernet and IP: E-TAG, VN-TAG, HSR, Cisco metadata, clear MACsec, NSH
	MACInMAC                 // a whole frame in a frame: 802.1ah, TRILL, FabricPath
	IPInIP                   // IPv4 or IPv6 directly in IPv4 or IPv6
	GRE                      // GRE and NVGRE (RFC 2784, 2890, 7637), PPTP (RFC 2637)
	ERSPAN                   // ERSPAN type I, II and III
	EtherIP                  // EtherIP (RFC 3378) and Ethernet in IPv6 (RFC 8986)
	VXLAN                    // VXLAN and VXLAN-GPE (RFC 7348)
	Geneve                   // Geneve (RFC 8926)
	GTPU                     // GTP-U G-PDU (3GPP TS 29.281)
	L2TP                     // L2TP version 2 data (RFC 2661)
	Teredo                   // Teredo (RFC 4380)
	MPLSoverUDP              // MPLS in UDP (RFC 7510)
	GREoverUDP               // GRE in UDP (RFC 8086)
	TZSP                     // TaZmen Sniffer Protocol

	NumEncaps int = iota // how many there are
)

// String returns the encapsulation's usual name.
func (e Encap) String() string {
	names := [...]string{
		VLAN: "VLAN", LLC: "LLC", MPLS: "MPLS", PPPoE: "PPPoE", Shim: "other tag", MACInMAC: "MAC-in-MAC",
		IPInIP: "IP-in-IP", GRE: "GRE", ERSPAN: "ERSPAN", EtherIP: "EtherIP", VXLAN: "VXLAN", Geneve: "Geneve",
		GTPU: "GTP-U", L2TP: "L2TP", Teredo: "Teredo", MPLSoverUDP: "MPLS over UDP", GREoverUDP: "GRE over UDP", TZSP: "TZSP",
	}
	if int(e) < len(names) {
		return names[e]
	}
	return "unknown encapsulation"
}

// Stats is what a Decoder counted. The zero value is nothing.
type Stats struct {
	Outcomes [NumOutcomes]uint64 // frames by outcome
	// Encaps counts headers that were looked into. A tunnel over IP counts
	// when there was a packet inside; what is below IP counts when it was met.
	Encaps [NumEncaps]uint64
	// Opaque counts tunnel packets that were given out as they are, because
	// what they carry is no IP packet that can be read, by the reason for it.
	// Encrypted tunnels and snapshot lengths too short for tunnels show here.
	Opaque    [NumOutcomes]uint64
	Encrypted uint64                      // packets of ESP (RFC 4303), which can't be looked into
	Sliced    uint64                      // packets cut short before they were captured, by packet slicing for instance: their frames are complete
	Links     map[capture.LinkType]uint64 // frames refused, by their link type
	Fragments FragmentStats
}

// FragmentStats is what became of IP fragments.
type FragmentStats struct {
	Seen        uint64 // fragments; a fragment that is all of its datagram (RFC 6946) is none
	Reassembled uint64 // datagrams made whole
	Expired     uint64 // datagrams given up because the rest did not come in time
	Evicted     uint64 // datagrams given up to make room
	Waiting     uint64 // datagrams that are not whole yet
	Copies      uint64 // datagrams given up that had been reassembled shortly before: nothing of them is missing
	Overlaps    uint64 // fragments that said something else about bytes already here; the first to come won
	Duplicates  uint64 // fragments of which every byte was already here, the same
	Bad         uint64 // fragments refused: impossible length or offset, or too many pieces
	Truncated   uint64 // fragments cut by the snapshot length, which can't be reassembled
}

// Add adds what another Decoder counted.
func (s *Stats) Add(other Stats) {
	for i := range s.Outcomes {
		s.Outcomes[i] += other.Outcomes[i]
		s.Opaque[i] += other.Opaque[i]
	}
	for i := range s.Encaps {
		s.Encaps[i] += other.Encaps[i]
	}
	s.Encrypted += other.Encrypted
	s.Sliced += other.Sliced
	if s.Links == nil && len(other.Links) > 0 {
		s.Links = make(map[capture.LinkType]uint64, len(other.Links))
	}
	for link, n := range other.Links {
		s.Links[link] += n
	}
	s.Fragments.add(other.Fragments)
}

func (s *FragmentStats) add(other FragmentStats) {
	s.Seen += other.Seen
	s.Reassembled += other.Reassembled
	s.Expired += other.Expired
	s.Evicted += other.Evicted
	s.Waiting += other.Waiting
	s.Copies += other.Copies
	s.Overlaps += other.Overlaps
	s.Duplicates += other.Duplicates
	s.Bad += other.Bad
	s.Truncated += other.Truncated
}

// Undecoded yields each reason for which frames were not decoded, and how
// many, always in the same order. Link types are named one by one.
func (s *Stats) Undecoded() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for _, link := range slices.Sorted(maps.Keys(s.Links)) {
			if !yield(UnsupportedLink.String()+" "+link.String(), s.Links[link]) {
				return
			}
		}
		for o := UnsupportedLink + 1; int(o) < NumOutcomes; o++ {
			if n := s.Outcomes[o]; n > 0 && !yield(o.String(), n) {
				return
			}
		}
	}
}
