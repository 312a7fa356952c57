// Package capture is where frames come from: capture files, folders of them
// and standard input. It knows file formats, not protocols.
//
// Begin with Reader (reader.go), which merges the frames of several files by
// time. Below it a file (file.go) recognises what it is, unpacks it and hands
// its bytes to one of the formats, pcap or pcapng; resync.go finds the next
// record after damage. Frames come one by one (Frame) or, where the cost of
// each matters, many at a time (Run). Live sources are in packages ring and
// libpcap, and deliver the same two types.
package capture

import "math"

// A Frame is one link-layer frame as captured. Data is valid only until the
// source is asked for the next frame; whoever keeps any of it must copy it.
type Frame struct {
	Time   int64    // capture time, nanoseconds since the Unix epoch, UTC; of September 1678 to April 2261
	Data   []byte   // the captured bytes, at most Len; borrowed
	Len    int      // length on the wire, in bytes
	Link   LinkType // what Data begins with
	File   int      // which file of the source, an index for its Name method
	Number uint64   // 1-based number of the frame within its file, as Wireshark counts
}

// asInt returns a length that a file claims as an int: where that has 32 bits, 2 GiB
// at most.
func asInt(n uint32) int {
	if math.MaxInt == math.MaxInt32 && n > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(n)
}

// A LinkType says which link-layer header a frame begins with, in the numbers
// of the pcap LINKTYPE registry (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that package packet decodes.
const (
	LinkNull     LinkType = 0   // BSD loopback: address family in host byte order
	LinkEthernet LinkType = 1   // IEEE 802.3 Ethernet
	LinkRawBSD   LinkType = 12  // DLT_RAW as some systems write it
	LinkRawOBSD  LinkType = 14  // DLT_RAW as OpenBSD writes it
	LinkRaw      LinkType = 101 // raw IPv4 or IPv6
	LinkLoop     LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkSLL      LinkType = 113 // Linux "any" interface, cooked
	LinkIPv4     LinkType = 228 // raw IPv4
	LinkIPv6     LinkType = 229 // raw IPv6
	LinkSLL2     LinkType = 276 // Linux "any" interface, cooked v2
)
