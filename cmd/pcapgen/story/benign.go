package story

import (
	"fmt"
	"net/netip"
	"time"
)

// workday has the hospital go about its business until an end: clients look
// names up, read the web and mail, and open files.
func (i *Institution) workday(end time.Duration) {
	for _, c := range i.clients() {
		i.clientDay(c, end)
	}
	for when := Minute(0.4); when < end; when += Minute(1.7) {
		i.Share(when, i.Plant.Addr, i.Files, 600) // the plant's server fetches orders
		i.Mail(when+Minute(0.3), addr("192.0.2.25"), addr("172.16.5.25"))
		i.Get(when+Minute(0.5), addr("192.0.2.99"), service("172.16.5.80:80"), "www.hospital.example", "/", 2200)
	}
}

// clients are the workstations that have something to do today.
func (i *Institution) clients() []netip.Addr {
	nets := []string{"10.10.1.", "10.10.2.", "10.20.4."}
	lasts := []int{11, 15, 18, 23, 30, 33, 41, 45, 50, 61, 68, 77, 90}
	out := make([]netip.Addr, 0, len(nets)*len(lasts))
	for _, net := range nets {
		for _, last := range lasts {
			out = append(out, addr(fmt.Sprint(net, last)))
		}
	}
	return out
}

// site is a web site that clients read.
func site(k int) Name {
	return Name{Name: fmt.Sprintf("www.site%d.example", k), Addr: addr(fmt.Sprintf("192.0.2.%d", 200+k))}
}

// clientDay is what one workstation does.
func (i *Institution) clientDay(c netip.Addr, end time.Duration) {
	when := time.Duration(i.Rand.Int64N(int64(Minute(1.5))))
	i.Share(when, c, i.Domain, 300) // log-on scripts
	home := i.Files
	if i.zone(c) == "production" {
		home = i.Plant
	}
	for when < end-Minute(0.2) {
		when += Minute(0.5) + time.Duration(i.Rand.Int64N(int64(Minute(4))))
		switch i.Rand.IntN(8) {
		case 0, 1, 2:
			q := site(i.Rand.IntN(30))
			done := i.resolver(c).Ask(when, c, q)
			i.Secure(done, c, netip.AddrPortFrom(q.Addr, 443), 400, 900+i.Rand.IntN(2000))
		case 3:
			q := Name{Name: "cdn.example", Addr: addr("192.0.2.180"), Alias: "edge7.cdn.example"}
			done := i.resolver(c).Ask(when, c, q)
			i.Get(done, c, service("192.0.2.180:80"), q.Name, "/lib.js", 1500)
		case 4, 5:
			i.Share(when, c, home, 400+i.Rand.IntN(3000))
		case 6:
			i.Mail(when, c, addr("172.16.5.25"))
		case 7: // a printer that was taken away, and a name with a typing error
			i.Silent(when, c, service("10.10.0.99:9100"), 3)
			i.resolver(c).Ask(when, c, Name{Name: fmt.Sprintf("intranet%d.hospitl.example", i.Rand.IntN(20))})
		}
	}
}

// monitoring has a host poll two hundred others each minute, fifteen of which
// are long gone: an echo each, and the file service of twelve servers, two of
// which are gone.
func (i *Institution) monitoring(end time.Duration) {
	m := addr("10.10.0.60")
	i.Truth.MustNotAlarm = append(i.Truth.MustNotAlarm, Bystander{m, "monitoring host: polls 200 hosts each minute, 15 of them dead"})
	for round := Minute(0.1); round < end; round += time.Minute {
		when := round
		for k := range 200 {
			target := addr(fmt.Sprintf("10.%d.%d.%d", []int{10, 10, 20, 20}[k%4], []int{1, 2, 0, 4}[k%4], 10+k/4))
			i.Ping(when, m, target, uint16(round/time.Minute), k%13 != 5)
			when += 90*time.Millisecond + time.Duration(i.Rand.Int64N(int64(20*time.Millisecond)))
		}
		for k := range 12 {
			target := addr(fmt.Sprintf("10.20.0.%d", 20+k))
			if k == 4 || k == 9 {
				i.Silent(when, m, smb445(target), 2)
			} else {
				i.answeredOn445(m, target)
				i.Dial(when, m, smb445(target)).Close()
			}
			when += 1100 * time.Millisecond
		}
	}
}

// management has a server push an update to sixty workstations over SMB, three
// of which are switched off: one every seven seconds.
func (i *Institution) management(when time.Duration) {
	m := addr("10.10.0.70")
	i.Truth.MustNotAlarm = append(i.Truth.MustNotAlarm, Bystander{m, "management server: pushes to 60 workstations over SMB, 3 of them off"})
	for k := range 60 {
		target := addr(fmt.Sprintf("10.10.%d.%d", 1+k%2, 120+k/2))
		if k == 17 || k == 38 || k == 55 {
			i.Silent(when, m, smb445(target), 3)
		} else {
			i.Share(when, m, FileServer{target, fmt.Sprintf("WS%d", target.As4()[3]), 6, 1, 7601, 0x0210}, 800)
		}
		when += 7*time.Second + time.Duration(i.Rand.Int64N(int64(time.Second)))
	}
}
