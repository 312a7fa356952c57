package feed

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strings"

	"wormscope/ioc"
)

// joinSpan joins a range of addresses, or a network and its mask, that a line has as
// several words: "A - B" and "A to B" become A-B, "A 255.255.255.0" and
// "A mask 255.255.255.0" become A/255.255.255.0, likewise with 0.0.0.255. It returns
// that, and the rest of the line.
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

// isMask reports whether what looks like an address is the mask of a network, such as
// 255.255.255.0, or of the hosts in it, such as 0.0.0.255: no address of a host begins
// with 0 or 255.
func isMask(a netip.Addr) bool {
	if !a.Is4() || a.IsUnspecified() {
		return false
	}
	first := a.As4()[0]
	return first == 0 || first == 255
}

// parseMask reads an address and the mask of its network, or of the hosts in it
// (wildcard mask), as in the lists of routers.
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

// parseRange reads "first-last". The range must be exactly one network, since an
// indicator can be nothing else. ok is false for text that is not a range of addresses.
func (p *parser) parseRange(text string) (o observable, reason Reason, ok bool) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		return o, "", false
	}
	from, err := netip.ParseAddr(first)
	to, lastErr := netip.ParseAddr(last)
	from, to = from.Unmap(), to.Unmap()
	if err != nil || lastErr != nil && !isNumeric(last) {
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

// network returns the observable for a network; if that has one address only, for the
// address.
func (p *parser) network(n netip.Prefix) (observable, Reason) {
	o := observable{kind: ioc.Network, net: n.Masked()}
	if o.net.IsSingleIP() {
		o.kind = ioc.Address
	}
	return o, p.special(o.net)
}
