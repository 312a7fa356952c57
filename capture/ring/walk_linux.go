package ring

import (
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"wormscope/capture"
	"wormscope/internal/prefetch"
)

// Where the fields of struct tpacket_block_desc with tpacket_hdr_v1, and of
// struct tpacket3_hdr with the sockaddr_ll after it, lie
// (include/uapi/linux/if_packet.h). All are in the byte order of the machine.
const (
	blockStatus  = 8
	blockPackets = 12
	blockFirst   = 16
	blockHeader  = 48 // its size

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
	frameData     = frameHeader + 20 // up to here there is header
)

const (
	tagLen     = 4  // a VLAN tag
	macsLen    = 12 // the two addresses before it
	cookedLen  = 16 // a LINUX_SLL header
	defaultTag = unix.ETH_P_8021Q
)

// How far readAhead goes, in bytes: a few large frames, or some small ones.
const (
	aheadLen   = 6 << 10 // from the next frame on
	aheadLeast = 2 << 10 // it is called again when less than this is left
)

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// A walk goes over the frames of one block.
type walk struct {
	block  []byte
	off    int  // offset of the next frame's header
	left   int  // frames that were not read yet
	ahead  int  // up to which offset readAhead has been
	cooked bool // frames have no link-layer header, and get LINUX_SLL's
	heads  int  // Options.Heads
	link   capture.LinkType
	file   int      // Frame.File
	number uint64   // of the last frame
	tally  struct { // since settle added it to the ring's counts
		frames, bytes, cut uint64
	}
}

// begin starts on a block that the kernel has handed over.
func (w *walk) begin(block []byte) {
	w.block, w.ahead = block, 0
	w.off = int(u32(block[blockFirst:]))
	w.left = max(int(u32(block[blockPackets:])), 0) // negative only in a block that makes no sense, with ints of 32 bits
}

// time returns the time of the next frame, Unix nanoseconds. It reports false
// when the block is damaged.
func (w *walk) time() (int64, bool) {
	if w.off < 0 || w.off > len(w.block)-frameData {
		return 0, false
	}
	return stamp(w.block[w.off : w.off+frameData]), true
}

// stamp is the time in the header of a frame.
func stamp(h []byte) int64 { return int64(u32(h[frameSec:]))*1e9 + int64(u32(h[frameNsec:])) }

// more fills r with the next frames, with no more than most, and with none later
// than until. It ends before a frame that makes no sense. It allocates nothing and
// copies no payload: what is put in front of a frame overwrites its header.
func (w *walk) more(r *capture.Run, most int, until int64) {
	block, off, n := w.block, w.off, 0
	captured, length, cut, oldest, newest := 0, int64(0), 0, int64(math.MaxInt64), int64(math.MinInt64)
	heads := r.Heads[:min(most, w.left, capture.MaxRun)]
	r.Block, r.Link, r.File, r.First = block, w.link, w.file, w.number+1
	for n < len(heads) && off >= 0 && off <= len(block)-frameData {
		if w.ahead < off+aheadLeast {
			w.readAhead(off)
		}
		h := block[off : off+frameData]
		start := off + int(u16(h[frameMAC:]))
		end := start + int(u32(h[frameCaptured:]))
		time := stamp(h)
		if time > until || start < off+frameData || end < start || end > len(block) {
			break
		}
		first := start
		if w.cooked || u32(h[frameStatus:])&unix.TP_STATUS_VLAN_VALID != 0 {
			first = w.restore(off, start, end)
		}
		wire := u32(h[frameLen:])
		if end-start < int(wire) && end-start > w.heads {
			cut++
		}
		heads[n] = capture.Head{
			Time: time, At: uint32(first), Captured: uint32(end - first), Len: wire + uint32(start-first), //nolint:gosec // blocks are far smaller
		}
		captured, length = captured+end-first, length+int64(heads[n].Len)
		oldest, newest = min(oldest, time), max(newest, time)
		n++
		off += int(u32(h[frameNext:]))
	}
	r.EndAs(n, capture.RunSum{Captured: captured, Len: length, Cut: cut, Oldest: oldest, Newest: newest})
	w.off, w.left = off, w.left-n
	w.count(r)
}

// count counts frames that were taken.
func (w *walk) count(r *capture.Run) {
	w.number += uint64(r.N)            //nolint:gosec // never negative
	w.tally.frames += uint64(r.N)      //nolint:gosec // "
	w.tally.bytes += uint64(r.Sum.Len) //nolint:gosec // "
	w.tally.cut += uint64(r.Sum.Cut)   //nolint:gosec // "
}

// readAhead fetches what the next frames are in. Another processor has written that,
// and only the header of a frame says where the next is: without this, more would wait
// for a cache miss at one frame after the other. As much goes through a ring in a
// moment as the caches hold, and is needed once: the detectors' tables are to stay
// there.
func (w *walk) readAhead(off int) {
	from, end := max(w.ahead, off), min(off+aheadLen, len(w.block))
	prefetch.Stream(w.block[from:max(from, end)])
	w.ahead = end
}

// restore puts what the kernel took out of a frame in front of it, and returns
// where it begins now.
func (w *walk) restore(off, start, end int) int {
	h := w.block[off : off+frameData]
	switch {
	case w.cooked:
		return w.cook(h, off, start)
	case end-start >= macsLen:
		putTag(w.block[start-tagLen:], h)
		return start - tagLen
	}
	return start
}

// putTag puts back the VLAN tag that the kernel took out: it moves the two MAC
// addresses, which begin at b[4], to the front of b, and writes the tag behind
// them. The first four bytes of b are the end of the header that the kernel wrote
// before the frame, of which nothing is read after this.
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
func (w *walk) cook(h []byte, off, start int) int {
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
	if start-size < off+frameHeader {
		return start // no room: this kernel lays it out otherwise
	}
	copy(w.block[start-size:], head[:size])
	return start - size
}
