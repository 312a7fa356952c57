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
const MaxHeads = etherLength + maxHeader + 8 + maxDatagram

// Lengths of headers, in bytes.
const (
	etherLength = 14
	maxHeader   = 60 // of IPv4, and of TCP
	maxDatagram = 64
)

// generate ends a program: it keeps the headers, or the whole frame. It first looks
// whether the frame is so long that all it loads is there, since the kernel drops a
// frame that a load is beyond the end of. Of VLAN tags it knows only the one that the
// kernel has taken out.
func (h *Heads) generate(c *compiler) {
	const least = etherLength + maxHeader + 20
	whole, ip, v4, v6, transport := c.label(), c.label(), c.label(), c.label(), c.label()
	c.emit(bpf.LoadExtension{Num: bpf.ExtLen})
	c.test(bpf.JumpGreaterOrEqual, least, ip, whole)
	c.place(ip)
	c.emit(bpf.LoadAbsolute{Off: 12, Size: 2})
	c.switchTo([]uint32{typeIPv4, typeIPv6}, []label{v4, v6}, whole)
	c.place(v4)
	c.head4(transport, whole)
	c.place(v6)
	c.head6(transport, whole)
	c.place(transport)
	h.transport(c, whole)
	c.place(whole)
	c.emit(bpf.RetConstant{Val: snapLength})
}

// head4 reads a header of IPv4, and leaves its length in X and the protocol in its
// slot.
func (c *compiler) head4(transport, whole label) {
	version, options, unbroken := c.label(), c.label(), c.label()
	c.emit(bpf.LoadAbsolute{Off: etherLength, Size: 1})
	c.test(bpf.JumpGreaterOrEqual, 0x45, version, whole)
	c.place(version)
	c.test(bpf.JumpLessThan, 0x50, options, whole)
	c.place(options)
	c.emit(bpf.LoadAbsolute{Off: etherLength + 6, Size: 2})
	c.test(bpf.JumpBitsNotSet, 0x3fff, unbroken, whole) // fragments
	c.place(unbroken)
	c.emit(bpf.LoadAbsolute{Off: etherLength + 2, Size: 2})
	c.fits(0, whole)
	c.emit(
		bpf.LoadAbsolute{Off: etherLength + 9, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: slotProto},
		bpf.LoadMemShift{Off: etherLength},
	)
	c.jump(transport)
}

// head6 does the same for IPv6.
func (c *compiler) head6(transport, whole label) {
	const length = 40
	six := c.label()
	c.emit(bpf.LoadAbsolute{Off: etherLength, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	c.test(bpf.JumpEqual, 0x60, six, whole)
	c.place(six)
	c.emit(bpf.LoadAbsolute{Off: etherLength + 4, Size: 2})
	c.fits(length, whole)
	c.emit(
		bpf.LoadAbsolute{Off: etherLength + 6, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: slotProto},
		bpf.LoadConstant{Dst: bpf.RegX, Val: length},
	)
	c.jump(transport)
}

// fits goes on if the packet, whose length is A and header bytes, is all in the
// frame: that one is not counts, and is told by the length of what is captured.
func (c *compiler) fits(header uint32, whole label) {
	c.emit(
		bpf.TAX{},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: etherLength + header},
		bpf.JumpIfX{Cond: bpf.JumpGreaterOrEqual, SkipTrue: 1},
	)
	c.jump(whole)
}

// transport keeps the headers, where X is the length of that of IP.
func (h *Heads) transport(c *compiler, whole label) {
	ports, to := make([]uint32, len(h.Ports)), make([]label, len(h.Ports))
	for i, p := range h.Ports {
		ports[i], to[i] = uint32(p), whole
	}
	for _, at := range []uint32{0, 2} { // source, destination
		other := c.label()
		c.emit(bpf.LoadIndirect{Off: etherLength + at, Size: 2})
		c.switchTo(ports, to, other)
		c.place(other)
	}
	tcp, udp, ordered := c.label(), c.label(), c.label()
	c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: slotProto})
	c.switchTo([]uint32{6, 17}, []label{tcp, udp}, whole)
	c.place(tcp)
	c.emit(
		bpf.LoadIndirect{Off: etherLength + 12, Size: 1}, // the upper half counts words of four bytes
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2},
	)
	c.test(bpf.JumpGreaterOrEqual, 20, ordered, whole)
	c.place(ordered)
	c.emit(bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: etherLength}, bpf.RetA{})
	c.place(udp)
	c.emit(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: etherLength + 8 + min(h.Datagram, maxDatagram)}, bpf.RetA{})
}
