package capfile

import (
	"encoding/binary"
	"io"
)

// An Interface is one interface of a pcapng section.
type Interface struct {
	Link       uint16
	Name       string
	Resolution uint8 // if_tsresol: 6 for microseconds, 9 for nanoseconds, 0x80|n for 2^-n; 0 leaves the option out
}

// Block types and option codes of pcapng (draft-ietf-opsawg-pcapng).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockEnhanced  = 6

	optionName       = 2
	optionResolution = 9
)

// NG writes one pcapng section after the other. Its first error is kept.
type NG struct {
	out   io.Writer
	order binary.AppendByteOrder
	ifs   []Interface
	err   error
}

// NewNG returns a writer of pcapng sections.
func NewNG(w io.Writer) *NG { return &NG{out: w} }

// Section begins a section in this byte order, with these interfaces.
func (n *NG) Section(order binary.AppendByteOrder, ifs ...Interface) {
	n.order, n.ifs = order, ifs
	body := order.AppendUint32(nil, 0x1a2b3c4d)
	body = order.AppendUint16(body, 1)
	body = order.AppendUint16(body, 0)
	body = order.AppendUint64(body, ^uint64(0)) // length unknown
	n.block(blockSection, body)
	for _, i := range ifs {
		n.block(blockInterface, n.describe(i))
	}
}

func (n *NG) describe(i Interface) []byte {
	body := n.order.AppendUint16(nil, i.Link)
	body = append(body, 0, 0)
	body = n.order.AppendUint32(body, SnapLen)
	if i.Name != "" {
		body = n.option(body, optionName, []byte(i.Name))
	}
	if i.Resolution != 0 {
		body = n.option(body, optionResolution, []byte{i.Resolution})
	}
	return append(body, 0, 0, 0, 0)
}

// Packet writes an Enhanced Packet Block for the interface with this number;
// at is its time in nanoseconds since the Unix epoch.
func (n *NG) Packet(iface int, at int64, data []byte) {
	ticks := uint64(at) / 1000
	switch r := n.ifs[iface].Resolution; {
	case r == 9:
		ticks = uint64(at)
	case r&0x80 != 0:
		shift := r & 0x7f
		ticks = uint64(at/1e9)<<shift | uint64(at%1e9)<<shift/1e9
	}
	body := n.order.AppendUint32(nil, uint32(iface))
	body = n.order.AppendUint32(body, uint32(ticks>>32))
	body = n.order.AppendUint32(body, uint32(ticks))
	body = n.order.AppendUint32(body, uint32(len(data)))
	body = n.order.AppendUint32(body, uint32(len(data)))
	n.block(blockEnhanced, pad(append(body, data...)))
}

// Err returns the first error there was.
func (n *NG) Err() error { return n.err }

func (n *NG) option(b []byte, code uint16, value []byte) []byte {
	b = n.order.AppendUint16(b, code)
	b = n.order.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

func (n *NG) block(kind uint32, body []byte) {
	length := uint32(12 + len(body))
	b := n.order.AppendUint32(nil, kind)
	b = n.order.AppendUint32(b, length)
	b = append(b, body...)
	b = n.order.AppendUint32(b, length)
	if n.err == nil {
		_, n.err = n.out.Write(b)
	}
}

// pad fills up to a multiple of 4 bytes.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
