//go:build !libpcap

package libpcap

import (
	"errors"
	"io"

	"wormscope/capture"
	"wormscope/capture/ring"
)

// Available says whether this build has libpcap.
const Available = false

// errBuild says why there is no libpcap.
var errBuild = errors.New("this program was built without libpcap: build it with -tags libpcap")

// A Source needs a build with libpcap.
type Source struct{}

// Open returns an error in this build.
func Open(ring.Options, string) (*Source, error) { return nil, errBuild }

// Next returns no frames in this build.
func (*Source) Next(*capture.Frame) error { return io.EOF }

// Name returns nothing in this build.
func (*Source) Name(int) string { return "" }

// Stats returns nothing in this build.
func (*Source) Stats() ring.Stats { return ring.Stats{} }

// Settle does nothing in this build.
func (*Source) Settle() {}

// Stop does nothing in this build.
func (*Source) Stop() {}

// Close does nothing in this build.
func (*Source) Close() error { return nil }
