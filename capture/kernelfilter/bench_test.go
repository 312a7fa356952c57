package kernelfilter_test

import (
	"iter"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"wormscope/capture/kernelfilter"
	"wormscope/internal/needs"
)

// million gives a million addresses of IPv4, none of them private.
func million() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for n := range uint32(1_000_000) {
			n *= 2654435761
			a := netip.AddrFrom4([4]byte{byte(n>>24) | 0x80, byte(n >> 16), byte(n >> 8), byte(n)})
			if !yield(netip.PrefixFrom(a, 32)) {
				return
			}
		}
	}
}

// BenchmarkLoad says what a million addresses cost to load.
func BenchmarkLoad(b *testing.B) {
	needs.Root(b, "to load a program into the kernel")
	for b.Loop() {
		f, err := kernelfilter.Load(million(), kernelfilter.Config{})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(f.Bytes())/1e6, "MB")
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate says what it costs to renew them.
func BenchmarkUpdate(b *testing.B) {
	needs.Root(b, "to load a program into the kernel")
	f, err := kernelfilter.Load(million(), kernelfilter.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := f.Update(million()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFrame says what the kernel takes for one frame, with a million
// addresses loaded.
func BenchmarkFrame(b *testing.B) {
	needs.Root(b, "to load a program into the kernel")
	f, err := kernelfilter.Load(million(), kernelfilter.Config{Ports: []uint16{53, 139, 445}})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	program, err := ebpf.NewProgramFromFD(duplicate(b, f.FD()))
	if err != nil {
		b.Fatal(err)
	}
	defer program.Close()
	for _, bb := range []struct {
		name  string
		frame []byte
	}{
		{"tcp data", packetOf(ip(a4, "128.1.2.3", 6, tcp(80, 4000, ack)))},
		{"udp", packetOf(ip(a4, "128.1.2.3", 17, udp(4000, 4001)))},
		{"tcp syn", packetOf(ip(a4, "128.1.2.3", 6, tcp(4000, 80, syn)))},
		{"tcp data over ipv6", packetOf(ip(a6, b6, 6, tcp(80, 4000, ack)))},
		{"dns behind a tag", tagged(0x8100, packetOf(ip(a4, "128.1.2.3", 17, udp(4000, 53))))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			data := slices.Concat(make([]byte, 12), []byte{0x88, 0xb5}, bb.frame)
			const repeat = 1_000_000
			for b.Loop() {
				_, each, err := program.Benchmark(data, repeat, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(each.Nanoseconds()), "ns/frame")
			}
		})
	}
}
