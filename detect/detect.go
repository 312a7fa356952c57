// Package detect runs the detectors over the packets. The detectors are in
// its folders, one each; detect has what they share: the engine that calls
// them, the settings, and what counts as inside.
package detect

import (
	"net/netip"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

// A Detector looks at packets and says what it found to the Emitter that it
// was made with. It is called from one goroutine, on packet time.
type Detector interface {
	// Wants says which packets to call Packet with.
	Wants() Interest
	// Packet looks at one packet. It keeps nothing of it without copying. It
	// may be called with packets from and to other ports than it wants.
	Packet(p *packet.Packet)
	// Tick lets time pass: it is called about once a second of packet time
	// with the latest time seen, which goes back only where the clock of the
	// packets was set back, by more than ClockBack.
	Tick(now int64)
	// Close says what is still open, at the end of the capture.
	Close(now int64)
}

// A Changing Detector wants other packets after some packet than before it.
type Changing interface {
	Detector
	// OnChange gives it what to call whenever that is so.
	OnChange(changed func())
}

// A Hurrying Detector has alerts that it says again only now and then, while
// they grow.
type Hurrying interface {
	// Hurry has it say all that it knows about some hosts when next it grows. They
	// may be thousands, and so may the alerts: it looks at each alert once.
	Hurry(hosts map[netip.Addr]bool)
}

// Interest is the packets that a Detector wants: of one of these kinds, and
// from one of the ports From or to one of the ports To. Where both are nil the
// ports are of no matter. Packets with an end in the blocks Near it wants
// whatever they are; of an engine's detectors one may say so.
type Interest struct {
	Kinds    Kind
	From, To []uint16
	Near     *ip.Blocks
}

// anyPort reports whether the ports are of no matter.
func (i *Interest) anyPort() bool { return i.From == nil && i.To == nil }

// Kind is a set of kinds of packet.
type Kind uint8

// The kinds of packet; each packet is of exactly one.
const (
	TCPControl Kind = 1 << iota // TCP with SYN or RST, or with FIN and no ACK
	TCPClose                    // any other TCP segment with FIN
	TCPData                     // any other TCP segment
	UDP
	ICMP  // errors of ICMP and ICMPv6
	Other // any other protocol, and ICMP messages that are no errors

	TCP      = TCPControl | TCPClose | TCPData
	AllKinds = TCP | UDP | ICMP | Other
)

// A Table says how full a table of a detector is.
type Table struct {
	Name    string // of the table, lower case, the same for as long as the program runs
	Entries int
	Limit   int    // 0 where it is not a number of entries
	Evicted uint64 // entries that were let go early to make room
}
