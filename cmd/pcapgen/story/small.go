package story

import (
	"fmt"
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// Incident tells of one infected host in a minute: it fetches the first stage,
// asks for the kill switch in vain, and sweeps port 445 of the next network,
// while others work.
func Incident() *Institution {
	i := NewInstitution(512)
	host, drop := addr("10.10.1.23"), service("203.0.113.66:443")
	for k, c := range i.clients()[:8] {
		i.Share(time.Duration(k)*900*time.Millisecond, c, i.Files, 500)
		q := site(k)
		done := i.Office.Ask(time.Duration(k)*1300*time.Millisecond, c, q)
		i.Secure(done, c, netip.AddrPortFrom(q.Addr, 443), 300, 1200)
	}
	i.Secure(Minute(0.1), host, drop, 300, 5000)
	i.contact(Minute(0.1), host, drop.Addr(), "established", "host")
	i.lookup(Minute(0.2), host, Name{Name: KillSwitch}, KillSwitch[4:])
	w := i.Infect(Minute(0.1), host, "fetched the first stage, kill switch not reached, scans")
	when := Minute(0.21)
	for last := 10; last < 110; last++ {
		target := addr(fmt.Sprintf("10.10.2.%d", last))
		w.try(when, target, i.fate(target))
		when += lanGap
	}
	i.Finish()
	return i
}

// Kill tells of a lookup of the kill switch in vain, and the first thirty
// attempts that follow.
func Kill() *Institution {
	i := NewInstitution(1)
	i.Office.cache[KillSwitch] = true
	host := addr("10.10.1.23")
	w := i.Infect(0, host, "kill switch not reached, scans")
	i.lookup(0, host, Name{Name: KillSwitch}, KillSwitch[4:])
	for k := range 30 {
		target := addr(fmt.Sprintf("10.10.2.%d", 10+k))
		w.try(time.Second+time.Duration(k)*lanGap, target, i.fate(target))
	}
	i.Finish()
	return i
}

// SixOnly tells of an infected host in a network that speaks IPv6 only.
func SixOnly() *Institution {
	i := NewInstitution(6)
	i.segments = append(i.segments,
		Segment{netip.MustParsePrefix("fd00:10:10::/64"), 610},
		Segment{netip.MustParsePrefix("fd00:10:10:1::/64"), 611},
		Segment{netip.MustParsePrefix("fd00:10:10:2::/64"), 612})
	i.Truth.Zones = map[string][]string{"six": {"fd00:10:10::/48"}}
	i.Office = i.NewResolver(addr("fd00:10:10::53"), service("[2001:db8:53::1]:53"))
	i.Truth.Resolvers = []netip.Addr{i.Office.Addr}
	for k := range 6 { // others work
		c, q := addr(fmt.Sprintf("fd00:10:10:1::%x", 0x40+k)), site(k)
		q.Addr = addr(fmt.Sprintf("2001:db8:80::%x", k+1))
		done := i.Office.Ask(time.Duration(k)*time.Second, c, q)
		i.Secure(done, c, netip.AddrPortFrom(q.Addr, 443), 300, 1200)
	}
	host := addr("fd00:10:10:1::23")
	i.lookup(Minute(0.2), host, Name{Name: KillSwitch, Addr: addr("2001:db8:10::10")}, KillSwitch[4:])
	w := i.Infect(Minute(0.2), host, "kill switch answered with an address that nobody answers at, scans")
	w.Scan = &Scanner{IP: host, Inside: true, Port: 445, First: at(Minute(0.21))}
	i.Truth.Scanners = append(i.Truth.Scanners, w.Scan)
	i.Silent(Minute(0.202), host, service("[2001:db8:10::10]:80"), 2)
	router := addr("fd00:10:10:1::1")
	for k := range 60 {
		target := addr(fmt.Sprintf("fd00:10:10:2::%x", 0x10+k))
		when := Minute(0.21) + time.Duration(k)*2*lanGap
		if k%3 == 2 {
			w.Scan.Targets++
			w.Scan.Refused++
			i.Unreachable(when, host, smb445(target), router)
			continue
		}
		w.try(when, target, [...]fate{answered, refused, dead, dropped, dropped}[k%5])
	}
	i.Finish()
	return i
}

// TwoSegments asks for the kill switch over TCP, once with the message cut in
// the middle of the name and once with a segment for each of the first bytes.
func TwoSegments() *Institution {
	return overTCP(func(c *Conn, query, answer []byte) {
		c.fromClient(wire.PSH|wire.ACK, query[:20])
		c.wait()
		c.fromClient(wire.PSH|wire.ACK, query[20:])
		c.Recv(answer)
	}, func(c *Conn, query, answer []byte) {
		for len(query) > 16 {
			c.fromClient(wire.PSH|wire.ACK, query[:1])
			query = query[1:]
			c.wait()
		}
		c.fromClient(wire.PSH|wire.ACK, query)
		c.wait()
		c.fromServer(wire.ACK, nil)
		c.fromServer(wire.PSH|wire.ACK, answer[:1])
		c.wait()
		c.Recv(answer[1:])
	})
}

// Pipelined asks for three names over TCP in one segment, the kill switch in
// the middle; the answers come in the reverse order, in one segment, too.
func Pipelined() *Institution {
	return overTCP(func(c *Conn, query, answer []byte) {
		before, after := wire.DNS{ID: 1, Flags: wire.RD, Name: "www.site1.example", Type: 1}, wire.DNS{ID: 3, Flags: wire.RD, Name: "www.site2.example", Type: 1}
		ask := append(wire.Framed(before.Append(nil)), query...)
		c.Send(append(ask, wire.Framed(after.Append(nil))...))
		before.Flags |= wire.QR | wire.RA
		after.Flags |= wire.QR | wire.RA
		reply := append(wire.Framed(Name{Addr: site(2).Addr}.answer(after).Append(nil)), answer...)
		c.Recv(append(reply, wire.Framed(Name{Addr: site(1).Addr}.answer(before).Append(nil))...))
	})
}

// overTCP has a client each ask for the kill switch over TCP, in its own way.
func overTCP(ways ...func(c *Conn, query, answer []byte)) *Institution {
	i := NewInstitution(53)
	for k, way := range ways {
		host := addr(fmt.Sprintf("10.10.1.%d", 23+k))
		when := time.Duration(k) * time.Second
		c := i.Dial(when, host, netip.AddrPortFrom(i.Office.Addr, 53))
		m := wire.DNS{ID: 0x5ca1, Flags: wire.RD, Name: KillSwitch, Type: wire.TypeA}
		query := wire.Framed(m.Append(nil))
		m.Flags |= wire.QR | wire.RA | wire.NXDomain
		c.wait()
		way(c, query, wire.Framed(m.Append(nil)))
		c.Close()
		i.Infect(when, host, "kill switch not reached")
		i.Truth.Lookups = append(i.Truth.Lookups, &Lookup{IP: host, Name: KillSwitch[4:], Rcode: "NXDOMAIN", Count: 1, First: at(when)})
	}
	i.Finish()
	return i
}
