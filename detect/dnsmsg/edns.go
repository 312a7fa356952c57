package dnsmsg

import (
	"encoding/binary"
	"net/netip"
)

// optionClientSubnet is the number of the EDNS option (RFC 7871, chapter 6).
const optionClientSubnet = 8

// ClientSubnet returns the network that a resolver says it asks for (RFC
// 7871), and false when the record is no OPT record or holds none. A prefix of
// no bits, by which a client asks that nothing be said of it, counts as none.
func (r *Record) ClientSubnet() (netip.Prefix, bool) {
	if r.Type != TypeOPT {
		return netip.Prefix{}, false
	}
	for options := r.Data; len(options) >= 4; {
		code := binary.BigEndian.Uint16(options)
		n := int(binary.BigEndian.Uint16(options[2:]))
		options = options[4:]
		if n > len(options) {
			break
		}
		if code == optionClientSubnet {
			return clientSubnet(options[:n])
		}
		options = options[n:]
	}
	return netip.Prefix{}, false
}

// WantsDNSSEC reports whether the record is an OPT record whose sender takes DNSSEC's
// records (RFC 3225), as resolvers do for their clients and hosts hardly ever.
func (r *Record) WantsDNSSEC() bool { return r.Type == TypeOPT && r.TTL&0x8000 != 0 }

// clientSubnet reads the option: family, two prefix lengths, and as many bytes
// of the address as the first of them needs.
func clientSubnet(option []byte) (netip.Prefix, bool) {
	if len(option) < 4 {
		return netip.Prefix{}, false
	}
	family, bits, b := binary.BigEndian.Uint16(option), int(option[2]), option[4:]
	if bits == 0 || len(b) < (bits+7)/8 {
		return netip.Prefix{}, false
	}
	var addr netip.Addr
	switch {
	case family == 1 && bits <= 32:
		var a [4]byte
		copy(a[:], b)
		addr = netip.AddrFrom4(a)
	case family == 2 && bits <= 128:
		var a [16]byte
		copy(a[:], b)
		addr = netip.AddrFrom16(a)
	default:
		return netip.Prefix{}, false
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}
