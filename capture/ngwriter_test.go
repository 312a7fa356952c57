package capture_test

import (
	"bytes"
	"encoding/binary"
)

// An ngWriter makes pcapng files by hand, good ones and others.
type ngWriter struct {
	bytes.Buffer
	big bool
}

func (w *ngWriter) order() binary.ByteOrder {
	if w.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// numbers returns values one after the other in the byte order.
func (w *ngWriter) numbers(values ...any) []byte {
	var b bytes.Buffer
	for _, v := range values {
		if err := binary.Write(&b, w.order(), v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// pad returns b, with zeros up to a multiple of four bytes.
func pad(b []byte) []byte { return append(bytes.Clone(b), make([]byte, -len(b)&3)...) }

// block writes a block with its lengths.
func (w *ngWriter) block(kind uint32, body []byte) {
	body = pad(body)
	size := uint32(len(body) + 12)
	w.Write(w.numbers(kind, size))
	w.Write(body)
	w.Write(w.numbers(size))
}

// option returns an option with its code and length.
func (w *ngWriter) option(code uint16, value []byte) []byte {
	return append(w.numbers(code, uint16(len(value))), pad(value)...)
}

func (w *ngWriter) section() {
	w.block(0x0a0d0d0a, w.numbers(uint32(0x1a2b3c4d), uint16(1), uint16(0), int64(-1)))
}

func (w *ngWriter) iface(link uint16, snaplen uint32, options []byte) {
	w.block(1, append(w.numbers(link, uint16(0), snaplen), options...))
}

func (w *ngWriter) enhanced(iface uint32, ticks uint64, data []byte, wire uint32, options []byte) {
	b := w.numbers(iface, uint32(ticks>>32), uint32(ticks), uint32(len(data)), wire)
	b = append(append(b, pad(data)...), options...)
	w.block(6, b)
}

func (w *ngWriter) simple(data []byte, wire uint32) {
	w.block(3, append(w.numbers(wire), data...))
}

func (w *ngWriter) obsolete(iface, drops uint16, ticks uint64, data []byte, wire uint32) {
	b := w.numbers(iface, drops, uint32(ticks>>32), uint32(ticks), uint32(len(data)), wire)
	w.block(2, append(b, data...))
}

func (w *ngWriter) statistics(iface uint32, options []byte) {
	w.block(5, append(w.numbers(iface, uint32(0), uint32(0)), options...))
}
