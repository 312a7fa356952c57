package ring

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"wormscope/capture"
)

// Where the fields of struct tpacket_block_desc with tpacket_hdr_v1, and of
// struct tpacket3_hdr with the sockaddr_ll after it, lie
// (include/uapi/linux/if_packet.h). All are in the byte order of the machine.
const (
	blockStatus  = 8
	blockPackets = 12
	blockFirst   = 16
	blockHeader  = 48

	frameNext     = 0
	frameSec      = 4
	frameNsec     = 8
	frameCaptured = 12
	frameLen      = 16
	frameStatus   = 20
	frameMAC      = 24
	frameTCI      = 32
	frameTPID     = 36
	frameHeader   = 48
	addrProtocol  = frameHeader + 2 // big-endian
	addrHardware  = frameHeader + 8
	addrPacket    = frameHeader + 10
	addrLength    = frameHeader + 11
	addrBytes     = frameHeader + 12
	frameData     = frameHeader + 20 // what comes before is the header's
)

const (
	tagLen     = 4  // a VLAN tag
	macsLen    = 12 // the two addresses before it
	cookedLen  = 16 // a LINUX_SLL header
	defaultTag = unix.ETH_P_8021Q
)

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// A walk goes over the frames of one block.
type walk struct {
	block  []byte
	off    int  // of the next frame's header
	left   int  // frames
	cooked bool // frames have no link-layer header, and get LINUX_SLL's
}

// begin starts on a block that the kernel has handed over.
func (w *walk) begin(block []byte) {
	w.block = block
	w.off = int(u32(block[blockFirst:]))
	w.left = int(u32(block[blockPackets:]))
}

// time returns the time of the next frame, Unix nanoseconds. It reports false
// when the block is damaged.
func (w *walk) time() (int64, bool) {
	if w.off < 0 || w.off > len(w.block)-frameData {
		return 0, false
	}
	h := w.block[w.off : w.off+frameData]
	return int64(u32(h[frameSec:]))*1e9 + int64(u32(h[frameNsec:])), true
}

// next takes the next frame, whose header time has found to be in the block.
// It reports false when the block is damaged. It allocates nothing and copies
// no payload: what is put in front of a frame takes the place of its header.
func (w *walk) next(f *capture.Frame) bool {
	h := w.block[w.off : w.off+frameData]
	start := w.off + int(u16(h[frameMAC:]))
	end := start + int(u32(h[frameCaptured:]))
	if start < w.off+frameData || end < start || end > len(w.block) {
		return false
	}
	f.Len = int(u32(h[frameLen:]))
	status := u32(h[frameStatus:])
	w.left--
	step := int(u32(h[frameNext:]))
	switch {
	case w.cooked:
		start = w.cook(h, start)
		f.Len += w.off + int(u16(h[frameMAC:])) - start
	case status&unix.TP_STATUS_VLAN_VALID != 0 && end-start >= macsLen:
		putTag(w.block[start-tagLen:], h)
		start -= tagLen
		f.Len += tagLen
	}
	w.off += step
	f.Data = w.block[start:end:end]
	return true
}

// putTag puts the VLAN tag that the kernel took out back behind the addresses,
// which follow b's first four bytes. The four are within the header of the
// frame, whose end (frameData) they do not reach back beyond by more than the
// address there: nothing is read of it any more.
func putTag(b, h []byte) {
	copy(b[:macsLen], b[tagLen:])
	binary.BigEndian.PutUint16(b[macsLen:], tagType(h))
	binary.BigEndian.PutUint16(b[macsLen+2:], uint16(u32(h[frameTCI:]))) //nolint:gosec // the kernel keeps 16 bits in 32
}

// tagType returns the EtherType of the tag, which old kernels do not tell.
func tagType(h []byte) uint16 {
	if u32(h[frameStatus:])&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		return u16(h[frameTPID:])
	}
	return defaultTag
}

// cook puts a LINUX_SLL header (https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html)
// before a frame, and a VLAN tag behind it where the kernel took one out. The
// kernel leaves 28 bytes between the header and a frame without link layer. It
// returns where the frame begins now.
func (w *walk) cook(h []byte, start int) int {
	var head [cookedLen + tagLen]byte
	binary.BigEndian.PutUint16(head[0:], uint16(h[addrPacket]))
	binary.BigEndian.PutUint16(head[2:], u16(h[addrHardware:]))
	binary.BigEndian.PutUint16(head[4:], uint16(h[addrLength]))
	copy(head[6:14], h[addrBytes:])
	protocol, size := h[addrProtocol:addrProtocol+2], cookedLen
	if u32(h[frameStatus:])&unix.TP_STATUS_VLAN_VALID != 0 {
		binary.BigEndian.PutUint16(head[14:], tagType(h))
		binary.BigEndian.PutUint16(head[16:], uint16(u32(h[frameTCI:]))) //nolint:gosec // the kernel keeps 16 bits in 32
		size += tagLen
	}
	copy(head[size-2:size], protocol)
	if start-size < w.off+frameHeader {
		return start // no room: this kernel lays it out otherwise
	}
	copy(w.block[start-size:], head[:size])
	return start - size
}
