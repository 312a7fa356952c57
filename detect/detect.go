// Package detect runs every detector over every packet. The detectors are in
// its folders, one each; detect has what they share: the engine that calls
// them, the settings, and what counts as inside.
package detect

import "wormscope/capture/packet"

// A Detector looks at packets and says what it found to the Emitter that it
// was made with. It is called from one goroutine, on packet time.
type Detector interface {
	// Wants says which kinds of packet to call Packet with.
	Wants() Kind
	// Packet looks at one packet. It keeps nothing of it without copying.
	Packet(p *packet.Packet)
	// Tick lets time pass: it is called about once a second of packet time
	// with the latest time seen, which never goes back.
	Tick(now int64)
	// Close says what is still open, at the end of the capture.
	Close(now int64)
}

// Kind is a set of kinds of packet.
type Kind uint8

// The kinds of packet; each packet is of exactly one.
const (
	TCPControl Kind = 1 << iota // TCP with SYN, FIN or RST
	TCPData                     // any other TCP segment
	UDP
	ICMP  // ICMP and ICMPv6
	Other // any other protocol

	AllKinds = TCPControl | TCPData | UDP | ICMP | Other
)

const kindCount = 5

// A Table says how full a table of a detector is.
type Table struct {
	Name    string // of the table, lower case, the same for as long as the program runs
	Entries int
	Limit   int    // 0 where it is not a number of entries
	Evicted uint64 // entries that were let go early to make room
}
