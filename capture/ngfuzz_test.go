package capture_test

import (
	"bytes"
	"math/big"
	"testing"

	"wormscope/capture"
)

// FuzzPcapng writes any blocks that the format allows, as many interfaces, clocks and
// byte orders as there may be: what is read is what was written, and nothing is
// skipped. Times are reckoned with numbers of any size.
func FuzzPcapng(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x01\x09\x01\x05\x00\x65\x10\x09\x01\x41\x33\x02\x04\x20\x07\x00"))
	f.Add([]byte("\x00\x81\x20\x8a\x01\x80\xff\x03\x04\x30\x01\x01\x07\x00\x01\x00\x00\x02\x00\x03\x05\x11\x22\x33\x06\x00\x05\x20"))
	f.Fuzz(func(t *testing.T, script []byte) {
		x := ngScript{links: []uint16{1, 101, 113, 276, 147}}
		for x.section(); len(script) >= 4 && len(x.want) < 1000; script = script[4:] {
			x.write(script[0], script[1], script[2], script[3])
		}
		got, stats := readBytes(t, x.Bytes())
		if len(got) != len(x.want) || stats.Skipped != 0 {
			t.Fatalf("%d frames of %d, %d bytes skipped: %v", len(got), len(x.want), stats.Skipped, texts(stats))
		}
		for i, want := range x.want {
			have := got[i]
			if have.number = 0; x.beyond[i] {
				have.time, want.time = 0, 0
			}
			if have != want {
				t.Fatalf("frame %d is %+v, written was %+v", i+1, have, want)
			}
		}
		wantSameInRuns(t, []string{"-"}, bytes.NewReader(x.Bytes()), got, stats)
	})
}

// An ngScript writes a pcapng and notes what frames it has.
type ngScript struct {
	ngWriter
	links  []uint16
	ifaces []ngInterface
	want   []record
	beyond []bool // its time is none that nanoseconds of 64 bits hold
}

type ngInterface struct {
	link    uint16
	snaplen uint32
	resol   byte
	offset  int64
}

// write writes one block, as three bytes say.
func (x *ngScript) write(op, a, b, c byte) {
	data := bytes.Repeat([]byte{a, b, 0}, int(a)/3)
	ticks := uint64(b)<<(c&63) + uint64(a)
	n := uint32(len(x.ifaces))
	switch op % 8 {
	case 0:
		x.describe(a, b, c)
	case 6:
		kinds := []uint32{4, 9, 0xbad, 0x80000001, 5} // statistics are of an interface
		x.block(kinds[int(b)%(4+min(len(x.ifaces), 1))], append(x.numbers(uint32(0), uint32(a), uint32(b)), data...))
	case 7:
		x.big, x.ifaces = b&1 != 0, nil
		x.section()
	case 4:
		x.sayNoTime(data, uint32(len(data))+uint32(b&3))
	case 5:
		if n > 0 {
			x.obsolete(uint16(uint32(c)%n), uint16(b), ticks, data, uint32(len(data))+uint32(b&3))
			x.expect(uint32(c)%n, ticks, data, int(b&3))
		}
	default:
		if n == 0 {
			return
		}
		var options []byte
		for code := range uint16(b & 7) {
			options = append(options, x.option(1+code, data[:min(len(data), int(c))])...)
		}
		if c&1 != 0 {
			options = append(options, x.option(0, nil)...)
		}
		x.enhanced(uint32(c)%n, ticks, data, uint32(len(data))+uint32(b&3), options)
		x.expect(uint32(c)%n, ticks, data, int(b&3))
	}
}

// describe writes an interface.
func (x *ngScript) describe(a, b, c byte) {
	i := ngInterface{link: x.links[int(a)%len(x.links)], snaplen: uint32(b) &^ 15, resol: 6}
	options := x.option(2, []byte("eth0"))
	if c != 0 {
		i.resol = c
		options = append(options, x.option(9, []byte{c})...)
	}
	if a&0x80 != 0 {
		i.offset = int64(int8(b)) << (a & 31) // by up to 8,000 years
		options = append(options, x.option(14, x.numbers(i.offset))...)
	}
	x.iface(i.link, i.snaplen, options)
	x.ifaces = append(x.ifaces, i)
}

// sayNoTime writes a simple packet block: it is of the first interface, which may cut
// it short, and as of the time of the frame before it.
func (x *ngScript) sayNoTime(data []byte, wire uint32) {
	if len(x.ifaces) == 0 {
		return
	}
	if first := x.ifaces[0]; first.snaplen == 0 || first.snaplen > uint32(len(data)) {
		wire = uint32(len(data))
	} else {
		data = data[:first.snaplen]
	}
	x.simple(data, wire)
	last, beyond := int64(0), false
	if n := len(x.want); n > 0 {
		last, beyond = x.want[n-1].time, x.beyond[n-1]
	}
	x.want = append(x.want, record{time: last, data: string(data), wire: int(wire), link: capture.LinkType(x.ifaces[0].link)})
	x.beyond = append(x.beyond, beyond)
}

// expect notes a frame with a time.
func (x *ngScript) expect(number uint32, ticks uint64, data []byte, more int) {
	i := x.ifaces[number]
	base, digits := int64(10), int64(i.resol)
	if i.resol&0x80 != 0 {
		base, digits = 2, int64(i.resol&0x7f)
	}
	const second = 1_000_000_000
	at := new(big.Int).Mul(new(big.Int).SetUint64(ticks), big.NewInt(second))
	at.Div(at, new(big.Int).Exp(big.NewInt(base), big.NewInt(digits), nil))
	at.Add(at, new(big.Int).Mul(big.NewInt(i.offset), big.NewInt(second)))
	x.want = append(x.want, record{time: at.Int64(), data: string(data), wire: len(data) + more, link: capture.LinkType(i.link)})
	x.beyond = append(x.beyond, new(big.Int).Abs(at).Cmp(big.NewInt(9_000_000_000*second)) > 0)
}
