package story

import (
	"fmt"
	"net/netip"
	"time"

	"wormscope/cmd/pcapgen/wire"
)

// Feed is the feed of indicators that goes with the outbreak: names under
// .example and addresses of the documentation ranges.
func Feed() string {
	return `# Indicators of the outbreak capture. All names and addresses are reserved
# for documentation (RFC 2606, RFC 5737).
203.0.113.66        # drop site of the first stage
203.0.113.99        # command and control, unreachable
198.51.100.23:8080  # command and control
203.0.113.200       # searches web servers
203.0.113.7
update.badfeed.example
cdn-mirror.badfeed2.example
`
}

// length is how long the outbreak is told.
const length = 20

// Outbreak tells the whole story; testdata/pcaps/README.md has it in words.
func Outbreak() *Institution {
	i := NewInstitution(20170512)
	end := Minute(length)
	i.Truth.Capture, i.Truth.Feed = "outbreak.pcap", "outbreak.feed"
	i.workday(end)
	i.monitoring(end)
	i.management(Minute(5))
	i.patientZero(end)
	i.secondHost(end)
	i.plantHost(end)
	i.dormant(Minute(12))
	i.contacted()
	i.outsideScanner(Minute(14))
	i.flood(Minute(15), 6000)
	i.Finish()
	return i
}

// patientZero fetches the first stage, asks for the kill switch in vain, and
// scans.
func (i *Institution) patientZero(end time.Duration) {
	host, drop := addr("10.10.1.23"), service("203.0.113.66:443")
	i.Secure(Minute(2), host, drop, 300, 24000)
	i.contact(Minute(2), host, drop.Addr(), "established", "host")
	i.lookup(Minute(3), host, Name{Name: KillSwitch}, KillSwitch[4:])
	w := i.Infect(Minute(2), host, "patient zero: fetched the first stage, kill switch not reached, scans")
	w.Neighbours(Minute(3.01), false)
	w.Internet(Minute(3.02), end, 7)
}

// secondHost is infected by patient zero.
func (i *Institution) secondHost(end time.Duration) {
	host := addr("10.10.1.41")
	i.lookup(Minute(6), host, Name{Name: KillSwitch}, KillSwitch[4:])
	w := i.Infect(Minute(6), host, "kill switch not reached, scans")
	w.Neighbours(Minute(6.01), false)
	w.Internet(Minute(6.02), end, 5)
}

// plantHost is infected in the production zone, where the router stands
// between the hosts of a network.
func (i *Institution) plantHost(end time.Duration) {
	host := addr("10.20.4.18")
	i.lookup(Minute(9), host, Name{Name: KillSwitch}, KillSwitch[4:])
	w := i.Infect(Minute(9), host, "kill switch not reached, scans")
	w.Neighbours(Minute(9.01), true)
	w.Internet(Minute(9.02), end, 4)
}

// dormant hosts reach their kill switch, or a copy of it, and stay quiet; one
// asks with a search suffix first, and in upper case.
func (i *Institution) dormant(when time.Duration) {
	sinkhole := service("192.0.2.10:80")
	host := addr("10.10.2.77")
	i.Infect(when, host, "kill switch reached: dormant")
	i.Office.cache = map[string]bool{} // negative answers have expired
	done := i.lookup(when, host, Name{Name: KillSwitch, Addr: sinkhole.Addr()}, KillSwitch[4:])
	i.Get(done, host, sinkhole, KillSwitch, "/", 607)

	host = addr("10.20.4.33")
	const suffixed = "WWW.IFFERFSODP9IFJAPOSDFJHGOSURIJFAEWRWERGWEA.COM"
	i.Infect(when+Minute(1), host, "kill switch of a variant reached, asked with a search suffix first: dormant")
	done = i.lookup(when+Minute(1), host, Name{Name: suffixed + ".hospital.example"}, KillSwitch2[4:])
	done = i.lookup(done, host, Name{Name: suffixed, Addr: sinkhole.Addr()}, KillSwitch2[4:])
	i.Get(done, host, sinkhole, KillSwitch2, "/", 607)
}

// contacted hosts talk to indicators and do no more.
func (i *Institution) contacted() {
	suspect := func(m float64, host netip.Addr, why string) {
		i.Truth.Suspected = append(i.Truth.Suspected, Infected{IP: host, Zone: i.zone(host), When: at(Minute(m)), Why: why})
	}
	host, peer := addr("10.10.2.15"), service("198.51.100.23:8080")
	for k := range 4 {
		i.Secure(Minute(8+float64(k)*2), host, peer, 120, 350)
		i.contact(Minute(8+float64(k)*2), host, peer.Addr(), "established", "host")
	}
	suspect(8, host, "talks to command and control")

	host, peer = addr("10.10.1.68"), service("203.0.113.99:443")
	i.Silent(Minute(13), host, peer, 3)
	i.contact(Minute(13), host, peer.Addr(), "attempted", "host")
	suspect(13, host, "tried to reach command and control")

	host = addr("10.20.4.61")
	bad := Name{Name: "update.badfeed.example", Addr: addr("192.0.2.66")}
	done := i.lookup(Minute(13.5), host, bad, bad.Name)
	i.Secure(done, host, netip.AddrPortFrom(bad.Addr, 443), 200, 800)
	suspect(13.5, host, "asked for an indicator name")

	host = addr("10.20.4.45")
	alias := Name{Name: "assets.shop.example", Addr: addr("192.0.2.67"), Alias: "x1.cdn-mirror.badfeed2.example"}
	i.lookup(Minute(13.7), host, alias, "cdn-mirror.badfeed2.example")
	suspect(13.7, host, "asked for an alias of an indicator name")

	host = addr("10.10.2.50")
	i.Ping(Minute(16), host, addr("203.0.113.7"), 1, true)
	i.contact(Minute(16), host, addr("203.0.113.7"), "established", "host")
	suspect(16, host, "sent an echo request to an indicator address")

	web, prober := service("172.16.5.80:80"), addr("203.0.113.200")
	i.Get(Minute(11), prober, web, "172.16.5.80", "/", 2200)
	i.contact(Minute(11), web.Addr(), prober, "established", "peer")
	i.Truth.MustNotAlarm = append(i.Truth.MustNotAlarm, Bystander{web.Addr(), "web server: an indicator address read a page from it, and it was flooded; neither makes it suspected"})
}

// outsideScanner sweeps port 445 of the dmz from the internet.
func (i *Institution) outsideScanner(when time.Duration) {
	s := &Scanner{IP: addr("192.0.2.211"), Port: 445, First: at(when)}
	i.Truth.Scanners = append(i.Truth.Scanners, s)
	i.Unix(s.IP)
	for last := 1; last < 255; last++ {
		target := addr(fmt.Sprintf("172.16.5.%d", last))
		s.Targets++
		switch i.fate(target) {
		case answered:
			s.Answered++
			i.answeredOn445(s.IP, target)
			i.Dial(when, s.IP, smb445(target)).Reset()
			i.Truth.Targeted = append(i.Truth.Targeted, target)
		case refused:
			s.Refused++
			i.Refuse(when, s.IP, smb445(target), 1)
			i.Truth.Targeted = append(i.Truth.Targeted, target)
		default:
			s.Silent++
			i.Silent(when, s.IP, smb445(target), 1)
		}
		when += 100*time.Millisecond + time.Duration(i.Rand.Int64N(int64(20*time.Millisecond)))
	}
}

// flood has spoofed sources send one SYN each to the web server, which answers
// until its queue is full; some of those who never asked say so.
func (i *Institution) flood(when time.Duration, sources int) {
	web := service("172.16.5.80:80")
	i.Truth.Floods = append(i.Truth.Floods, Flood{IP: web.Addr(), Port: 80, Sources: sources, First: at(when)})
	for k := range sources {
		src := netip.AddrPortFrom(i.randomInternet(), uint16(1024+i.Rand.UintN(60000)))
		t := wire.TCP{Flags: wire.SYN, Seq: i.Rand.Uint32(), Window: 512}
		e := wire.Envelope{TTL: uint8(40 + i.Rand.UintN(80)), ID: uint16(i.Rand.UintN(1 << 16))}
		i.Send(when, src.Addr(), web.Addr(), wire.AppendTCPPacket(nil, src, web, e, t, nil))
		if k%8 == 0 {
			back := wire.TCP{Flags: wire.SYN | wire.ACK, Seq: i.Rand.Uint32(), Ack: t.Seq + 1, Window: 29200}
			i.segmentOut(when+200*time.Microsecond, web, src, back, nil)
			if k%32 == 0 {
				i.Send(when+40*time.Millisecond, src.Addr(), web.Addr(), wire.AppendTCPPacket(nil, src, web, e,
					wire.TCP{Flags: wire.RST, Seq: t.Seq + 1}, nil))
			}
		}
		when += 5 * time.Millisecond
	}
}
