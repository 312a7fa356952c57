package dns

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/lru"
	"wormscope/internal/ip"
)

const (
	maxResolvers  = 4096
	maxCandidates = 65536
	// enoughClients is how many hosts someone must have answered to be a
	// resolver. One is any server; a host that resolves for itself and its
	// containers has few.
	enoughClients = 3
)

// resolvers learns who resolves. Candidates stand apart from those who are
// known, so that a flood of forged answers makes it forget none of these.
type resolvers struct {
	known      *lru.Table[ip.Addr, struct{}]
	candidates *lru.Table[ip.Addr, candidate]
	last       ip.Addr // who is known and answered last
}

// candidate is someone who answers queries with RA set, for too few clients
// yet to be a resolver.
type candidate struct {
	clients [enoughClients]ip.Addr
	n       int
	outside bool
}

// meet counts a client.
func (c *candidate) meet(client ip.Addr) {
	if c.n < enoughClients && !slices.Contains(c.clients[:c.n], client) {
		c.clients[c.n] = client
		c.n++
	}
}

func newResolvers() resolvers {
	hash := ip.NewSecret().Addr
	return resolvers{
		known:      lru.NewHashed[ip.Addr, struct{}](maxResolvers, hash),
		candidates: lru.NewHashed[ip.Addr, candidate](maxCandidates, hash),
	}
}

// Resolver reports whether a host is known to resolve for others.
func (d *Detector) Resolver(a netip.Addr) bool { return d.resolvers.known.Get(ip.From(a)) != nil }

// serves reports whether a host was seen to answer anyone as a resolver does.
func (d *Detector) serves(a netip.Addr) bool {
	return d.resolvers.candidates.Get(ip.From(a)) != nil || d.Resolver(a)
}

// learn notes an answer of someone who may be a resolver.
func (d *Detector) learn(m *message) {
	r := &d.resolvers
	host, client := m.src.Addr, m.dst.Addr
	if host == r.last || client.Multicast() {
		return
	}
	if known := r.known.Get(host); known != nil {
		r.last = host
		r.known.Touch(known)
		return
	}
	e := r.candidates.Get(host)
	if e == nil {
		e = r.candidates.Add(host)
		e.Value.outside = !d.zones.Inside(host.Netip())
	}
	if v := &e.Value; !v.outside || d.answersOnly() {
		v.meet(client)
	}
	if e.Value.n < enoughClients {
		return
	}
	r.candidates.Remove(e)
	r.known.Add(host)
	d.stats.Resolvers++
	d.emit.Fact(alert.Fact{
		Kind: alert.FactResolver, Host: host.Netip(), Peer: client.Netip(), Port: port,
		Time: time.Unix(0, m.time).UTC(), Frame: m.frame,
	})
}

// sought notes who asks someone outside who may be a resolver: these are its clients.
// Whom it answers is not, where the capture shows queries: anyone can send answers that
// nobody asked for, and forge their sender. Nobody outside can have it asked where the
// capture is made.
func (d *Detector) sought(m *message) {
	r := &d.resolvers
	if m.dst.Port != port || m.dst.Addr == r.last {
		return
	}
	if e := r.candidates.Get(m.dst.Addr); e != nil && e.Value.outside {
		e.Value.meet(m.src.Addr)
	}
}
