package scan

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// TestVerticalBegins shows that a scan of a host's ports begins when it does, and
// counts no normal use of the host before, meanwhile or after.
func TestVerticalBegins(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	host := ad("10.9.0.1")
	use := func(hours int) {
		for range 60 * hours {
			b.try(ad(worm), host, 445, answered)
			b.wait(time.Minute)
		}
	}
	b.try(ad(worm), host, 9100, refused)
	use(8)
	start, frame := begin.Add(b.now), b.number+2 // the answer
	for i := range 40 {
		b.try(ad(worm), host, uint16(1000+i), []outcome{refused, refused, refused, answered}[i%4])
		b.wait(time.Second)
	}
	use(2)
	end, s := b.last()
	if early := start.Sub(end.First); early < 0 || early > time.Second/ticksPerSecond {
		t.Errorf("the scan began at %v, the alert says %v", start, end.First)
	}
	if s.Answered != 10+1 || s.Refused != 30 || s.Silent != 0 || end.Count != 41 {
		t.Errorf("at the end %d attempts, %s; want 41, 11 answered, 30 refused", end.Count, summary(&end))
	}
	if took := end.Last.Sub(start); took > 2*time.Minute {
		t.Errorf("the scan took %v", took)
	}
	if len(end.Frames) != 1 || end.Frames[0].Number != frame {
		t.Errorf("frames %v, want %d", end.Frames, frame)
	}
}

// TestVerticalRestart shows that who checks the services of a host is not a scanner
// when the host restarts, and who tries ports that never answered is, meanwhile.
func TestVerticalRestart(t *testing.T) {
	for _, down := range []outcome{silent, refused} {
		b := newBed(t, Config{})
		b.whole()
		check := func(o outcome) {
			for p := range uint16(40) {
				b.try(ad("10.4.0.5"), ad("10.9.0.1"), 30000+p, o)
				b.wait(200 * time.Millisecond)
			}
			b.wait(30 * time.Second)
		}
		check(answered)
		check(down)
		check(down)
		b.none()
		for p := range uint16(40) {
			b.try(ad(worm), ad("10.9.0.1"), 30020+p, down)
		}
		b.wait(time.Minute)
		if a := b.one(); a.Host != ad(worm) || a.Name != alert.NameVertical {
			t.Errorf("%s, want the worm's", summary(&a))
		}
	}
}

// TestVerticalTargeted shows that a host whose ports are scanned is called
// targeted when, and where, it answered.
func TestVerticalTargeted(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	var answeredAt time.Time
	for i := range 20 {
		b.try(ad(worm), ad("10.9.0.1"), uint16(1000+i), silent)
		b.wait(time.Second)
		if i == 8 { // when the first was found silent
			answeredAt = begin.Add(b.now)
			b.try(ad(worm), ad("10.9.0.1"), 7777, answered)
		}
	}
	b.wait(time.Minute)
	b.last()
	if len(b.rec.facts) != 1 {
		t.Fatalf("facts %+v, want one", b.rec.facts)
	}
	f := b.rec.facts[0]
	if early := answeredAt.Sub(f.Time); f.Port != 7777 || early < 0 || early > time.Second/ticksPerSecond || f.Frame.Number != 0 {
		t.Errorf("fact %+v, want port 7777 at %v, in no frame", f, answeredAt)
	}
}

// TestVerticalRepeats shows that each port counts once, however often its SYN is
// repeated, in each of two scans.
func TestVerticalRepeats(t *testing.T) {
	b := newBed(t, Config{})
	b.whole()
	for range 2 {
		for range 3 { // Linux repeats a SYN at 31 and 63 s, among others
			for i := range 100 {
				b.try(ad(worm), ad("10.9.0.1"), uint16(1000+i), silent)
				b.wait(200 * time.Millisecond)
			}
			b.wait(11 * time.Second)
		}
		b.wait(time.Hour)
	}
	b.engine.Close()
	for _, a := range b.rec.starts() {
		end := math.MaxInt
		for i := range b.rec.alerts {
			if b.rec.alerts[i].ID == a.ID {
				end = i
			}
		}
		if e := b.rec.alerts[end]; e.Count != 100 || e.Evidence.Scan.Silent != 100 {
			t.Errorf("at the end %d attempts, %s; want 100, all silent", e.Count, summary(&e))
		}
	}
	if n := len(b.rec.starts()); n != 2 {
		t.Errorf("%d alerts, want one for each scan", n)
	}
}

// TestPairLines: a look-up of a pair reads one cache line of it.
func TestPairLines(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) < 8 {
		t.Skip("laid out for pointers of 64 bits")
	}
	const line = 64
	if head, all := unsafe.Sizeof(pairHead{}), unsafe.Sizeof(pair{}); head != line || all%line != 0 {
		t.Errorf("%d and %d bytes, want one cache line and several", head, all)
	}
}

// TestVertical shows how many failed ports of one host, and how fast, are a scan.
func TestVertical(t *testing.T) {
	ports := func(n int, gap time.Duration, o func(i int) outcome) func(b *bed) {
		return func(b *bed) {
			for i := range n {
				b.try(ad(worm), ad("10.9.0.1"), uint16(1000+i), o(i))
				b.wait(gap)
			}
			b.wait(time.Minute)
		}
	}
	for _, s := range []scenario{
		{name: "20 refused in a minute", run: ports(20, 3*time.Second, always(refused)), want: []string{"vertical 10.1.0.66 0"}},
		{name: "19 refused", run: ports(19, time.Second, always(refused))},
		{name: "20 in more than a minute", run: ports(20, 4*time.Second, always(refused))},
		{name: "20 silent", run: ports(20, time.Second, always(silent)), want: []string{"vertical 10.1.0.66 0"}},
		{name: "100 answered", run: ports(100, time.Second, always(answered))},
		{name: "one port again and again", run: func(b *bed) {
			for range 100 {
				b.try(ad(worm), ad("10.9.0.1"), 1000, refused)
				b.wait(30 * time.Second)
			}
		}},
		{name: "three hosts, one alert", run: func(b *bed) {
			for h := range 3 {
				for p := range uint16(30) {
					b.try(ad(worm), nth("10.9.0.1", h), 2000+p, refused)
				}
			}
		}, want: []string{"vertical 10.1.0.66 0"}},
		{name: "FIN probes that are refused", run: func(b *bed) {
			for p := range uint16(25) {
				b.send(port(ad(worm), 40000), port(ad("10.9.0.1"), 1000+p), packet.FIN, isn, 0)
				b.rst(ad(worm), ad("10.9.0.1"), 1000+p)
			}
		}, want: []string{"vertical 10.1.0.66 0"}},
		{name: "FIN probes that nobody minds", run: func(b *bed) {
			for p := range uint16(25) {
				b.send(port(ad(worm), 40000), port(ad("10.9.0.1"), 1000+p), packet.FIN, isn, 0)
			}
			b.wait(time.Minute)
		}},
	} {
		s.test(t)
	}
}
