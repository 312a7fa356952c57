// Package load makes captures to measure with, and the feeds that go with
// them, in one pass and from fixed seeds.
//
// Indicators and ordinary traffic never share a name or an address except
// where that is planted: a bit of the hash of each decides which side it is on.
package load

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"wormscope/cmd/pcapgen/story"
)

// Planted is how many names, and how many addresses, of the feeds occur in
// the traffic.
const Planted = 100

// plantedIndex is where in the feeds the k-th of those that are planted stands:
// feeds of 10,000 lines and more hold them all. Some of the addresses are IPv6.
func plantedIndex(k int) uint64 {
	if k%20 == 3 {
		return uint64(k)*100 + 7
	}
	return uint64(k) * 100
}

// WriteNames writes a feed of n distinct names, about 20 characters each.
func WriteNames(w io.Writer, n int) error {
	return writeLines(w, fmt.Sprintf("# %d names, none of which exists", n), n, badName)
}

// WriteAddresses writes a feed of n distinct public addresses, one in twenty
// of them IPv6.
func WriteAddresses(w io.Writer, n int) error {
	return writeLines(w, fmt.Sprintf("# %d addresses drawn by lot", n), n, func(i uint64) string { return badAddress(i).String() })
}

// writeLines writes a head and n lines.
func writeLines(w io.Writer, head string, n int, line func(uint64) string) error {
	const enough = 1 << 16
	b := append([]byte(head), '\n')
	for i := range n {
		b = append(append(b, line(uint64(i))...), '\n')
		if len(b) > enough {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// badName is the i-th name of the feed. One in eight has a label more.
func badName(i uint64) string {
	name := domain(i, 0)
	if i%8 == 3 {
		return words(mix(i)) + "." + name
	}
	return name
}

// cleanName is the i-th name of ordinary traffic.
func cleanName(i uint64) string {
	hosts := [...]string{"www", "api", "cdn", "mail", "img", "static", "login", "events"}
	return hosts[mix(i)%uint64(len(hosts))] + "." + domain(i/3+1<<40, 1)
}

// domain is the i-th registered domain on a side.
func domain(i, side uint64) string {
	tlds := [...]string{"com", "net", "org", "info", "top", "xyz", "ru", "cn", "de", "io"}
	for salt := uint64(0); ; salt++ {
		h := mix(i ^ salt<<48)
		name := words(h) + words(h>>24) + strconv.FormatUint(i&0xffffffffff, 36)
		if h%5 < 2 { // as a domain generation algorithm writes them
			name = letters(h)
		}
		name += "." + tlds[h>>56%uint64(len(tlds))]
		if hashOf([]byte(name))&1 == side {
			return name
		}
	}
}

// words picks one of 64 words.
func words(h uint64) string {
	const all = "secureupdatemailportalcloudofficelogin-servicestorageonlinebackuptravelhealthenergysupplyassetsgreenmarketfinancestudiomotors"
	list := [...]int{0, 6, 12, 16, 22, 27, 33, 38, 46, 53, 59, 65, 71, 77, 83, 89, 95, 100, 106, 113, 119, 125}
	k := h >> 5 % uint64(len(list)-1)
	w := all[list[k]:list[k+1]]
	if w[0] == '-' {
		w = w[1:]
	}
	return w
}

// letters writes a number as letters, each number differently.
func letters(h uint64) string {
	var b [14]byte
	for k := range b {
		b[k] = 'a' + byte(h%26)
		h /= 26
	}
	return string(b[:])
}

// badAddress is the i-th address of the feed.
func badAddress(i uint64) netip.Addr { return address(i, 0) }

// cleanAddress is the i-th address of the ordinary internet.
func cleanAddress(i uint64) netip.Addr { return address(i+1<<31, 1) }

// address is the i-th public address on a side; the first 2^31 are distinct.
func address(i, side uint64) netip.Addr {
	if i%20 == 7 {
		return address6(i, side)
	}
	for salt := uint64(0); ; salt++ {
		v := permute(uint32(i) + uint32(salt)*0x9e3779b9)
		a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		b := a.As4()
		if story.Public(a) && hashOf(b[:])&1 == side {
			return a
		}
	}
}

func address6(i, side uint64) netip.Addr {
	for salt := uint64(0); ; salt++ {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], 0x2a00_0000_0000_0000|mix(i^salt<<48)>>8)
		binary.BigEndian.PutUint64(b[8:], mix(i))
		if hashOf(b[:])&1 == side {
			return netip.AddrFrom16(b)
		}
	}
}

// mix scatters the bits of a number (the finalizer of SplitMix64, a bijection).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// permute scatters the bits of a 32-bit number, a bijection.
func permute(x uint32) uint32 {
	x = (x ^ x>>16) * 0x7feb352d
	x = (x ^ x>>15) * 0x846ca68b
	return x ^ x>>16
}

// hashOf is FNV-1a with its bits mixed.
func hashOf(b []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return mix(h)
}
