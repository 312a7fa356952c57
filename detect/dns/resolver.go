package dns

import (
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/detect/lru"
)

const (
	maxResolvers = 65536
	// enoughClients is how many hosts someone must have answered to be a
	// resolver. One is any server; a host that resolves for itself and its
	// containers has few.
	enoughClients = 3
)

// resolvers learns who resolves. What answers but has too few clients is
// forgotten first when the table is full.
type resolvers struct {
	table *lru.Table[netip.Addr, answerer]
	last  netip.Addr // a known resolver, who answered last
}

// answerer is someone who answers queries with RA set.
type answerer struct {
	clients [enoughClients]netip.Addr
	n       int
}

func newResolvers() resolvers {
	return resolvers{table: lru.New[netip.Addr, answerer](maxResolvers)}
}

// Resolver reports whether a host is known to resolve for others.
func (d *Detector) Resolver(a netip.Addr) bool {
	e := d.resolvers.table.Get(a)
	return e != nil && e.Value.n == enoughClients
}

// learn notes an answer of someone who may be a resolver.
func (d *Detector) learn(m *message) {
	r := &d.resolvers
	host, client := m.src.Addr(), m.dst.Addr()
	if host == r.last || client.IsMulticast() {
		return
	}
	e := r.table.Get(host)
	if e == nil {
		e = r.table.Add(host)
	}
	v := &e.Value
	if v.n == enoughClients {
		r.last = host
		r.table.Touch(e)
		return
	}
	if slices.Contains(v.clients[:v.n], client) {
		return
	}
	v.clients[v.n] = client
	if v.n++; v.n < enoughClients {
		return
	}
	r.table.Touch(e)
	d.stats.Resolvers++
	d.emit.Fact(alert.Fact{
		Kind: alert.FactResolver, Host: host, Peer: client, Port: port,
		Time: time.Unix(0, m.time).UTC(), Frame: m.frame,
	})
}
