// Package dns finds lookups of indicator names (rule ioc-domain) in DNS over
// UDP and TCP, port 53.
//
// The host that an alert is about is the one who asks: the source of a query,
// or the destination of an answer when the query was not captured. The alert is
// raised at the query and updated when the answer comes. There is one for each
// host and indicator; it ends when the host is quiet, or with the capture.
//
// # Who asks for whom
//
// A resolver asks for its clients, and must not be taken for one of them. A
// query is on behalf of another when
//
//   - a query for the same indicator reached the asker from inside in the last
//     five minutes. When the asker was seen to answer as a resolver does, and
//     that query or what it asked since is no more than ten seconds old, the
//     alert about the client says it all, and there is none about the asker;
//   - a query for the same indicator, from inside, waits at another address, of
//     a resolver that was asked within the last second, and the asker never asked
//     for it before: the resolver is asked on one address and asks on another,
//     or the client's address is translated. Where an alias led to the indicator,
//     that is known when the resolver gives the client the answer;
//   - it does not desire recursion, as iterative resolvers do;
//   - it carries an EDNS Client Subnet (RFC 7871). When that is a whole address
//     inside, and someone inside says so, the alert is about that host;
//   - the asker is known to resolve: it answered three different hosts with
//     RA set, or if it is outside, three asked it. For an alias that led to the
//     indicator one host is enough: the query that brought it was no sign yet that
//     anyone should remember.
//
// An alert about such a query has OnBehalf set, and is of low severity. One that began
// without OnBehalf gets it when the client's query comes a moment later, as it can
// where two sensors' clocks differ, or when the host passes the answer on.
//
// A forwarder whose clients are on the far side of the tap and that adds nothing to its
// queries can't be told from a client; when it is learned later, the fact
// (alert.FactResolver) says so. A resolver that is itself infected is seen by other
// rules, or by a lookup that none of this explains. One that is asked on one address,
// and on another asks a resolver that clients inside use, looks like two hosts.
//
// # Answers
//
// An answer comes from port 53 and belongs to the query with its port, ID and
// question of the last two minutes. One for an indicator without such a query
// makes a weaker alert, with Unasked set, until the capture has shown that the
// tap does not see queries: anyone can send it. A known resolver inside is believed;
// one outside is known by the queries that it is sent here, and its address can be
// forged from anywhere. Where an alias led to the indicator, its query asked for
// another name; of such a one it is remembered that there was one (queries.go).
// An answer over UDP to a port below 1024, but for 53, answers nobody: servers
// are made to send floods of them, to drown services. It makes no alert, and says
// nothing of what the tap shows.
//
// A zone that is transferred holds names that nobody asked for; they are not
// looked up.
//
// Multicast DNS and LLMNR are not read: there nobody resolves for anybody else.
//
// # Where to begin
//
// Detector.Packet (this file) hands on messages, those over TCP by way of stream.go.
// Detector.message (message.go) reads one, and Detector.match (finding.go) takes each
// name in it that is an indicator: it finds out whose lookup that is (behalf.go, with
// resolver.go, and lookup.go for messages of one lookup), and brings the alert up to date.
package dns

import (
	"time"

	"wormscope/capture/packet"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/detect/dnsmsg"
	"wormscope/detect/dup"
	"wormscope/detect/flow"
	"wormscope/detect/lru"
	"wormscope/detect/zone"
	"wormscope/ioc"
)

// port is where DNS is spoken (RFC 1035, chapter 4.2).
const port = 53

// Config bounds a Detector. The zero value of a field means its default.
type Config struct {
	// MaxFindings is how many alerts may be open; at the limit the one that is
	// quiet longest is ended. Default 65,536, at most 100 MB.
	MaxFindings int
	// MaxPerHost is how many indicators one host can have an alert each for;
	// what it asks for beyond goes into one alert, alert.NameManyIndicators.
	// Kill-switch names are not subject to it. Default 256.
	MaxPerHost int
	// Quiet is how long after its last lookup an alert ends. Default 1 h.
	Quiet time.Duration
	// Flows bounds the reassembly of DNS over TCP. Default 50,000 connections
	// and the defaults of package flow.
	Flows flow.Config
}

// Stats counts what a Detector saw.
type Stats struct {
	Queries, Responses uint64
	Reflected          uint64                   // of Responses, those to a port that nobody asks from
	OtherOpcodes       uint64                   // messages that are not lookups
	Undecoded          [dnsmsg.NumFaults]uint64 // messages that break off or make no sense, by dnsmsg.Fault
	CutShort           uint64                   // messages of which the capture holds the beginning only
	Matches            uint64                   // messages with an indicator name
	Misdirected        uint64                   // of Matches, queries not to and answers not from port 53
	Repeated           uint64                   // of Matches, copies and repetitions, and answers to what was counted
	Forwarded          uint64                   // of Matches, those explained by a client's query
	Evicted            uint64                   // alerts ended early to make room
	OverLimit          uint64                   // lookups counted in alert.NameManyIndicators
	Resolvers          uint64                   // resolvers learned
	NotDNS             uint64                   // TCP streams on port 53 that carry something else
	Flows              flow.Stats               // of DNS over TCP
}

// Detector finds lookups of indicator names. Make it with New.
type Detector struct {
	emit  alert.Emitter
	zones *zone.Map
	set   *ioc.Set
	tails *ioc.Tails // of set
	cfg   Config
	stats Stats

	flows     *flow.Table
	buffered  int // bytes that framers hold
	findings  *lru.Table[findingKey, finding]
	perHost   perHost
	asked     *lru.Table[askedKey, asking]
	waiting   *lru.Table[ioc.Match, waiting] // who waits for an answer
	viaAlias  *lru.Table[ioc.Match, waiting] // whom an alias led to the indicator, maybe on behalf of others
	lookups   *lru.Table[dup.Hash, lookup]
	queries   queries
	met       int // answers to queries that were seen, up to enoughMet
	resolvers resolvers

	parser  dnsmsg.Parser
	record  dnsmsg.Record
	reading reading
}

// New makes a detector that looks names up in set and tells emit.
func New(emit alert.Emitter, zones *zone.Map, set *ioc.Set, cfg Config) *Detector {
	if cfg.MaxFindings == 0 {
		cfg.MaxFindings = 65536
	}
	if cfg.MaxPerHost == 0 {
		cfg.MaxPerHost = 256
	}
	if cfg.Quiet == 0 {
		cfg.Quiet = time.Hour
	}
	if cfg.Flows.MaxFlows == 0 {
		cfg.Flows.MaxFlows = 50_000
	}
	if cfg.Flows.Ports == nil {
		cfg.Flows.Ports = []uint16{port}
	}
	d := &Detector{
		emit: emit, zones: zones, set: set, tails: set.Tails(), cfg: cfg,
		findings:  lru.New[findingKey, finding](cfg.MaxFindings),
		perHost:   perHost{},
		asked:     lru.New[askedKey, asking](maxAsked),
		waiting:   lru.New[ioc.Match, waiting](maxWaiting),
		viaAlias:  lru.New[ioc.Match, waiting](maxWaiting),
		lookups:   lru.New[dup.Hash, lookup](maxLookups),
		queries:   make(queries, queryPlaces),
		resolvers: newResolvers(),
	}
	d.flows = flow.New(cfg.Flows, d.openStream)
	return d
}

// Wants asks for UDP and TCP on port 53.
func (d *Detector) Wants() detect.Interest {
	ports := []uint16{port}
	return detect.Interest{Kinds: detect.UDP | detect.TCP, From: ports, To: ports}
}

// Stats returns what was counted so far.
func (d *Detector) Stats() Stats {
	s := d.stats
	s.Flows = d.flows.Stats()
	return s
}

// Tables says how full the detector's tables are.
func (d *Detector) Tables() []detect.Table {
	flows, most := d.flows.Open()
	stats := d.flows.Stats()
	return []detect.Table{
		{Name: "dns alerts", Entries: d.findings.Len(), Limit: d.findings.Limit(), Evicted: d.stats.Evicted},
		{Name: "dns connections", Entries: flows, Limit: most, Evicted: stats.Evicted},
		{Name: "dns resolvers", Entries: d.resolvers.known.Len(), Limit: d.resolvers.known.Limit()},
	}
}

// Packet looks at one packet; for one that is not on port 53 it does nothing.
func (d *Detector) Packet(p *packet.Packet) {
	switch {
	case p.Src.Port != port && p.Dst.Port != port:
	case p.Proto == packet.ProtoTCP:
		d.flows.Packet(p)
	case p.Proto == packet.ProtoUDP && p.PayloadLen > 0:
		d.message(&message{
			data: p.Payload, src: p.Src, dst: p.Dst, proto: p.Proto, vlan: p.VLAN, time: p.Time,
			frame: alert.FrameRef{File: p.File, Number: p.Number}, cut: p.Truncated || p.Fragment,
		})
	}
}

// Tick ends the alerts of hosts that are quiet, and idle connections.
func (d *Detector) Tick(now int64) {
	d.flows.Tick(now)
	for e := d.findings.Oldest(); e != nil && now-e.Value.active > int64(d.cfg.Quiet); e = d.findings.Oldest() {
		d.end(e, now)
	}
}

// Close ends every alert, in the order of their last lookups.
func (d *Detector) Close(now int64) {
	d.flows.Close()
	for e := d.findings.Oldest(); e != nil; e = d.findings.Oldest() {
		d.end(e, now)
	}
}
