package outbox

import "time"

// Stats say how an outbox is doing. Counts are of this run.
type Stats struct {
	Appended uint64 // events made durable
	Queued   int    // events that are not durable yet
	Bytes    int64  // of all events that are kept
	Segments int    // files that they are in
	Lost     uint64 // events given up: at the bound, or because the disk took none
	Unsaved  uint64 // of these, those that were lost when the outbox was closed
	Errors   uint64 // failed writes
	Error    string // why events can't be made durable now, empty when they can
	Damaged  uint64 // damaged places that were passed over at the start
	Torn     uint64 // bytes that were not whole, cut off at the start: written in part when the program died, or damaged
	Sinks    []SinkStats

	lostWarned time.Time
}

// SinkStats say how one sink is doing. Counts are of this run.
type SinkStats struct {
	Name      string
	Waiting   int       // events that it wants and does not have
	Oldest    time.Time // when the oldest of these was appended, zero when it has all
	Delivered uint64    // events that have arrived
	Repeated  uint64    // events that were handed over again after a failure
	Refused   uint64    // events that the receiver will never take
	Lost      uint64    // events given up before it had them
	Retries   uint64    // failed attempts
	Error     string    // why deliveries fail now, empty when they do not
	Since     time.Time // since when they fail
}

// Stats returns how the outbox is doing.
func (b *Outbox) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Queued, s.Bytes, s.Segments = len(b.queue)+b.held, b.total, len(b.segments)
	if b.failing != nil {
		s.Error = b.failing.Error()
	}
	for _, sh := range b.shippers {
		one := sh.stats
		one.Name, one.Waiting = sh.name, sh.waiting
		s.Sinks = append(s.Sinks, one)
	}
	return s
}

// Waiting returns how many events wait for a sink, each counted for each sink
// that does not have it.
func (s *Stats) Waiting() int {
	n := 0
	for i := range s.Sinks {
		n += s.Sinks[i].Waiting
	}
	return n
}
