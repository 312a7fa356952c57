// Package alert is what a detector says: the one type that detection, the
// scope ledger and the sinks share. It imports nothing of the house but ioc.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"wormscope/ioc"
)

// An Alert is one finding about one host. It is emitted when it is found
// (PhaseStart), again as it grows (PhaseUpdate), and, for findings that end, a last
// time with their totals (PhaseEnd). All of these are words of one alert, and share
// its ID.
type Alert struct {
	ID       string   // derived from what the alert says, see Identify; the same capture gives the same
	Seq      int      // 0 for the start, then 1, 2, … for each later word
	Phase    Phase    // where in its life the alert is
	Rule     Rule     // what was found; event.action
	Name     string   // the rule's variant, such as "fan-out"; empty where there is only one
	Severity Severity // how much it matters

	Time        time.Time      // of the packet that decided; like all times here, in UTC
	Host        netip.Addr     // the host that the alert is about
	Orig, Resp  netip.AddrPort // originator and responder of the deciding flow; port 0 where many
	Proto       uint8          // IP protocol number of the deciding flow, 0 where none
	VLAN        uint16         // outermost VLAN identifier, 0 where none
	First, Last time.Time      // of what was counted so far
	Count       uint64         // how many: attempts, lookups, connections
	Indicator   *ioc.Indicator // what was matched, nil where the rule needs none
	Evidence    Evidence       // the details, by kind
	Frames      []FrameRef     // the first few frames that show it, in order; eight at most
}

// Evidence holds the details of an alert; exactly the ones of its rule are set.
type Evidence struct {
	Scan     *Scan
	Flood    *Flood
	DNS      *DNS
	Contact  *Contact
	Exposure *Exposure
	Crossing *Crossing
	SMB      *SMB
}

// A FrameRef names a frame as an analyst would look for it.
type FrameRef struct {
	File   int    // index of the capture file
	Number uint64 // 1-based within the file
}

// Rule is what an alert says, the value of event.action.
type Rule string

// The rules.
const (
	RuleDomain   Rule = "ioc-domain"  // asked for an indicator name, or one below it
	RuleContact  Rule = "ioc-ip"      // traffic with an indicator address
	RuleScan     Rule = "scan"        // the host scans
	RuleFlood    Rule = "flood"       // many sources, one target
	RuleExposure Rule = "smb-exposed" // the host answers on a lateral port
	// RuleCrossing: the host went, or tried to go, between zones that policy
	// closes to each other.
	RuleCrossing Rule = "zone-crossing"
)

// Rules returns all rules, in no order that means anything.
func Rules() []Rule {
	return []Rule{
		RuleDomain, RuleContact, RuleScan, RuleFlood, RuleExposure, RuleCrossing, RuleCheck, RuleExploit, RuleDoublePulsar,
	}
}

// Names of RuleScan alerts: how the scan was found. docs/detection.md has the rules.
const (
	NameSequential  = "sequential"  // the sequential test of a source at one port
	NameFanOut      = "fan-out"     // many new destinations at one port in a short time
	NameSlow        = "slow"        // the same over a day, some of which failed
	NameExternal    = "external"    // from outside, any ports
	NameVertical    = "vertical"    // many ports of single destinations
	NameDistributed = "distributed" // many sources share the destinations of a network
	NameHalfDuplex  = "half-duplex" // fan-out, by answers alone
)

// Names of alerts that stand for many others, which would be too many.
const (
	NameInboundSweep   = "inbound-sweep"   // of RuleContact: an indicator address tries many hosts
	NameManyIndicators = "many-indicators" // of RuleDomain: a host asks for very many indicators
)

// Names of RuleCrossing alerts.
const (
	NameOpen    = "open"    // a connection was accepted: the border does not hold
	NameBlocked = "blocked" // attempts alone: the border holds
)

// Phase is where in its life an alert is.
type Phase uint8

// The phases of an alert's life.
const (
	PhaseStart Phase = iota
	PhaseUpdate
	PhaseEnd
)

// String returns start, update or end.
func (p Phase) String() string { return [...]string{"start", "update", "end"}[p] }

// Severity orders alerts by how much they matter, 0 to 100 as ECS risk scores.
type Severity uint8

// The steps of severity that rules use.
const (
	Info     Severity = 10
	Low      Severity = 25
	Medium   Severity = 50
	High     Severity = 75
	Critical Severity = 95
)

// Scan is the evidence of a scan.
type Scan struct {
	Port    uint16   // the port scanned; 0 when many (a vertical or an external scan)
	Ports   []uint16 // some of the ports, when many: MaxPorts at most
	Lateral bool     // the port that decided is one that worms move over, as configured
	Targets uint64   // distinct destinations attempted
	// Estimated says that Targets is an estimate, as it is beyond some thousand.
	Estimated bool
	Answered  uint64       // attempts answered by SYN-ACK
	Refused   uint64       // attempts answered by RST or ICMP unreachable
	Silent    uint64       // attempts not answered in time
	Pending   uint64       // attempts so young that their answers may be on the way
	Rate      float64      // new destinations a second, from first to last
	Attempts  uint64       // distinct attempts at the time of the first alert: the delay of detection
	LLR       float64      // log-likelihood ratio of the sequential test at the alarm, 0 when another rule fired
	Sources   uint64       // distinct sources of a distributed scan, else 0
	Sample    []netip.Addr // some of the destinations, in the order attempted
	// Since is the first attempt that speaks for a scan: those before it may have
	// been harmless. Zero where it is not known.
	Since time.Time
}

// MaxPorts is how many of the ports of a scan are listed.
const MaxPorts = 10

// MostlyAnswered reports whether nine in ten targets answered, of those that had
// the time to.
func (s *Scan) MostlyAnswered() bool {
	due := max(s.Targets, s.Answered+s.Refused+s.Silent)
	return s.Answered*10 >= (due-min(s.Pending, due))*9
}

// Flood is the evidence of a flood: many sources, one target.
type Flood struct {
	Port    uint16  // the port flooded
	Sources uint64  // distinct sources, estimated
	Packets uint64  // packets counted
	Rate    float64 // packets a second
}

// DNS is the evidence of a lookup.
type DNS struct {
	Question string // name asked for, lower case, no trailing dot
	Type     string // query type, such as "A"
	Matched  string // name that matched the indicator: Question, or a CNAME of the chain
	// ResponseCode is the answer's RCODE in words ("NOERROR", "NXDOMAIN");
	// empty while no answer was seen.
	ResponseCode string
	Resolved     []netip.Addr // addresses answered
	Listed       []netip.Addr // those of Resolved that are indicators themselves
	Resolver     netip.Addr   // who was asked
	Client       netip.Prefix // EDNS Client Subnet (RFC 7871), invalid when there is none
	OnBehalf     bool         // the host asked as a resolver, for a client that is not known
	// Unasked says that answers came and no query was seen, on a tap that shows
	// queries: anyone may have sent them.
	Unasked bool
	// Last is what became of the latest lookup. The fields above keep the most
	// that any of them brought.
	Last Lookup
}

// Lookup is what became of one lookup: a question, what a stub asks with it
// (the other type of address, search suffixes), and the answers.
type Lookup struct {
	Time         time.Time // of the first query, zero where nothing is known
	Type         string    // query type of what was answered, or asked first
	ResponseCode string    // empty while no answer was seen that tells anything
	Resolved     []netip.Addr
}

// The values of Contact.State, and of Contact.Initiator.
const (
	ContactAttempted   = "attempted"
	ContactEstablished = "established"

	InitiatorHost    = "host"
	InitiatorPeer    = "peer"    // the indicator address
	InitiatorUnknown = "unknown" // the capture has no beginning; or it proves nothing
)

// Contact is the evidence of traffic with an indicator address.
type Contact struct {
	State          string // ContactAttempted or ContactEstablished
	Initiator      string // who began
	BytesOrig      uint64 // payload bytes from the originator
	BytesResp      uint64 // payload bytes from the responder
	Packets        uint64 // packets both ways
	Refused        bool   // the responder answered RST or unreachable
	Answered       bool   // the host sent something else to a peer that began
	TransportGuess bool   // originator and responder were guessed by port
	OnBehalf       bool   // a resolver asked the address, as a name server, for a client
	Hosts          uint64 // hosts that the address tried, when the alert is about the address itself, else 0
	HostsAnswered  uint64 // those of them that answered
	// Called is when the host first began a connection, or may have; zero where it
	// did not.
	Called time.Time
}

// Exposure is the evidence that a host answers on a lateral port.
type Exposure struct {
	Port uint16
	// By is the client that was answered first of those from the farthest away:
	// outside, another zone, the host's own. FromOutside says that it is not inside.
	By          netip.Addr
	FromOutside bool
	Clients     uint64 // distinct clients answered; MaxClients means that many or more
	// Zones are those that the clients were in, in the order in which they came, 16 at
	// most. Alerts share the slice: nobody may change it.
	Zones []string
}

// MaxClients is how many clients of a host are told apart.
const MaxClients = 64

// Crossing is the evidence of connections, or attempts, between zones that
// policy closes to each other.
type Crossing struct {
	Port             uint16
	FromZone, ToZone string
	// Open says that a connection was accepted: the border does not hold. Else
	// the alert is about attempts alone, and Targets says on how many hosts.
	Open    bool
	Targets uint64 // distinct destinations, 1 when Open
	Refused uint64 // attempts answered by RST, by the host or by a firewall
	Silent  uint64 // attempts that nothing answered
}

// Identify returns the id of an alert: the first 128 bits, in hexadecimal, of
// the SHA-256 of what it says and when it began. keys separate alerts of one
// rule about one host: a port, an indicator, a peer.
func Identify(rule Rule, host netip.Addr, first time.Time, keys ...string) string {
	b := make([]byte, 0, 128) // room enough for most, so that it stays on the stack
	b = append(b, rule...)
	b = append(b, 0)
	b = host.AppendTo(b)
	b = append(b, 0)
	b = strconv.AppendInt(b, first.UnixNano(), 10)
	for _, k := range keys {
		b = append(b, 0)
		b = append(b, k...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
