package filter

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
)

// The scratch memory of the program, filled before the expression is looked at.
const (
	slotNetwork = iota // where the network header begins
	slotKind           // EtherType after the tags
	slotProto          // as view.proto
	slotHeader         // as view.header
	slotPorts          // 1 where there are ports
	slotSource
	slotDestination
	slotTag      // the first VLAN tag in the frame
	slotTag2     // the second
	slotTag3     // the third
	slotStripped // the tag that the kernel took out
	slotLength   // on the wire
)

// A label is a place in the program that is jumped to.
type label int

// A compiler collects instructions. Jumps go forward to labels, and get their
// distance at the end.
type compiler struct {
	code   []bpf.Instruction
	jumps  []pending
	labels []int // index in code, -1 while it is not known
}

// pending is a jump whose distance is not known yet.
type pending struct {
	at int // index in code
	to label
}

func (c *compiler) label() label {
	c.labels = append(c.labels, -1)
	return label(len(c.labels) - 1)
}

// place puts a label before the next instruction.
func (c *compiler) place(l label) { c.labels[l] = len(c.code) }

func (c *compiler) emit(code ...bpf.Instruction) { c.code = append(c.code, code...) }

// jump jumps to a label.
func (c *compiler) jump(to label) {
	c.jumps = append(c.jumps, pending{len(c.code), to})
	c.emit(bpf.Jump{})
}

// test jumps to yes where a comparison with A holds, and else to no. The jumps
// that a comparison itself can make are too short for long expressions.
func (c *compiler) test(cond bpf.JumpTest, value uint32, yes, no label) {
	c.emit(bpf.JumpIf{Cond: cond, Val: value, SkipFalse: 1})
	c.jump(yes)
	c.jump(no)
}

// resolve gives the jumps their distance.
func (c *compiler) resolve() error {
	for _, j := range c.jumps {
		skip := c.labels[j.to] - j.at - 1
		if skip < 0 {
			return fmt.Errorf("filter: a jump of %d instructions: a mistake in wormscope, please report it", skip)
		}
		c.code[j.at] = bpf.Jump{Skip: uint32(skip)} //nolint:gosec // not negative
	}
	return nil
}

// snapLength has the kernel keep the whole frame.
const snapLength = 1 << 18

// compile makes the program. stripped says that the kernel takes the outer tag
// out of the frame, and tells it on demand. Without heads all frames that match are
// kept whole.
func (f *Filter) compile(stripped bool, heads *Heads) ([]bpf.Instruction, error) {
	c := &compiler{}
	yes, no := c.label(), c.label()
	if f.root != nil {
		c.prologue(stripped)
		f.root.generate(c, yes, no)
	} else {
		c.jump(yes)
	}
	c.place(yes)
	if heads != nil {
		heads.generate(c)
	} else {
		c.emit(bpf.RetConstant{Val: snapLength})
	}
	c.place(no)
	c.emit(bpf.RetConstant{})
	if len(c.code) > maxInstructions {
		return nil, fmt.Errorf("filter: the expression makes a program of %d instructions, and the kernel takes %d: make it shorter", len(c.code), maxInstructions)
	}
	return c.code, c.resolve()
}

// prologue fills the scratch memory. Where a load is beyond the end of the
// frame, the kernel drops the frame, as view.read does.
func (c *compiler) prologue(stripped bool) {
	c.emit(bpf.LoadConstant{Dst: bpf.RegA})
	for _, slot := range []int{slotProto, slotHeader, slotPorts, slotSource, slotDestination} {
		c.emit(bpf.StoreScratch{Src: bpf.RegA, N: slot})
	}
	c.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: noTag})
	for _, slot := range []int{slotTag, slotTag2, slotTag3, slotStripped} {
		c.emit(bpf.StoreScratch{Src: bpf.RegA, N: slot})
	}
	c.emit(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.StoreScratch{Src: bpf.RegA, N: slotLength})
	if stripped {
		c.stripped()
	}
	done := c.label()
	c.setNetwork(etherLength)
	c.emit(bpf.LoadAbsolute{Off: 12, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: slotKind})
	untagged := c.label()
	for i, slot := range []int{slotTag, slotTag2, slotTag3} {
		if slot == slotTag3 && stripped { // three tags are read, that which the kernel took out included
			third := c.label()
			c.slot(slotStripped, bpf.JumpEqual, noTag, third, untagged)
			c.place(third)
			c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: slotKind})
		}
		c.tag(uint32(etherLength+4*i), slot, untagged)
	}
	c.place(untagged)
	ipv4, ipv6, arp := c.label(), c.label(), c.label()
	c.emit(bpf.LoadScratch{Dst: bpf.RegX, N: slotNetwork}, bpf.LoadScratch{Dst: bpf.RegA, N: slotKind})
	c.switchTo([]uint32{typeIPv4, typeIPv6, typeARP, typeRARP}, []label{ipv4, ipv6, arp, arp}, done)
	c.ipv4(ipv4, done)
	c.ipv6(ipv6, done)
	c.place(arp)
	c.emit(bpf.LoadIndirect{Off: 24, Size: 4}) // the last field of an ARP header: is it all there?
	c.place(done)
}

// switchTo jumps to the label of the value that A has, or to otherwise.
func (c *compiler) switchTo(values []uint32, labels []label, otherwise label) {
	for i, v := range values {
		c.emit(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1})
		c.jump(labels[i])
	}
	c.jump(otherwise)
}

// stripped asks the kernel for the tag that it took out of the frame, which is
// four bytes of its length on the wire.
func (c *compiler) stripped() {
	c.emit(
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 6},
		bpf.LoadExtension{Num: bpf.ExtVLANTag},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff},
		bpf.StoreScratch{Src: bpf.RegA, N: slotStripped},
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 4},
		bpf.StoreScratch{Src: bpf.RegA, N: slotLength},
	)
}

// setNetwork notes where the network header begins.
func (c *compiler) setNetwork(at uint32) {
	c.emit(bpf.LoadConstant{Dst: bpf.RegA, Val: at}, bpf.StoreScratch{Src: bpf.RegA, N: slotNetwork})
}

// tag reads the tag at an offset, where the EtherType, in A, says that there is
// one, and leaves the next EtherType in A.
func (c *compiler) tag(at uint32, slot int, untagged label) {
	tagged := c.label()
	c.switchTo([]uint32{0x8100, 0x88a8, 0x9100}, []label{tagged, tagged, tagged}, untagged)
	c.place(tagged)
	c.emit(
		bpf.LoadAbsolute{Off: at, Size: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff},
		bpf.StoreScratch{Src: bpf.RegA, N: slot},
	)
	c.setNetwork(at + 4)
	c.emit(bpf.LoadAbsolute{Off: at + 2, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: slotKind})
}

// ipv4 reads a header of IPv4 at X.
func (c *compiler) ipv4(begin, done label) {
	c.place(begin)
	c.emit(
		bpf.LoadIndirect{Off: 16, Size: 4},
		bpf.LoadIndirect{Off: 9, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: slotProto},
		bpf.LoadIndirect{Off: 6, Size: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x1fff},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
	)
	c.jump(done)
	withPorts := c.label()
	c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: slotProto})
	c.switchTo([]uint32{6, 17, 132}, []label{withPorts, withPorts, withPorts}, done)
	c.place(withPorts)
	c.emit(
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
	)
	c.ports(0, done)
}

// ipv6 reads a header of IPv6 at X.
func (c *compiler) ipv6(begin, done label) {
	const fragment = 44
	c.place(begin)
	c.emit(
		bpf.LoadIndirect{Off: 36, Size: 4},
		bpf.LoadIndirect{Off: 6, Size: 1},
		bpf.StoreScratch{Src: bpf.RegA, N: slotProto},
		bpf.StoreScratch{Src: bpf.RegA, N: slotHeader},
	)
	withPorts, fragmented := c.label(), c.label()
	c.switchTo([]uint32{6, 17, 132, fragment}, []label{withPorts, withPorts, withPorts, fragmented}, done)
	c.place(fragmented)
	c.emit(bpf.LoadIndirect{Off: 40, Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: slotProto})
	c.jump(done)
	c.place(withPorts)
	c.ports(40, done)
}

// ports reads two ports at an offset from X.
func (c *compiler) ports(at uint32, done label) {
	c.emit(
		bpf.LoadIndirect{Off: at + 2, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: slotDestination},
		bpf.LoadIndirect{Off: at, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: slotSource},
		bpf.LoadConstant{Dst: bpf.RegA, Val: 1}, bpf.StoreScratch{Src: bpf.RegA, N: slotPorts},
	)
	c.jump(done)
}

func (n and) generate(c *compiler, yes, no label) {
	then := c.label()
	n.left.generate(c, then, no)
	c.place(then)
	n.right.generate(c, yes, no)
}

func (n or) generate(c *compiler, yes, no label) {
	then := c.label()
	n.left.generate(c, yes, then)
	c.place(then)
	n.right.generate(c, yes, no)
}

func (n not) generate(c *compiler, yes, no label) { n.node.generate(c, no, yes) }

// slot compares what is in a slot.
func (c *compiler) slot(slot int, cond bpf.JumpTest, value uint32, yes, no label) {
	c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: slot})
	c.test(cond, value, yes, no)
}

func (n typeIs) generate(c *compiler, yes, no label) {
	c.slot(slotKind, bpf.JumpEqual, n.kind, yes, no)
}

func (n shorter) generate(c *compiler, yes, no label) {
	c.slot(slotLength, bpf.JumpLessOrEqual, n.n, yes, no)
}

func (n longer) generate(c *compiler, yes, no label) {
	c.slot(slotLength, bpf.JumpGreaterOrEqual, n.n, yes, no)
}

func (n protoIs) generate(c *compiler, yes, no label) {
	then := c.label()
	c.slot(slotKind, bpf.JumpEqual, n.kind, then, no)
	c.place(then)
	if n.kind != typeIPv6 {
		c.slot(slotProto, bpf.JumpEqual, n.proto, yes, no)
		return
	}
	other := c.label()
	c.slot(slotProto, bpf.JumpEqual, n.proto, yes, other)
	c.place(other)
	c.slot(slotHeader, bpf.JumpEqual, n.proto, yes, no)
}

func (n tagIs) generate(c *compiler, yes, no label) {
	cond, value := bpf.JumpEqual, n.id
	if n.id == anyTag {
		cond, value = bpf.JumpNotEqual, noTag
	}
	for _, slot := range []int{slotStripped, slotTag, slotTag2} {
		other := c.label()
		c.slot(slot, cond, value, yes, other)
		c.place(other)
	}
	c.slot(slotTag3, cond, value, yes, no)
}

// generate combines the comparisons of the two ends, src and dst, as the direction
// says.
func (d direction) generate(c *compiler, src, dst func(yes, no label), yes, no label) {
	switch d {
	case source:
		src(yes, no)
	case destination:
		dst(yes, no)
	case both:
		then := c.label()
		src(then, no)
		c.place(then)
		dst(yes, no)
	default:
		other := c.label()
		src(yes, other)
		c.place(other)
		dst(yes, no)
	}
}

func (n inNet) generate(c *compiler, yes, no label) {
	then := c.label()
	c.slot(slotKind, bpf.JumpEqual, n.kind, then, no)
	c.place(then)
	c.emit(bpf.LoadScratch{Dst: bpf.RegX, N: slotNetwork})
	src, dst := n.offsets()
	at := func(offset int) func(yes, no label) {
		return func(yes, no label) { n.compare(c, uint32(offset), yes, no) } //nolint:gosec // small
	}
	n.dir.generate(c, at(src), at(dst), yes, no)
}

// compare compares the address at an offset from X, word by word.
func (n inNet) compare(c *compiler, offset uint32, yes, no label) {
	b := n.prefix.Addr().AsSlice()
	for bits := n.prefix.Bits(); bits > 0; bits, b, offset = bits-32, b[4:], offset+4 {
		then := c.label()
		c.emit(bpf.LoadIndirect{Off: offset, Size: 4})
		if bits < 32 {
			c.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(0) << (32 - bits)})
		}
		c.test(bpf.JumpEqual, binary.BigEndian.Uint32(b), then, no)
		c.place(then)
	}
	c.jump(yes)
}

func (n portIn) generate(c *compiler, yes, no label) {
	then := c.label()
	c.slot(slotPorts, bpf.JumpEqual, 1, then, no)
	c.place(then)
	if n.proto != 0 {
		ofProto := c.label()
		c.slot(slotProto, bpf.JumpEqual, n.proto, ofProto, no)
		c.place(ofProto)
	}
	at := func(slot int) func(yes, no label) {
		return func(yes, no label) {
			high := c.label()
			c.slot(slot, bpf.JumpGreaterOrEqual, n.from, high, no)
			c.place(high)
			c.test(bpf.JumpLessOrEqual, n.to, yes, no)
		}
	}
	n.dir.generate(c, at(slotSource), at(slotDestination), yes, no)
}
