package ip_test

import (
	"math"
	"testing"

	"wormscope/internal/ip"
)

// TestSecretSpreads checks that neighbours, which are what a scan meets, fall
// into as many places as random numbers would, by high bits and by low ones.
func TestSecretSpreads(t *testing.T) {
	const n = 1 << 16
	secret := ip.NewSecret()
	for name, hash := range map[string]func(i uint64) uint64{
		"IPv4":       func(i uint64) uint64 { return secret.Addr(ip.From4(0x0a000000 + uint32(i))) },
		"interfaces": func(i uint64) uint64 { return secret.Addr(ip.Addr{Hi: 0xfe80 << 48, Lo: i << 20}) },
		"networks":   func(i uint64) uint64 { return secret.Addr(ip.Addr{Hi: 0x2001<<48 + i, Lo: 1}) },
		"ports": func(i uint64) uint64 {
			return secret.AddrPort(ip.AddrPort{Addr: ip.From4(0x0a000001), Port: uint16(i)})
		},
	} {
		low, high := map[uint64]bool{}, map[uint64]bool{}
		for i := range uint64(n) {
			h := hash(i)
			low[h%n], high[h>>48] = true, true
		}
		want := n * (1 - 1/math.E)
		for bits, seen := range map[string]int{"low": len(low), "high": len(high)} {
			if math.Abs(float64(seen)-want) > n/50 {
				t.Errorf("%s: %d places by the %s bits, want about %.0f", name, seen, bits, want)
			}
		}
	}
}
