package ioc

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// bigSet makes a Set of n names of about 20 bytes and n addresses, and says
// how many bytes of heap an entry of each took.
func bigSet(tb testing.TB, names, addrs int) (s *Set, heap uint64) {
	tb.Helper()
	before := heapInUse()
	b := NewBuilder()
	note := b.Note(Indicator{Feed: "feed"})
	r := rand.New(rand.NewPCG(1, 1))
	name := make([]byte, 0, 64)
	for i := range names {
		name = fmt.Appendf(name[:0], "%x-host-%d.example", r.Uint32(), i%1000)
		if i%3 == 0 {
			name = fmt.Appendf(name[:0], "c%d.%x.example", i%10, r.Uint32())
		}
		if _, err := b.AddName(name, i+1, note); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range addrs {
		a := netip.AddrFrom4([4]byte{byte(1 + r.IntN(9)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		if _, err := b.AddAddress(netip.AddrPortFrom(a, 0), i+1, note); err != nil {
			tb.Fatal(err)
		}
	}
	s = b.Build()
	return s, heapInUse() - before
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpu returns the processor time that the process took: figures hold on a
// busy machine too.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano())
}

// BenchmarkAddressMiss looks up addresses that no feed has.
func BenchmarkAddressMiss(b *testing.B) {
	for _, n := range []int{1e6, 1e7} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, heap := bigSet(b, 0, n)
			addrs := make([]netip.AddrPort, 1<<16)
			r := rand.New(rand.NewPCG(2, 2))
			for i := range addrs {
				a := netip.AddrFrom4([4]byte{byte(100 + r.IntN(9)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
				addrs[i] = netip.AddrPortFrom(a, 443)
			}
			found, start := 0, cpu(b)
			for i := 0; b.Loop(); i++ {
				if _, ok := s.Address(addrs[i&(1<<16-1)], 0); ok {
					found++
				}
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(heap)/float64(s.counts.Addresses), "B/address")
			if found > 0 {
				b.Fatal("a miss was found")
			}
		})
	}
}

// BenchmarkNameClean looks up names that no feed has.
func BenchmarkNameClean(b *testing.B) {
	for _, n := range []int{1e6, 1e7} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, heap := bigSet(b, n, 0)
			names := make([][]byte, 1<<16)
			r := rand.New(rand.NewPCG(3, 3))
			for i := range names {
				names[i] = fmt.Appendf(nil, "www.%x-site.com", r.Uint32())
			}
			found, start := 0, cpu(b)
			for i := 0; b.Loop(); i++ {
				if _, ok := s.Name(names[i&(1<<16-1)], 0); ok {
					found++
				}
			}
			b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
			length := 0
			s.names.arena.each(func(_ ref, name []byte) { length += len(name) })
			b.ReportMetric(float64(heap)/float64(s.counts.Names), "B/name")
			b.ReportMetric(float64(length)/float64(s.counts.Names), "length")
			if found > 0 {
				b.Fatal("a clean name was found")
			}
		})
	}
}
