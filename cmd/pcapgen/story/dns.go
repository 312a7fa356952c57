package story

import (
	"net/netip"
	"strings"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// A Resolver answers its clients' queries and asks upstream for them: a
// forwarder asks one other resolver, which does the work (RD = 1); an iterative
// one asks name servers itself (RD = 0).
type Resolver struct {
	n        *Net
	Addr     netip.Addr
	upstream []netip.AddrPort // one: forwarder; two: top-level and authoritative servers
	cache    map[string]bool  // what it asked already
}

// NewResolver makes a resolver. With one upstream it forwards, with two it
// asks a top-level name server and then an authoritative one.
func (n *Net) NewResolver(addr netip.Addr, upstream ...netip.AddrPort) *Resolver {
	n.Unix(addr)
	for _, u := range upstream {
		n.Unix(u.Addr())
	}
	return &Resolver{n: n, Addr: addr, upstream: upstream, cache: map[string]bool{}}
}

// A Name is what the world's DNS says of a name; without an address it does
// not exist.
type Name struct {
	Name  string
	Addr  netip.Addr
	Alias string // the name is an alias of this one, which has the address
}

// Exists reports whether the name does.
func (q Name) Exists() bool { return q.Addr.IsValid() }

func (q Name) kind() uint16 {
	if q.Addr.Is6() {
		return wire.TypeAAAA
	}
	return wire.TypeA
}

// answer fills in what the world's DNS says.
func (q Name) answer(m wire.DNS) wire.DNS {
	if !q.Exists() {
		m.Flags |= wire.NXDomain
		return m
	}
	r := wire.Record{Type: q.kind(), TTL: 300, Addr: q.Addr}
	if q.Alias != "" {
		m.Answers = append(m.Answers, wire.Record{Type: wire.TypeCNAME, TTL: 300, Host: q.Alias})
		r.Name = q.Alias
	}
	m.Answers = append(m.Answers, r)
	return m
}

// Ask has a client look a name up and returns when it has the answer.
func (r *Resolver) Ask(at time.Duration, client netip.Addr, q Name) time.Duration {
	n := r.n
	from, to := n.Port(client), netip.AddrPortFrom(r.Addr, 53)
	m := wire.DNS{ID: uint16(n.Rand.UintN(1 << 16)), Flags: wire.RD, Name: q.Name, Type: q.kind()}
	n.UDP(at, from, to, m.Append(nil))
	at += n.delay(client, r.Addr)
	if name := strings.ToLower(q.Name); !r.cache[name] {
		r.cache[name] = true
		at = r.resolve(at, q)
	}
	m.Flags |= wire.QR | wire.RA
	n.UDP(at, to, from, q.answer(m).Append(nil))
	return at + n.delay(client, r.Addr)
}

// resolve asks upstream.
func (r *Resolver) resolve(at time.Duration, q Name) time.Duration {
	if len(r.upstream) == 1 {
		return r.ask(at, r.upstream[0], q, wire.RD, wire.RD|wire.RA, true)
	}
	tld, auth := r.upstream[0], r.upstream[1]
	at = r.ask(at, tld, q, 0, 0, !q.Exists())
	if q.Exists() {
		at = r.ask(at, auth, q, 0, wire.AA, true)
	}
	return at
}

// ask asks one server, which answers, or when final is false refers to another.
func (r *Resolver) ask(at time.Duration, server netip.AddrPort, q Name, flags, answer uint16, final bool) time.Duration {
	n := r.n
	from := netip.AddrPortFrom(r.Addr, uint16(20000+n.Rand.UintN(40000)))
	m := wire.DNS{ID: uint16(n.Rand.UintN(1 << 16)), Flags: flags, Name: q.Name, Type: q.kind(), EDNS: true}
	n.UDP(at, from, server, m.Append(nil))
	at += n.delay(r.Addr, server.Addr())
	m.Flags = wire.QR | answer
	if final {
		m = q.answer(m)
	} else {
		zone := q.Name[strings.LastIndexByte(q.Name, '.')+1:]
		m.Auth = []wire.Record{{Name: zone, Type: wire.TypeNS, TTL: 172800, Host: "ns1." + zone}}
	}
	n.UDP(at, server, from, m.Append(nil))
	return at + n.delay(r.Addr, server.Addr())
}
