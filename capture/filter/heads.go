package filter

import "golang.org/x/net/bpf"

// Heads says of which frames a program keeps no more than the headers: of TCP
// segments and UDP datagrams of all ports but some, whose contents nobody reads.
// What is no such packet, or not quite in order, is kept whole.
type Heads struct {
	Ports    []uint16 // at either end of what is kept whole
	Datagram uint32   // bytes that are kept of a datagram's contents, at most 64
}

// MaxHeads is what may be left of a frame that was cut to its headers, in bytes: a
// program that cuts a frame to more than that did so for another reason.
const MaxHeads = etherLength + tagLength + maxHeader + 8 + maxDatagram

// Lengths of headers, in bytes.
const (
	etherLength = 14
	tagLength   = 4
	maxHeader   = 60 // of IPv4, and of TCP
	maxDatagram = 64
)

// generate ends a program: it keeps the headers, or the whole frame. Of VLAN tags it
// knows the one that the kernel has taken out, and one behind it. The code for a packet
// is there twice, since what it reads is at other places behind a tag.
func (h *Heads) generate(c *compiler) {
	whole, v4, v6, tag := c.label(), c.label(), c.label(), c.label()
	c.holds(etherLength, whole)
	c.emit(bpf.LoadAbsolute{Off: 12, Size: 2})
	c.switchTo([]uint32{typeIPv4, typeIPv6, 0x8100, 0x88a8, 0x9100}, []label{v4, v6, tag, tag, tag}, whole)
	h.packet(c, etherLength, v4, v6, whole)
	c.place(tag)
	c.holds(etherLength+tagLength, whole)
	v4, v6 = c.label(), c.label()
	c.emit(bpf.LoadAbsolute{Off: 12 + tagLength, Size: 2})
	c.switchTo([]uint32{typeIPv4, typeIPv6}, []label{v4, v6}, whole)
	h.packet(c, etherLength+tagLength, v4, v6, whole)
	c.place(whole)
	c.emit(bpf.RetConstant{Val: snapLength})
}

// holds goes on if the frame is so long that all is there that is loaded of a packet
// which begins at a place, since the kernel drops a frame that a load is beyond the end
// of.
func (c *compiler) holds(at uint32, whole label) {
	enough := c.label()
	c.emit(bpf.LoadExtension{Num: bpf.ExtLen})
	c.test(bpf.JumpGreaterOrEqual, at+maxHeader+20, enough, whole)
	c.place(enough)
}

// packet keeps the headers of the packet that begins at a place.
func (h *Heads) packet(c *compiler, at uint32, v4, v6, whole label) {
	transport := c.label()
	c.place(v4)
	c.head4(at, transport, whole)
	c.place(v6)
	c.head6(at, transport, whole)
	c.place(transport)
	h.transport(c, at, whole)
}

// head4 reads a header of IPv4, and leaves its length in X and the protocol in its
// slot.
func (c *compiler) head4(at uint32, transport, whole label) {
	version, options, unbroken := c.label(), c.label(), c.label()
	c.emit(bpf.LoadAbsolute{Off: at, Size: 1})
	c.test(bpf.JumpGreaterOrEqual, 0x45, version, whole)
	c.place(version)
	c.test(bpf.JumpLessThan, 0x50, options, whole)
	c.place(options)
	c.emit(bpf.LoadAbsolute{Off: at + 6, Size: 2})
	c.test(bpf.JumpBitsNotSet, 0x3fff, unbroken, whole) // fragments
	c.place(unbroken)
	c.emit(bpf.LoadAbsolute{Off: at + 2, Size: 2})
	c.fits(at, whole)
	c.emit(
		bpf.LoadAbsolute{Off: at + 9, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: slotProto},
		bpf.LoadMemShift{Off: at},
	)
	c.jump(transport)
}

// head6 does the same for IPv6.
func (c *compiler) head6(at uint32, transport, whole label) {
	const length = 40
	six := c.label()
	c.emit(bpf.LoadAbsolute{Off: at, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	c.test(bpf.JumpEqual, 0x60, six, whole)
	c.place(six)
	c.emit(bpf.LoadAbsolute{Off: at + 4, Size: 2})
	c.fits(at+length, whole)
	c.emit(
		bpf.LoadAbsolute{Off: at + 6, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: slotProto},
		bpf.LoadConstant{Dst: bpf.RegX, Val: length},
	)
	c.jump(transport)
}

// fits goes on if what begins at a place, and has the length A, is all in the frame: that
// one is not counts, and is told by the length of what is captured.
func (c *compiler) fits(before uint32, whole label) {
	c.emit(
		bpf.TAX{},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: before},
		bpf.JumpIfX{Cond: bpf.JumpGreaterOrEqual, SkipTrue: 1},
	)
	c.jump(whole)
}

// transport keeps the headers, where X is the length of that of IP, which begins at a
// place.
func (h *Heads) transport(c *compiler, at uint32, whole label) {
	ports, to := make([]uint32, len(h.Ports)), make([]label, len(h.Ports))
	for i, p := range h.Ports {
		ports[i], to[i] = uint32(p), whole
	}
	for _, port := range []uint32{0, 2} { // source, destination
		other := c.label()
		c.emit(bpf.LoadIndirect{Off: at + port, Size: 2})
		c.switchTo(ports, to, other)
		c.place(other)
	}
	tcp, udp, ordered := c.label(), c.label(), c.label()
	c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: slotProto})
	c.switchTo([]uint32{6, 17}, []label{tcp, udp}, whole)
	c.place(tcp)
	c.emit(
		bpf.LoadIndirect{Off: at + 12, Size: 1}, // the upper half counts words of four bytes
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2},
	)
	c.test(bpf.JumpGreaterOrEqual, 20, ordered, whole)
	c.place(ordered)
	c.emit(bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: at}, bpf.RetA{})
	c.place(udp)
	c.emit(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: at + 8 + min(h.Datagram, maxDatagram)}, bpf.RetA{})
}
