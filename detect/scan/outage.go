package scan

// outage counts, for one port of a network, which of its addresses many sources
// inside failed at lately, first contacts each. When file servers are down,
// every client that looks for its shares fails at the same few addresses; hosts
// that a worm has got into fail at all addresses of the network. Who an alert is
// open about is not counted.
type outage struct {
	failed [256]uint8 // sources, by the last byte of the address
	many   uint16     // addresses that so many failed at
}

const (
	// sharedBy is how many sources inside must have failed at an address before
	// those who come after are not to blame.
	sharedBy = 5
	// sharedMost is the most addresses of a network that may be so: as many as
	// make a distributed scan.
	sharedMost = spreadTargets
)

// has reports whether an address is down, for all that is known.
func (o *outage) has(last uint8) bool { return o.failed[last] >= sharedBy && o.many <= sharedMost }

// fail counts a source that failed at an address.
func (o *outage) fail(last uint8) {
	n := &o.failed[last]
	if *n == 1<<8-1 {
		return
	}
	if *n++; *n == sharedBy {
		o.many++
	}
}

// end takes note that an address answers.
func (o *outage) end(last uint8) {
	if o.failed[last] >= sharedBy {
		o.many--
	}
	o.failed[last] = 0
}

// fade halves the counts for each hour.
func (o *outage) fade(hours tick) {
	o.many = 0
	for i := range o.failed {
		o.failed[i] >>= min(hours, 8)
		if o.failed[i] >= sharedBy {
			o.many++
		}
	}
}
