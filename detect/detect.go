// Package detect runs the detectors over the packets. It has the engine that calls
// them, and what a detector must do to be called.
//
// Its folders are, by what they are for:
//
//   - detectors: scan, dns, contact, smb, exposure, crossing
//   - what a detector says: alert
//   - what counts as inside, and in which zone: zone
//   - wire formats: dnsmsg, smb1; and flow, which puts TCP segments in order
//   - the tables that detectors keep their state in: lru, dup
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
	// Tick lets time pass: it is called about once a second of packet time with
	// the latest time seen, Unix nanoseconds. That goes back only where the clock of
	// the packets was set back, by more than ClockBack.
	Tick(now int64)
	// Close says what is still open, at the end of the capture. now is as for Tick.
	Close(now int64)
}

// A Changing Detector does not want the same packets all the time.
type Changing interface {
	Detector
	// OnChange gives it the function to call whenever Wants has a new answer.
	OnChange(changed func())
}

// A Hurrying Detector suppresses most updates of an alert that grows, see
// alert.Pace.
type Hurrying interface {
	// Hurry lets the next update of each open alert about some hosts through. The
	// hosts may be thousands, and so may the alerts: it looks at each alert once.
	Hurry(hosts map[netip.Addr]bool)
}

// Interest is which packets a Detector wants: those of one of these Kinds that come
// from one of the ports From or go to one of the ports To. Where both are nil, any
// port will do. Packets with an end in one of the blocks Near are wanted whatever
// their kind and port; only one of an engine's detectors may have such blocks.
type Interest struct {
	Kinds    Kind
	From, To []uint16
	Near     *ip.Blocks
}

// anyPort reports whether any port will do.
func (i *Interest) anyPort() bool { return i.From == nil && i.To == nil }

// Kind is a set of kinds of packet.
type Kind uint8

// The kinds of packet; each packet is of exactly one.
const (
	TCPControl Kind = 1 << iota // TCP with SYN or RST, or without ACK
	TCPClose                    // any other TCP segment with FIN
	TCPData                     // any other TCP segment
	UDP
	ICMP  // errors of ICMP and ICMPv6
	Other // any other protocol, and ICMP messages that are not errors

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
