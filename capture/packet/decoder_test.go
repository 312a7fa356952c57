package packet

import (
	"testing"

	"wormscope/capture"
)

func BenchmarkTCP(bb *testing.B) {
	b := make([]byte, 60)
	b[12] = 8
	b[14] = 0x45
	b[17] = 40
	b[23] = 6
	b[46] = 0x50
	b[47] = 2
	d := NewDecoder()
	var p Packet
	f := capture.Frame{Data: b, Len: 60, Link: 1}
	if o := d.Decode(&f, &p); o != OK {
		bb.Fatal(o)
	}
	for bb.Loop() {
		d.Decode(&f, &p)
	}
}
