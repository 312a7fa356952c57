package feed

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strings"

	"wormscope/ioc"
)

// joinSpan returns a range of addresses, or a network and its mask, as one word
// where a line has the parts apart, and what is behind it: "A - B" and "A to B"
// as A-B, "A 255.255.255.0" and "A 0.0.0.255" as A/255.255.255.0.
func joinSpan(first, rest string) (entry, after string) {
	if _, err := netip.ParseAddr(first); err != nil {
		return first, rest
	}
	text := strings.TrimLeft(rest, " \t,;")
	for _, mark := range []string{"-", "–", "—", "to ", "mask ", "netmask ", ""} {
		second, ok := strings.CutPrefix(text, mark)
		if !ok {
			continue
		}
		second = strings.TrimLeft(second, " \t")
		if end := indexDelimiter(second); end >= 0 {
			second, after = second[:end], second[end:]
		}
		a, err := netip.ParseAddr(second)
		switch {
		case err != nil:
			return first, rest
		case isMask(a):
			return first + "/" + second, after
		case mark != "":
			return first + "-" + second, after
		}
	}
	return first, rest
}

// isMask reports whether what looks as an address is a mask, of a network or of
// its hosts: no address begins so.
func isMask(a netip.Addr) bool {
	if !a.Is4() || a.IsUnspecified() {
		return false
	}
	first := a.As4()[0]
	return first == 0 || first == 255
}

// parseMask reads an address and the mask of its network, or the mask of the
// hosts in it, which routers have in their lists.
func (p *parser) parseMask(host, mask string) (observable, Reason) {
	a, err := netip.ParseAddr(host)
	m, maskErr := netip.ParseAddr(mask)
	if err != nil || maskErr != nil || !a.Is4() || !m.Is4() {
		return observable{}, reasonNetwork
	}
	b := m.As4()
	set := binary.BigEndian.Uint32(b[:])
	if b[0] == 0 && set != 0 {
		set = ^set
	}
	ones := bits.LeadingZeros32(^set)
	if set<<ones != 0 {
		return observable{}, reasonNetwork
	}
	return p.network(netip.PrefixFrom(a, ones))
}

// parseRange reads "first-last". Only what is one network is used: it is what
// an indicator can be. ok is false for what is meant to be something else.
func (p *parser) parseRange(text string) (o observable, reason Reason, ok bool) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		return o, "", false
	}
	from, err := netip.ParseAddr(first)
	to, lastErr := netip.ParseAddr(last)
	from, to = from.Unmap(), to.Unmap()
	if err != nil || lastErr != nil && !isSlug(last) {
		return o, "", false
	}
	if lastErr == nil && from.Zone() == "" {
		for ones := from.BitLen(); ones >= 0; ones-- {
			if n := netip.PrefixFrom(from, ones); n.Masked().Addr() == from && n.Contains(to) && !n.Contains(to.Next()) {
				o, reason = p.network(n)
				return o, reason, true
			}
		}
	}
	return o, reasonAddressRange, true
}

// network takes a network, or the address that is alone in one.
func (p *parser) network(n netip.Prefix) (observable, Reason) {
	o := observable{kind: ioc.Network, net: n.Masked()}
	if o.net.IsSingleIP() {
		o.kind = ioc.Address
	}
	return o, p.special(o.net)
}
