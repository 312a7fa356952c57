package main

import (
	"maps"
	"sync/atomic"
	"time"

	"wormscope/capture/ring"
	"wormscope/detect"
	"wormscope/detect/alert"
	"wormscope/ioc"
	"wormscope/sinks"
	"wormscope/sinks/outbox"
)

// A snapshot is the state of a live run at one time, as status pages and metrics
// show it. Counters count since the start of the run. It is never changed once it
// is published, so that any goroutine may read it.
type snapshot struct {
	At      time.Time // when it was taken, wall clock
	Started time.Time // when the run began

	Frames     uint64 // handed to the decoder
	Bytes      uint64 // on the wire, of these
	Last       int64  // packet time of the latest, Unix nanoseconds, 0 for none
	Undecoded  map[string]uint64
	Panics     uint64 // frames that the program failed on
	WentBack   uint64 // times that frames became more than a second older than one before them
	Interfaces []ring.Interface

	Alerts       map[alert.Rule]uint64 // alerts raised; updates and ends are not counted
	Events       sinks.FileStats       // of the event file
	EventsFailed time.Time             // when a write of the event file was last seen to fail
	StateFailed  time.Time             // when a write of the state folder was last seen to fail
	StateErrors  uint64                // seconds in which it failed
	Hosts        map[string]int        // number of inside hosts by state, such as "suspected"
	Outbox       *outbox.Stats         // what waits for sinks, nil where there are none
	// Tables are those of the detectors and of the ledger.
	Tables []detect.Table

	Indicators ioc.Counts // in use
	Feeds      []feedSnapshot
	Reloads    uint64    // times that feeds were read anew and used
	Reloaded   time.Time // the last time that new feeds were used, the start included

	Configured    time.Time // when the configuration in force was read
	Misconfigured bool      // when it was read again it was unusable, so that the one before stays in force

	Memory memorySnapshot
}

// feedSnapshot is one feed file.
type feedSnapshot struct {
	Name    string
	Path    string    // empty for the built-in indicators
	Entries int       // in use
	Spare   bool      // there need be none: it has nothing but what is never seen in packets, or is allowed
	Loaded  time.Time // when the entries in use were read
	Refused uint64    // times that the file was not used since
	Reason  string    // why it was refused the last time, empty when it was not
}

// inUse reports whether the feed is what its user wants it to be.
func (f feedSnapshot) inUse() bool { return f.Entries > 0 || f.Spare }

// memorySnapshot is what the process takes.
type memorySnapshot struct {
	Resident   uint64 // its memory, bytes, the ring included; 0 where it is not known
	Goroutines int
}

// A board is where the capture loop publishes the latest snapshot for other
// goroutines. The zero value has none.
type board struct {
	latest atomic.Pointer[snapshot]
	turned atomic.Int64 // when the capture loop turned last, Unix nanoseconds
}

// snapshot returns the latest snapshot, nil before the first.
func (b *board) snapshot() *snapshot { return b.latest.Load() }

// lastTurn returns when the capture loop turned last. A loop that is alive
// turns several times a second, whether there is traffic or not.
func (b *board) lastTurn() time.Time { return time.Unix(0, b.turned.Load()) }

// snapshot returns what the pipeline knows. It is called from the goroutine
// that runs the pipeline.
func (p *pipeline) snapshot() *snapshot {
	decoded := p.decodedStats()
	s := &snapshot{
		Frames: p.traffic.frames, Bytes: p.traffic.bytes, Last: p.traffic.last,
		Undecoded: maps.Collect(decoded.Undecoded()), Panics: p.traffic.panics, WentBack: p.engine.TimeWentBack(),
		Alerts: maps.Clone(p.raised), Hosts: p.ledger.States(), Tables: p.tables(), Indicators: p.set.Counts(),
	}
	if p.events.file != nil {
		s.Events = p.events.file.Stats()
	}
	return s
}

// tables says how full the tables are.
func (p *pipeline) tables() []detect.Table {
	var all []detect.Table
	for _, d := range p.engine.Detectors() {
		if t, ok := d.(interface{ Tables() []detect.Table }); ok {
			all = append(all, t.Tables()...)
		}
	}
	hosts := detect.Table{Name: "ledger hosts", Evicted: p.ledger.Evicted()}
	for _, n := range p.ledger.States() {
		hosts.Entries += n
	}
	return append(all, hosts)
}
