// Package capfile writes capture files in every shape that readers must
// understand: pcap and pcapng, either byte order, micro- and nanoseconds.
package capfile

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	LinkNull     = 0
	LinkEthernet = 1
	LinkRaw      = 101
	LinkLoop     = 108
	LinkSLL      = 113
	LinkSLL2     = 276
)

// SnapLen is the snapshot length that file headers claim: no packet here is longer.
const SnapLen = 262144

// Pcap describes a classic capture file.
type Pcap struct {
	Order binary.AppendByteOrder // nil for little-endian
	Nano  bool                   // nanoseconds instead of microseconds
	Link  uint32
}

// A Writer writes packets to a pcap file. Its first error is kept and given
// by Flush; it is not safe for use by several goroutines.
type Writer struct {
	out   *bufio.Writer
	order binary.AppendByteOrder
	unit  int64 // nanoseconds a fraction of a second is counted in
	head  []byte
	err   error
}

// blockSize is how much is handed to the operating system at a time.
const blockSize = 1 << 20

// NewWriter writes the file header and returns a Writer for the packets.
func NewWriter(w io.Writer, p Pcap) *Writer {
	f := &Writer{out: bufio.NewWriterSize(w, blockSize), order: p.Order, unit: 1000}
	if f.order == nil {
		f.order = binary.LittleEndian
	}
	magic := uint32(0xa1b2c3d4)
	if p.Nano {
		magic, f.unit = 0xa1b23c4d, 1
	}
	b := f.order.AppendUint32(nil, magic)
	b = f.order.AppendUint16(b, 2)
	b = f.order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = f.order.AppendUint32(b, SnapLen)
	b = f.order.AppendUint32(b, p.Link)
	f.write(b)
	return f
}

// Packet writes one packet; at is its time in nanoseconds since the Unix epoch.
func (f *Writer) Packet(at int64, data []byte) { f.PacketOf(at, data, len(data)) }

// PacketOf writes a packet of which data is only the beginning: it was length
// bytes long on the wire.
func (f *Writer) PacketOf(at int64, data []byte, length int) {
	b := f.order.AppendUint32(f.head[:0], uint32(at/1e9))
	b = f.order.AppendUint32(b, uint32(at%1e9/f.unit))
	b = f.order.AppendUint32(b, uint32(len(data)))
	b = f.order.AppendUint32(b, uint32(length))
	f.head = b
	f.write(b)
	f.write(data)
}

// Flush writes what is still buffered and returns the first error there was.
func (f *Writer) Flush() error {
	if f.err == nil {
		f.err = f.out.Flush()
	}
	return f.err
}

func (f *Writer) write(b []byte) {
	if f.err == nil {
		_, f.err = f.out.Write(b)
	}
}
