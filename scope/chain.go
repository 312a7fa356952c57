package scope

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
)

// A worm that has passwords brings itself to hosts that it knows to be there.
// Each of its scans looks like a server's that pushes to its clients; what gives
// it away is that hosts which it tried soon do the same, one after another.
//
// Servers push to each other, too. But they are few beside their clients, and
// begin at hours of their own, rarely just after another came by for the first
// time.
const (
	// chainDelay is how soon after another tried it first a host must begin to scan to
	// be taken for one that follows the other.
	chainDelay = 15 * time.Minute
	// A host that follows another spreads a worm if, within chainSpan of when it began,
	// enough hosts of the same root do: at least chainLinks, itself among them, and one
	// for each chainShare hosts that it, or the one that it follows, tried.
	chainSpan  = time.Hour
	chainLinks = 3
	chainShare = 50
	// chainRoot is how many times as many followers as another, in proportion to the
	// hosts that each tried, show that a host does not have the worm from that one.
	chainRoot = 4
)

// maxScanners is how many hosts that scan one port are compared, maxLeaders with
// how many that tried it each is, the latest.
const (
	maxScanners = 1 << 14
	maxLeaders  = 8
)

// A chain holds the inside hosts that scan one port.
type chain struct {
	port  uint16
	links []*link // by when they began
	of    map[netip.Addr]*link

	following int  // how many links may follow others
	answered  int  // how many look like servers
	judged    bool // it was judged last time
}

// A link is an inside host that scans a port.
type link struct {
	host  netip.Addr
	began int64   // its first scan of the port, Unix nanoseconds
	tried uint64  // hosts
	by    []*link // whom it may follow, who tried it last first
	led   uint64  // how many may follow it
	worm  bool    // the chain shows that it, too, spreads a worm

	answered bool // its scan looks like a server's that pushes to its clients

	// What judge works with.
	leader *link   // whom it follows most likely, nil for nobody
	root   *link   // where that leads to in the end
	tree   []*link // of a root, who follow it, by when they began
	shows  bool    // who follow it show a worm
	was    bool    // worm, when the chain was judged before
}

func (k *link) compare(other *link) int {
	return cmp.Or(cmp.Compare(k.began, other.began), k.host.Compare(other.host))
}

// outdoes reports whether a host has more than so many times as many followers as
// another, in proportion to the hosts that each tried.
func (k *link) outdoes(other *link, times uint64) bool {
	return times*other.led*k.tried < k.led*other.tried
}

// findLeader looks for the host that this one most likely follows: the one with the
// most followers in proportion to the hosts that it tried.
func (k *link) findLeader() {
	k.leader, k.root = nil, k
	for _, other := range k.by {
		if k.leader == nil || other.outdoes(k.leader, 1) {
			k.leader = other
		}
	}
	switch {
	case k.leader == nil:
	case k.outdoes(k.leader, chainRoot):
		k.leader = nil
	default:
		k.root = k.leader.root
	}
}

// relink notes what a new fact about a host means for the chains of scans, and
// returns the other hosts that are to be judged again.
func (l *Ledger) relink(h *host, f *fact) []*host {
	switch {
	case f.port == 0 || l.alone:
		return nil
	case f.kind == kindScanning:
		h.scans = true
		return l.rejoin(h, f.port)
	case f.kind != kindTargeted || !h.scans:
		return nil
	}
	if c := l.chains[f.port]; c == nil || c.of[h.addr] == nil || c.of[f.peer] == nil {
		return nil
	}
	return l.rejoin(h, f.port)
}

// relinkAll is relink for when any facts about a host may no longer count.
func (l *Ledger) relinkAll(h *host) (others []*host) {
	seen := map[uint16]bool{}
	for f := range h.all() {
		if f.kind == kindScanning && !seen[f.port] {
			seen[f.port] = true
			others = append(others, l.relink(h, f)...)
		}
	}
	return others
}

// rejoin brings the chain of a port up to date with a host that scans it, and
// returns the other hosts for whom that makes a difference.
func (l *Ledger) rejoin(h *host, port uint16) (others []*host) {
	c := l.chains[port]
	if c == nil {
		c = &chain{port: port, of: map[netip.Addr]*link{}}
		l.chains[port] = c
	}
	scan := h.scanOf(port)
	was := c.of[h.addr]
	since, changed := c.place(h.addr, scan.began)
	k := c.of[h.addr]
	if k != nil {
		changed = c.describe(k, &scan) || changed
		changed = l.follow(k, c) || changed
	}
	at, _ := slices.BinarySearchFunc(c.links, since, func(k *link, t int64) int { return cmp.Compare(k.began, t) })
	for _, later := range c.links[at:] {
		if slices.Contains(later.by, was) || l.triedBy(later, h.addr, port) {
			changed = l.follow(later, c) || changed
		}
	}
	if changed {
		for _, k := range c.judge() {
			if other := l.hosts.find(k.host); other != nil && other != h {
				other.setChained(port, k.worm)
				others = append(others, other)
			}
		}
	}
	h.setChained(port, k != nil && k.worm)
	return others
}

// place notes when a host began to scan, neverHappening when it did not. It
// returns since when that makes a difference for others, and reports whether it
// is news.
func (c *chain) place(addr netip.Addr, began int64) (since int64, news bool) {
	k := c.of[addr]
	switch {
	case k == nil && (began == neverHappening || len(c.links) >= maxScanners), k != nil && k.began == began:
		return neverHappening, false
	case k == nil:
		k = &link{host: addr, began: neverHappening}
		c.of[addr] = k
	default:
		at, _ := slices.BinarySearchFunc(c.links, k, (*link).compare)
		c.links = slices.Delete(c.links, at, at+1)
	}
	since, k.began = min(began, k.began), began
	if began == neverHappening {
		c.followed(k, nil)
		c.describe(k, &scanned{})
		delete(c.of, addr)
		return since, true
	}
	at, _ := slices.BinarySearchFunc(c.links, k, (*link).compare)
	c.links = slices.Insert(c.links, at, k)
	return since, true
}

// describe notes what a link's scan is like, and reports whether that is news.
func (c *chain) describe(k *link, s *scanned) bool {
	news := k.tried != s.tried || k.answered != s.answered
	if k.answered {
		c.answered--
	}
	if s.answered {
		c.answered++
	}
	k.tried, k.answered = s.tried, s.answered
	return news
}

// followed notes whom a host may follow.
func (c *chain) followed(k *link, by []*link) {
	c.following += min(len(by), 1) - min(len(k.by), 1)
	for _, other := range k.by {
		other.led--
	}
	for _, other := range by {
		other.led++
	}
	k.by = by
}

// follow looks for those whom a host may follow, and reports whether that is
// news.
func (l *Ledger) follow(k *link, c *chain) bool {
	type try struct {
		by *link
		at int64
	}
	var tries []try
	if h := l.hosts.find(k.host); h != nil {
		for f := range h.all() {
			if f.kind != kindTargeted || f.port != c.port || f.first >= k.began || f.first < k.began-int64(chainDelay) || h.excused(f) {
				continue
			}
			if by := c.of[f.peer]; by != nil && by.began <= f.first {
				tries = append(tries, try{by, f.first})
			}
		}
	}
	slices.SortFunc(tries, func(a, b try) int { return cmp.Or(cmp.Compare(b.at, a.at), a.by.compare(b.by)) })
	var by []*link
	for _, t := range tries {
		if len(by) < maxLeaders && !slices.Contains(by, t.by) {
			by = append(by, t.by)
		}
	}
	if slices.Equal(by, k.by) {
		return false
	}
	c.followed(k, by)
	return true
}

// triedBy reports whether it is known that a host tried the port at the host of a
// link: to anyone else it makes no difference when that began to scan.
func (l *Ledger) triedBy(k *link, by netip.Addr, port uint16) bool {
	h := l.hosts.find(k.host)
	if h == nil {
		return len(k.by) > 0 // it was dropped
	}
	for f := range h.all() {
		if f.peer == by && f.port == port && f.kind == kindTargeted {
			return true
		}
	}
	return false
}

// judge finds the links that show a worm, and returns those for which that changed, by
// when they began. It matters only to links that look like servers: where none does,
// which is nearly always so, there is nothing to do, however many links there are.
func (c *chain) judge() (changed []*link) {
	matters := c.following > 0 && c.answered > 0
	if !matters && !c.judged {
		return nil
	}
	c.judged = matters
	c.plant()
	var best *link
	for _, k := range c.links {
		if k.shows = show(k.tree); k.shows && (best == nil || k.outdoes(best, 1)) {
			best = k
		}
	}
	for _, k := range c.links {
		if k.shows {
			k.worm = !best.outdoes(k, chainRoot) // else it merely came by, too
		}
	}
	for _, k := range c.links {
		if k.worm != k.was {
			changed = append(changed, k)
		}
	}
	return changed
}

// plant gathers who follow each root.
func (c *chain) plant() {
	for _, k := range c.links { // leaders come before those who follow them
		k.was, k.worm = k.worm, false
		if len(k.tree) == 0 {
			k.tree = nil // no root the last time: do not keep its room
		}
		k.tree = k.tree[:0]
		if k.findLeader(); k.leader != nil {
			k.root.tree = append(k.root.tree, k)
		}
	}
}

// show marks those of a tree who show a worm, and reports whether anyone does.
func show(tree []*link) bool {
	shown, from, to := false, 0, 0
	for _, k := range tree {
		for tree[from].began < k.began-int64(chainSpan) {
			from++
		}
		for to < len(tree) && tree[to].began <= k.began+int64(chainSpan) {
			to++
		}
		k.worm = uint64(to-from) >= max(chainLinks, max(k.tried, k.leader.tried)/chainShare)
		shown = shown || k.worm
	}
	return shown
}

// scanned is how a host scanned a port.
type scanned struct {
	began    int64  // neverHappening when it did not, or that is explained
	tried    uint64 // hosts
	answered bool   // as a server
}

// scanOf returns how a host scanned a port.
func (h *host) scanOf(port uint16) scanned {
	s := scanned{began: neverHappening}
	for f := range h.all() {
		if f.kind == kindScanning && f.port == port && !h.excused(f) {
			s.began = min(s.began, f.first)
			s.tried += f.count
			s.answered = s.answered || f.answered
		}
	}
	return s
}

// setChained says of the host's scans of a port whether others show them to be
// a worm's.
func (h *host) setChained(port uint16, chained bool) {
	for f := range h.all() {
		if f.kind == kindScanning && f.port == port {
			f.chained = chained
		}
	}
}

// reviewAll judges hosts again. One that was dropped meanwhile is left out.
func (l *Ledger) reviewAll(hosts []*host, now time.Time, frame alert.FrameRef) {
	for _, h := range hosts {
		if l.hosts.find(h.addr) == h {
			l.review(h, now, frame)
		}
	}
}
