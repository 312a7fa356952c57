//go:build !linux

package ring

import (
	"errors"
	"io"

	"wormscope/capture"
)

// errSystem says why there are no rings.
var errSystem = errors.New("AF_PACKET rings are Linux's: build with -tags libpcap to capture on this system")

// Available says whether this system has AF_PACKET rings.
const Available = false

// A Source captures on Linux only.
type Source struct{}

// A Reader reads rings on Linux only.
type Reader struct{}

// Open returns an error on this system.
func Open(Options) (*Source, error) { return nil, errSystem }

// Next returns an error on this system.
func (*Source) Next(*capture.Frame) error { return io.EOF }

// More returns nothing on this system.
func (*Source) More(*capture.Run, int) int { return 0 }

// Rings returns nothing on this system.
func (*Source) Rings() []*Reader { return nil }

// Name returns nothing on this system.
func (*Source) Name(int) string { return "" }

// Stats returns nothing on this system.
func (*Source) Stats() Stats { return Stats{} }

// Settle does nothing: there are no frames on this system.
func (*Source) Settle() {}

// Stop does nothing on this system.
func (*Source) Stop() {}

// Close does nothing on this system.
func (*Source) Close() error { return nil }

// AttachEBPF returns an error on this system.
func (*Source) AttachEBPF(int) error { return errSystem }

// Next returns an error on this system.
func (*Reader) Next(*capture.Frame) error { return io.EOF }

// More returns nothing on this system.
func (*Reader) More(*capture.Run, int) int { return 0 }

// Name returns nothing on this system.
func (*Reader) Name(int) string { return "" }
