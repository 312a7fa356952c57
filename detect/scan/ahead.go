package scan

import (
	"wormscope/capture/packet"
	"wormscope/internal/ip"
	"wormscope/internal/prefetch"
)

// Nearly all of the cost of an attempt is waiting for memory. What is looked up first is
// known before the attempt is: it is fetched for all segments of a run of frames before
// the first of them is looked at.

// Ahead has the processor fetch what a segment with SYN or RST is going to be looked up
// in, when Packet gets it soon. It changes nothing that Packet could see.
func (d *Detector) Ahead(src, dst ip.AddrPort, f packet.Flags) {
	if f&(packet.ACK|packet.RST) != 0 { // an answer: the attempt went the other way
		hc, hs := dst.Addr.Hash(), src.Addr.Hash()
		prefetch.Line(d.attempts.index.group(hash32(pairHash(hc, hs, src.Port))))
		d.alive.fetch(hs, portHash(hs, src.Port))
		return
	}
	var c contact
	c.src, c.dst, c.port = src.Addr, dst.Addr, dst.Port
	c.hs, c.hd = c.src.Hash(), c.dst.Hash()
	d.aim(&c, d.roles.of(c.src))
	d.fetch(&c, pairHash(c.hs, c.hd, c.port))
}

// fetch has the processor fetch what an attempt with this pairHash is looked up in. try
// asks for it, too: what is odd, and what several rings pass on, Ahead is not told of.
func (d *Detector) fetch(c *contact, pair uint64) {
	prefetch.Four(d.attempts.index.group(hash32(pair)), c.pop.index.home(c.kh),
		c.pop.contacts.bucket(hash32(mix(c.kh, c.hd))), c.pop.newcomers.set(c.kh))
}
