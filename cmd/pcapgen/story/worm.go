package story

import (
	"net/netip"
	"time"
)

// The names of WannaCry's kill switches (detection by name: shared knowledge
// since May 2017).
const (
	KillSwitch  = "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"
	KillSwitch2 = "www.ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.com"
)

// A Worm is one infected host that scans as WannaCry does: one thread over its
// own network, at most twenty attempts a second, and threads over random
// internet addresses, one more every two seconds.
type Worm struct {
	i    *Institution
	Addr netip.Addr
	Scan *Scanner
}

// lanGap is the time between two attempts of the thread over the own network.
const lanGap = 50 * time.Millisecond

// threadGap is the time between two attempts of an internet thread: 0.74 a second.
const threadGap = 1350 * time.Millisecond

// Infect makes a worm of a host, without a packet.
func (i *Institution) Infect(when time.Duration, host netip.Addr, why string) *Worm {
	i.Truth.Infected = append(i.Truth.Infected, Infected{IP: host, Zone: i.zone(host), When: at(when), Why: why})
	return &Worm{i: i, Addr: host}
}

// scanner returns the worm's entry in the truth, made with its first attempt.
func (w *Worm) scanner(when time.Duration) *Scanner {
	if w.Scan == nil {
		w.Scan = &Scanner{IP: w.Addr, Inside: true, Port: 445, First: at(when)}
		w.i.Truth.Scanners = append(w.i.Truth.Scanners, w.Scan)
	}
	return w.Scan
}

// Neighbours scans the host's own /24 once and returns when it is done. Where
// hosts of a network reach each other without the router, an address that no
// host has shows only as an ARP request; where they don't (a private VLAN), the
// router says unreachable for every fourth and drops the rest.
func (w *Worm) Neighbours(when time.Duration, private bool) time.Duration {
	prefix := netip.PrefixFrom(w.Addr, 24).Masked()
	router := prefix.Addr().Next()
	for a := router.Next(); prefix.Contains(a.Next()); a = a.Next() {
		if a == w.Addr {
			continue
		}
		f := w.i.fate(a)
		switch {
		case f == dead && !private:
			w.i.ARP(when, w.Addr, a)
		case f == dead && a.As4()[3]%4 == 0:
			s := w.scanner(when)
			s.Targets++
			s.Refused++
			w.i.Unreachable(when, w.Addr, smb445(a), router)
		default:
			w.try(when, a, f)
		}
		when += lanGap + time.Duration(w.i.Rand.Int64N(int64(4*time.Millisecond)))
	}
	return when
}

// try makes one attempt at a host's port 445.
func (w *Worm) try(when time.Duration, target netip.Addr, f fate) {
	s := w.scanner(when)
	s.Targets++
	switch f {
	case dead, dropped:
		s.Silent++
		w.i.Silent(when, w.Addr, smb445(target), 1)
	case refused:
		s.Refused++
		w.i.Refuse(when, w.Addr, smb445(target), 1)
	case answered:
		s.Answered++
		w.i.answeredOn445(w.Addr, target)
		w.i.Dial(when, w.Addr, smb445(target)).Close()
	}
	if f >= refused && w.i.segment(target) != nil {
		w.i.Truth.Targeted = append(w.i.Truth.Targeted, target)
	}
}

// Internet scans random internet addresses with up to this many threads until
// an end. WannaCry has 128; with fewer the capture stays small.
func (w *Worm) Internet(when, end time.Duration, threads int) {
	for thread := range threads {
		for t := when + time.Duration(thread)*2*time.Second; t < end; t += threadGap + time.Duration(w.i.Rand.Int64N(int64(80*time.Millisecond))) {
			f := dropped
			switch p := w.i.Rand.IntN(100); {
			case p == 0:
				f = answered
			case p < 4:
				f = refused
			}
			w.try(t, w.i.randomInternet(), f)
		}
	}
}

// randomInternet draws a public unicast address that is not a documentation range.
func (n *Net) randomInternet() netip.Addr {
	for {
		v := n.Rand.Uint32()
		a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		if Public(a) {
			return a
		}
	}
}

// Public reports whether an IPv4 address is a public unicast address: in none
// of the special-purpose blocks (RFC 6890, IANA registry).
func Public(a netip.Addr) bool {
	b := a.As4()
	switch {
	case b[0] == 0, b[0] == 10, b[0] == 127, b[0] >= 224,
		b[0] == 100 && b[1]&0xc0 == 64, b[0] == 169 && b[1] == 254,
		b[0] == 172 && b[1]&0xf0 == 16, b[0] == 192 && b[1] == 168,
		b[0] == 192 && b[1] == 0, b[0] == 192 && b[1] == 88 && b[2] == 99,
		b[0] == 198 && b[1]&0xfe == 18, b[0] == 198 && b[1] == 51 && b[2] == 100,
		b[0] == 203 && b[1] == 0 && b[2] == 113:
		return false
	}
	return true
}
