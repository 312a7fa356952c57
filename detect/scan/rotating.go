package scan

// A scanner may change its IPv6 address with every destination. So what the
// sources of a /64 that tried only one destination come to is tested together,
// too, port by port. An office looks much like that when its servers are down:
// each of its clients tries the one that it uses. What tells them apart is that
// a /64 of clients has few servers, most of which answer, and that clients come
// back.

// netFactor is how many times as much it takes against a /64 as against a
// source.
const netFactor = 2

// meetNet takes note of an attempt in the test of the /64 of its source, by
// the marks that it has as one of the source itself.
func (d *Detector) meetNet(pop *population, c *contact, m mark) mark {
	k := sourceKey{addr: net64(c.src), port: c.port, kind: perNet}
	kh := k.hash(k.addr.Hash())
	if m&arrived == 0 {
		d.pardon(pop, c, k, kh)
	}
	return d.note(pop, c, k, kh, firstNet) & firstNet
}

// pardon takes the failure of a source that comes back to its only destination
// out of the test of its /64.
func (d *Detector) pardon(pop *population, c *contact, net sourceKey, nh uint64) {
	n := pop.newcomers.find(c.kh, sourceKey{addr: c.src, port: c.port})
	if n == nil || !n.pooled || n.state != refused && n.state != silent {
		return
	}
	n.pooled = false
	if s := pop.find(nh, net); s != nil && s.finding == 0 {
		d.exonerate(s, n.weight)
	}
}

// factor is how many times as much it takes against this source as against one
// address.
func (s *source) factor() uint32 {
	if s.key.kind == perNet {
		return netFactor
	}
	return 1
}

// manyHosts reports whether the source is a /64 most of whose destinations
// answer. One host that changes its address can't be told then from many hosts
// that are used to their servers, and no volume says anything.
func (s *source) manyHosts() bool { return s.key.kind == perNet && s.answered > s.failed }
