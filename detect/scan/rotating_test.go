package scan

import (
	"testing"
	"time"
)

// rotate lets a host try n destinations at a port, each from another address of
// its /64.
func (b *bed) rotate(n int, gap time.Duration, o func(i int) outcome) {
	for i := range n {
		b.try(nth("fd00:1::1:1", i*7919), nth("fd00:2::1", i), 445, o(i))
		b.wait(gap)
	}
	b.wait(time.Minute)
}

// office lets as many clients of one /64 try a server each, of so many.
func (b *bed) office(clients, servers int, gap time.Duration, o func(i int) outcome) {
	for i := range clients {
		b.try(nth("fd00:1::100", i), nth("fd00:2::1", i%servers), 445, o(i%servers))
		b.wait(gap)
	}
	b.wait(time.Minute)
}

// below lets the first n destinations do what o says, and the others answer.
func below(n int, o outcome) func(int) outcome {
	return func(i int) outcome {
		if i < n {
			return o
		}
		return answered
	}
}

// few lets one in n answer, and the others refuse.
func few(n int) func(int) outcome {
	return func(i int) outcome {
		if i%n == n-1 {
			return answered
		}
		return refused
	}
}

// TestRotating shows that a scanner is found that takes another address for
// each destination, and with as many attempts as are enough against a /64.
func TestRotating(t *testing.T) {
	for _, s := range []scenario{
		{name: "11 refused", run: func(b *bed) { b.rotate(11, time.Second, always(refused)) }},
		{
			name: "12 refused", run: func(b *bed) { b.rotate(12, time.Second, always(refused)) },
			want: []string{"sequential fd00:1::2:5446 445"},
		},
		{
			name: "silence, fast", run: func(b *bed) { b.rotate(60, 50*time.Millisecond, always(silent)) },
			want: []string{"fan-out fd00:1::5:b66a 445"},
		},
		{
			name: "one in three answers", run: func(b *bed) { b.rotate(60, time.Second, few(3)) },
			want: []string{"sequential fd00:1::4:558 445"},
		},
		{
			name: "every other one answers", run: func(b *bed) { b.rotate(60, time.Second, few(2)) },
			want: []string{"slow fd00:1::5:977b 445"},
		},
		{
			name: "slowly", run: func(b *bed) {
				b.try(ad("fd00:1::100"), ad("fd00:2::9999"), 443, answered)
				b.rotate(30, 50*time.Minute, always(silent))
			},
			want: []string{"slow fd00:1::3:c77a 445"},
		},
		{
			name: "among clients at work", run: func(b *bed) {
				b.office(60, 20, time.Second, always(answered))
				for i := range 20 {
					b.try(nth("fd00:1::1:1", i*7919), nth("fd00:3::1", i), 445, refused)
					b.try(nth("fd00:1::100", i), nth("fd00:2::1", i), 445, answered)
					b.wait(time.Minute)
				}
			},
			want: []string{"sequential fd00:1::2:5446 445"},
		},
	} {
		s.test(t)
	}
}

// TestOfficeIsNoScanner shows that the clients of a /64, each with a server that
// it uses, are no scanner, whatever happens to the servers.
func TestOfficeIsNoScanner(t *testing.T) {
	for _, s := range []scenario{
		{name: "ten servers down", run: func(b *bed) { b.office(60, 10, 5*time.Second, always(silent)) }},
		{name: "a server each, in six seconds", run: func(b *bed) { b.office(60, 60, 100*time.Millisecond, always(answered)) }},
		{name: "8 of 40 servers down", run: func(b *bed) { b.office(200, 40, 2*time.Second, below(8, silent)) }},
		{name: "answers come late", run: func(b *bed) {
			for i := range 30 {
				src, dst := nth("fd00:1::100", i), nth("fd00:2::1", i)
				b.syn(src, dst, 445)
				b.wait(6 * time.Second)
				b.synack(src, dst, 445)
				b.wait(24 * time.Second)
			}
		}},
		{name: "clients that come back to their servers", run: func(b *bed) {
			for i := range 30 {
				for client := max(0, i-2); client <= i; client++ {
					b.try(nth("fd00:1::100", client), nth("fd00:2::1", client), 445, silent)
				}
				b.wait(30 * time.Second)
			}
		}},
	} {
		s.test(t)
	}
}

// TestLateAnswerOfNewcomer shows that a source's only attempt is not a failure when
// its answer came late, though the source was not tested yet.
func TestLateAnswerOfNewcomer(t *testing.T) {
	b := newBed(t, Config{})
	b.syn(ad(worm), ad("10.9.0.1"), 445)
	b.wait(6 * time.Second)
	b.synack(ad(worm), ad("10.9.0.1"), 445)
	b.wait(time.Minute)
	b.sweep(worm, "10.9.0.2", 5, 445, time.Second, always(refused))
	b.engine.Close()
	b.none()
}
