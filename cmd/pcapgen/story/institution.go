package story

import (
	"net/netip"
	"time"
)

// An Institution is a hospital with three zones, its servers, and what the
// span port on its core router should tell of it.
type Institution struct {
	*Net
	Truth Truth

	Office, Production *Resolver
	Files, Plant, DMZ  FileServer
	Domain             FileServer

	contacts map[[2]netip.Addr]*Contact
	reached  map[netip.Addr]bool // answered on 445, and whether the internet was answered
}

// addr parses an address that is written in this package.
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// service parses an address with a port that is written in this package.
func service(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// NewInstitution builds the hospital.
func NewInstitution(seed uint64) *Institution {
	n := NewNet(seed,
		Segment{netip.MustParsePrefix("10.10.0.0/24"), 100},
		Segment{netip.MustParsePrefix("10.10.1.0/24"), 101},
		Segment{netip.MustParsePrefix("10.10.2.0/24"), 102},
		Segment{netip.MustParsePrefix("10.20.0.0/24"), 200},
		Segment{netip.MustParsePrefix("10.20.4.0/24"), 204},
		Segment{netip.MustParsePrefix("172.16.5.0/24"), 305},
	)
	i := &Institution{
		Net:      n,
		Files:    FileServer{addr("10.10.0.20"), "FILES01", 6, 3, 9600, 0x0302},
		Domain:   FileServer{addr("10.10.0.10"), "DC01", 10, 0, 14393, 0x0302},
		Plant:    FileServer{addr("10.20.0.20"), "PLANT01", 6, 1, 7601, 0x0210},
		DMZ:      FileServer{addr("172.16.5.45"), "DROP01", 6, 1, 7601, 0x0210},
		contacts: map[[2]netip.Addr]*Contact{},
		reached:  map[netip.Addr]bool{},
	}
	i.Office = n.NewResolver(addr("10.10.0.53"), service("192.0.2.30:53"), service("192.0.2.54:53"))
	i.Production = n.NewResolver(addr("10.20.0.53"), service("192.0.2.153:53"))
	n.Unix(addr("172.16.5.25"), addr("172.16.5.80"), addr("10.10.0.60"))
	i.Truth.Zones = map[string][]string{
		"office": {"10.10.0.0/16"}, "production": {"10.20.0.0/16"}, "dmz": {"172.16.5.0/24"},
	}
	i.Truth.Resolvers = []netip.Addr{i.Office.Addr, i.Production.Addr}
	return i
}

// zone returns the name of an inside address's zone.
func (i *Institution) zone(a netip.Addr) string {
	for name, prefixes := range i.Truth.Zones {
		if netip.MustParsePrefix(prefixes[0]).Contains(a) {
			return name
		}
	}
	return "internet"
}

// resolver returns who an inside host asks for names.
func (i *Institution) resolver(a netip.Addr) *Resolver {
	if i.zone(a) == "production" {
		return i.Production
	}
	return i.Office
}

// A fate is what becomes of an attempt at port 445 of a host.
type fate uint8

const (
	dead    fate = iota // no such host
	dropped             // a firewall drops it
	refused
	answered
)

// fate returns that of an inside host, always the same for each.
func (i *Institution) fate(a netip.Addr) fate {
	switch a {
	case i.Files.Addr, i.Domain.Addr, i.Plant.Addr, i.DMZ.Addr:
		return answered
	}
	last := a.As4()[3]
	if i.zone(a) == "dmz" {
		if last == 25 || last == 80 {
			return refused
		}
		return dead
	}
	if last < 10 || last >= 100 {
		return dead
	}
	return [...]fate{answered, answered, refused, answered, dropped, answered, refused, dropped, answered, dead}[last%10]
}

// smb445 is a host's port for SMB.
func smb445(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 445) }

// Share has a client read a file from a server.
func (i *Institution) Share(at time.Duration, client netip.Addr, s FileServer, size int) time.Duration {
	i.answeredOn445(client, s.Addr)
	return i.ReadFile(at, client, s, size)
}

// answeredOn445 notes that a host answered a client on port 445.
func (i *Institution) answeredOn445(client, server netip.Addr) {
	if i.segment(server) != nil {
		i.reached[server] = i.reached[server] || i.segment(client) == nil
	}
}

// contact notes a connection between a host and an indicator address.
func (i *Institution) contact(when time.Duration, host, indicator netip.Addr, state, initiator string) {
	key := [2]netip.Addr{host, indicator}
	c, ok := i.contacts[key]
	if !ok {
		c = &Contact{IP: host, Indicator: indicator, State: state, Initiator: initiator, First: at(when)}
		i.contacts[key] = c
		i.Truth.Contacts = append(i.Truth.Contacts, c)
	}
	c.Connections++
}

// lookup has a host look an indicator name up, as it writes it, and notes it.
func (i *Institution) lookup(when time.Duration, host netip.Addr, q Name, indicator string) time.Duration {
	done := i.resolver(host).Ask(when, host, q)
	rcode := "NXDOMAIN"
	if q.Exists() {
		rcode = "NOERROR"
	}
	for _, l := range i.Truth.Lookups {
		if l.IP == host && l.Name == indicator {
			l.Count++
			l.Rcode = rcode
			return done
		}
	}
	i.Truth.Lookups = append(i.Truth.Lookups, &Lookup{IP: host, Name: indicator, Rcode: rcode, Count: 1, First: at(when)})
	return done
}

// Finish completes the truth.
func (i *Institution) Finish() {
	for a, outside := range i.reached {
		i.Truth.Exposed = append(i.Truth.Exposed, Exposed{a, outside})
	}
	i.Truth.finish()
}
