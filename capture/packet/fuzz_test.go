package packet_test

import (
	"bytes"
	"testing"

	"wormscope/capture"
	"wormscope/capture/packet"
)

// FuzzDecode checks, on any two frames of any link type of which any number of
// bytes was not captured, that the decoder does not panic, that what it says
// holds together, and that its stages alone and gopacket see the same.
func FuzzDecode(f *testing.F) {
	for _, c := range encapsulations() {
		f.Add(uint16(c.link), uint16(0), c.data, c.data)
	}
	for _, frame := range ordinary() {
		f.Add(uint16(frame.Link), uint16(100), frame.Data, frame.Data)
	}
	for _, address := range []string{"4c0203040506", "600203040506"} { // behind a label these look like IP
		f.Add(uint16(1), uint16(40), typed(0x8847, unhex("00010140"+address+"020000000002 0806 0001 0800 0604 0001")), typed(0x8847, unhex("00010140"+address+"020000000002 0800"), question4()))
	}
	tunnel := over4(47, unhex("0000 0800"), question4())[14:]
	f.Add(uint16(1), uint16(0), piece4(tunnel, 0, 8), piece4(tunnel, 8, len(tunnel)-20))
	for _, v6 := range []bool{false, true} {
		piece := piece4
		if v6 {
			piece = piece6
		}
		f.Add(uint16(1), uint16(0), piece(big(v6), 0, 1480), piece(big(v6), 1480, 3008))
		f.Add(uint16(1), uint16(0), piece(segment(v6, "payload"), 8, 27), piece(segment(v6, "payload"), 0, 8))
	}
	f.Fuzz(func(t *testing.T, link, missing uint16, first, second []byte) {
		d := newPair()
		for _, data := range [][]byte{first, second} {
			frame := capture.Frame{Data: data, Len: len(data) + int(missing), Link: capture.LinkType(link)}
			before := bytes.Clone(data)
			o := d.decode(t, &frame)
			if !bytes.Equal(before, data) {
				t.Fatal("the frame was written to")
			}
			if o == packet.OK {
				consistent(t, &d.p)
			}
			if difference := compare(&frame, &d.p, o); difference != "" && !explained(&frame, &d.p, o, d.whole.Stats()) {
				t.Fatalf("%s\n%x", difference, data)
			}
		}
		d.counts(t)
		if s := d.whole.Stats(); s.Outcomes[packet.UnsupportedLink] > 0 == packet.Supports(capture.LinkType(link)) {
			t.Fatalf("link type %d: %v", link, s.Outcomes)
		}
	})
}

// consistent checks what holds of every packet.
func consistent(t *testing.T, p *packet.Packet) {
	t.Helper()
	switch {
	case p.PayloadLen < len(p.Payload) || p.Truncated != (p.PayloadLen > len(p.Payload)):
		t.Fatalf("%d bytes of %d, truncated %v", len(p.Payload), p.PayloadLen, p.Truncated)
	case p.VLAN > 4095:
		t.Fatalf("VLAN %d", p.VLAN)
	}
}

// explained reports whether a difference from gopacket is one of those that
// are meant: gopacket reads less, or does not check that lengths fit.
func explained(f *capture.Frame, p *packet.Packet, o packet.Outcome, s packet.Stats) bool {
	for _, e := range []packet.Encap{
		packet.MPLS, packet.Shim, packet.MACInMAC, packet.GRE, packet.ERSPAN, packet.EtherIP, packet.VXLAN,
		packet.Geneve, packet.GTPU, packet.L2TP, packet.Teredo, packet.MPLSoverUDP, packet.GREoverUDP, packet.TZSP,
	} {
		if s.Encaps[e] > 0 {
			return true
		}
	}
	views, _ := oracle(f)
	for _, v := range views {
		// gopacket looked into a tunnel that we say is none, or that is not one
		// because of the port it comes from.
		if o == packet.OK && agree(p, v) {
			return true
		}
		if v.badVersion || v.fragment {
			return true
		}
	}
	return false
}
