package main

import (
	"encoding/binary"
	"slices"
	"time"

	"wormscope/cmd/pcapgen/story"
	"wormscope/cmd/pcapgen/wire"
)

// Offsets in a frame with one VLAN tag.
const (
	tagAt = 14 // of the VLAN identifier
	ipAt  = 18
)

// vlanOf returns the VLAN of a frame, 0 where it has no tag.
func vlanOf(frame []byte) uint16 {
	if binary.BigEndian.Uint16(frame[12:]) != wire.TypeVLAN {
		return 0
	}
	return binary.BigEndian.Uint16(frame[tagAt:])
}

// fromVLAN returns what a tap shows that has only one direction of the link
// to a VLAN: what its hosts send, or what the others send.
func fromVLAN(records []story.Record, vlan uint16, theirs bool) []story.Record {
	return slices.DeleteFunc(slices.Clone(records), func(r story.Record) bool {
		return (vlanOf(r.Frame) == vlan) != theirs
	})
}

// twice returns what a span shows that copies both what comes in and what goes
// out: each frame once more a little later. What was routed comes out with
// other Ethernet addresses and a lower time to live; what was switched is the
// same.
func twice(records []story.Record) []story.Record {
	var t story.Trace
	for _, r := range records {
		t.Add(r.At, r.Frame)
		t.Add(r.At+int64(23*time.Microsecond), routed(r.Frame))
	}
	return t.Records()
}

// routed returns the copy of a frame that leaves the router on an untagged
// port, or the frame itself when the router only switched it.
func routed(frame []byte) []byte {
	at := 14
	if vlanOf(frame) != 0 {
		at = ipAt
	}
	router := frame[0] == 0 && frame[1] == 0 && frame[2] == 0x0c
	if !router || frame[at]>>4 != 4 {
		return frame
	}
	b := wire.AppendEthernet(nil, wire.MAC{0x02, 1}, wire.MAC{0x00, 0x00, 0x0c, 0x9f, 0xff, 0xfe}, wire.TypeIPv4)
	b = append(b, frame[at:]...)
	b[14+8]--
	wire.FixIPv4(b[14:])
	return b
}
