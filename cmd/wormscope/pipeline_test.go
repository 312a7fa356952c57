package main

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/capture/packet"
	"wormscope/cmd/pcapgen/wire"
	"wormscope/detect"
	"wormscope/detect/zone"
	"wormscope/scope"
)

// A fragile detector remembers which packets it got, and fails on some.
type fragile struct {
	got   []uint64
	fails func(number uint64) bool
}

func (*fragile) Wants() detect.Interest { return detect.Interest{Kinds: ^detect.Kind(0)} }
func (*fragile) Tick(int64)             {}
func (*fragile) Close(int64)            {}

func (d *fragile) Packet(p *packet.Packet) {
	d.got = append(d.got, p.Number)
	if d.fails(p.Number) {
		panic("a mistake")
	}
}

// A runsSource gives frames in runs that end where they end in a file: now
// and then.
type runsSource struct {
	memorySource
	fails bool // once, before a frame is read
	block []byte
}

func (s *runsSource) Next(f *capture.Frame) error {
	if s.fails {
		s.fails = false
		panic("a mistake of the source")
	}
	return s.memorySource.Next(f)
}

func (s *runsSource) More(run *capture.Run, most int) int {
	n := min(most, *s.at%50, len(s.frames)-*s.at)
	s.block = s.block[:0]
	for i, f := range s.frames[*s.at : *s.at+n] {
		run.Heads[i] = capture.Head{Time: f.Time, At: uint32(len(s.block)), Captured: uint32(len(f.Data)), Len: uint32(f.Len)}
		s.block = append(s.block, f.Data...)
	}
	if n > 0 {
		run.Block, run.Link, run.First = s.block, capture.LinkEthernet, s.frames[*s.at].Number
	}
	run.End(n)
	*s.at += n
	return n
}

// udpFrames are frames of equal length, one per millisecond.
func udpFrames(n int) []capture.Frame {
	data := make([]byte, 60)
	copy(data[12:], []byte{8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 9, 0, 26})
	frames := make([]capture.Frame, n)
	for i := range frames {
		frames[i] = capture.Frame{Time: int64(i+1) * 1e6, Data: data, Len: 60, Link: capture.LinkEthernet, Number: uint64(i + 1)}
	}
	return frames
}

// TestPanicsCostOneFrame has detectors and a source fail anywhere in runs, and
// wants each frame taken once, in order.
func TestPanicsCostOneFrame(t *testing.T) {
	const frames = 10_000
	for name, fails := range map[string]func(uint64) bool{
		"never": func(uint64) bool { return false }, "now and then": func(n uint64) bool { return n%97 == 0 },
		"in a row": func(n uint64) bool { return n%500 < 70 }, "always": func(uint64) bool { return true },
	} {
		p := benchPipeline(t, nil)
		d := &fragile{fails: fails}
		p.engine = detect.NewEngine(d)
		at, want := 0, uint64(1)
		if err := p.run(&runsSource{memorySource: memorySource{udpFrames(frames), &at}, fails: true}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		for i, number := range d.got {
			if number != uint64(i+1) {
				t.Fatalf("%s: frame %d comes as number %d", name, number, i+1)
			}
			if fails(number) {
				want++
			}
		}
		tr := &p.traffic
		if len(d.got) != frames || tr.frames != frames || tr.bytes != frames*60 || tr.first != 1e6 || tr.last != frames*1e6 ||
			tr.panics != want || !strings.HasPrefix(tr.panicAt, "a mistake of the source") {
			t.Errorf("%s: %d packets, want %d panics: %+v", name, len(d.got), want, tr)
		}
	}
}

// An idling source has nothing for a while after its frames, and then no more.
type idling struct {
	memorySource
	idle bool // it was
}

func (s *idling) Next(f *capture.Frame) error {
	err := s.memorySource.Next(f)
	if errors.Is(err, io.EOF) && !s.idle {
		s.idle = true
		return capture.ErrIdle
	}
	return err
}

// TestIdlePipeHoldsNothing wants a frame that comes long after those before it looked
// at when nothing follows, not when the next one does.
func TestIdlePipeHoldsNothing(t *testing.T) {
	p := benchPipeline(t, nil)
	d := &fragile{fails: func(uint64) bool { return false }}
	p.engine = detect.NewEngine(d)
	frames := udpFrames(3)
	frames[2].Time += 120e9
	source := &idling{memorySource: memorySource{frames, new(int)}}
	if err := p.run(source, func() error {
		if source.idle && len(d.got) != len(frames) {
			t.Errorf("of %d frames %d were looked at while nothing came", len(frames), len(d.got))
		}
		return nil
	}); err != nil || !source.idle {
		t.Fatal(err)
	}
}

// TestPanicIsToldOfItsFrame wants the frame in the middle of a run that is
// failed on named.
func TestPanicIsToldOfItsFrame(t *testing.T) {
	p := benchPipeline(t, nil)
	p.engine = detect.NewEngine(&fragile{fails: func(n uint64) bool { return n == 77 || n == 78 }})
	at := 0
	source := &runsSource{memorySource: memorySource{udpFrames(200), &at}}
	if err := p.run(source, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if p.traffic.panics != 2 || p.traffic.panicAt != "a mistake at frame 77 of small" {
		t.Errorf("%d panics: %s", p.traffic.panics, p.traffic.panicAt)
	}
}

// TestBatchSize wants batches of their size in runs too, and nothing that was
// read left when a batch ends, as when a signal stops the run then.
func TestBatchSize(t *testing.T) {
	p := benchPipeline(t, nil)
	d := &fragile{fails: func(n uint64) bool { return n == 6000 }}
	p.engine = detect.NewEngine(d)
	at := 0
	source := &runsSource{memorySource: memorySource{udpFrames(10_000), &at}}
	var ends []int
	for {
		err := p.batch(source)
		if len(d.got) != at {
			t.Fatalf("%d frames were read, %d taken", at, len(d.got))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		ends = append(ends, at)
	}
	if len(ends) != 2 || ends[0] != batchSize || ends[1] < 6000 || ends[1] > 6000+capture.MaxRun {
		t.Errorf("batches end at %v", ends)
	}
}

// synData is a frame as long as those of udpFrames that opens a connection.
func synData() []byte {
	data := udpFrames(1)[0].Data
	data[23], data[46], data[47] = 6, 0x50, 2
	return data
}

// A fickle detector wants datagrams, or nothing but one kind of segments for a
// while, and changes its mind in the middle of runs.
type fickle struct {
	fragile
	wants   detect.Kind
	changed func()
}

func (d *fickle) Wants() detect.Interest  { return detect.Interest{Kinds: d.wants} }
func (d *fickle) OnChange(changed func()) { d.changed = changed }
func (d *fickle) Packet(p *packet.Packet) {
	d.got = append(d.got, p.Number)
	if d.wants = detect.UDP; p.Number%7 == 0 {
		d.wants = detect.TCPControl
	}
	d.changed()
}

// TestChangesInRuns wants a change of what detectors want to hold from the next
// frame on, wherever in a run it comes, and all frames counted once.
func TestChangesInRuns(t *testing.T) {
	const n = 10_000
	frames := udpFrames(n)
	syn := synData()
	for i := range frames {
		if i%11 == 3 {
			frames[i].Data = syn
		}
	}
	var want []uint64
	wants := detect.UDP
	for i := range frames {
		number := uint64(i + 1)
		isSYN := i%11 == 3
		if isSYN != (wants == detect.TCPControl) {
			continue
		}
		want = append(want, number)
		if wants = detect.UDP; number%7 == 0 {
			wants = detect.TCPControl
		}
	}
	p := benchPipeline(t, nil)
	d := &fickle{wants: detect.UDP}
	p.engine = detect.NewEngine(d)
	at := 0
	if err := p.run(&runsSource{memorySource: memorySource{frames, &at}}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.got, want) {
		t.Errorf("%d packets, want %d", len(d.got), len(want))
	}
	tr, decoded := &p.traffic, p.decoder.Stats()
	if tr.frames != n || tr.bytes != n*60 || tr.first != 1e6 || tr.last != n*1e6 || decoded.Outcomes[packet.OK] != n {
		t.Errorf("%+v, %d decoded", tr, decoded.Outcomes[packet.OK])
	}
	if p.engine.Now() != n*1e6 {
		t.Errorf("time has come to %d", p.engine.Now())
	}
}

// TestOldFramesInRuns wants frames that are late by more than a second, and a clock
// that is set back, taken as when frames come one by one, whether a detector wants
// those before or not.
func TestOldFramesInRuns(t *testing.T) {
	for name, old := range map[string]func(i int) int64{
		"late": func(i int) int64 {
			if i%53 == 7 {
				return 1003e6
			}
			return 0
		},
		"set back": func(i int) int64 { return 3600e9 * int64(i/10_000) },
	} {
		frames := udpFrames(20_000)
		syn := synData()
		for i := range frames {
			back := old(i)
			if frames[i].Time = 7200e9 + int64(i)*1e6 - back; back > 0 && name == "late" || i%10 == 0 {
				frames[i].Data = syn // late by what the frames since the last SYN make of it
			}
		}
		var want *pipeline
		for _, runs := range []bool{false, true} {
			p := benchPipeline(t, nil)
			p.engine = detect.NewEngine(&quiet{})
			at := 0
			memory := memorySource{frames, &at}
			var from source = &runsSource{memorySource: memory}
			if !runs {
				from = &memory
			}
			if err := p.run(from, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = p
				continue
			}
			if got, most := p.engine.TimeWentBack(), want.engine.TimeWentBack(); got != most || name == "set back" && most != 1 || most == 0 || most > 400 {
				t.Errorf("%s: time went back %d times, one by one %d times", name, got, most)
			}
			if p.traffic != want.traffic || p.engine.Now() != want.engine.Now() {
				t.Errorf("%s: %+v at %d, one by one %+v at %d", name, p.traffic, p.engine.Now(), want.traffic, want.engine.Now())
			}
			if last := frames[len(frames)-1].Time; name == "set back" && p.engine.Now() != last {
				t.Errorf("%s: time has come to %d, want %d", name, p.engine.Now(), last)
			}
		}
	}
}

// A quiet detector wants segments that open connections, and does nothing.
type quiet struct{}

func (quiet) Wants() detect.Interest { return detect.Interest{Kinds: detect.TCPControl} }
func (quiet) Packet(*packet.Packet)  {}
func (quiet) Tick(int64)             {}
func (quiet) Close(int64)            {}

// TestLateralPortsAreExposed wants a host that answers on a port which the
// configuration calls lateral known to answer there.
func TestLateralPortsAreExposed(t *testing.T) {
	out, err := openEvents(&eventSetting{}, io.Discard, true)
	if err != nil {
		t.Fatal(err)
	}
	s := settings{Internal: zone.DefaultInside(), Lateral: []uint16{7001, 445}}
	p, err := newPipeline(&s, nil, out, nil, func(int) string { return "small" })
	if err != nil {
		t.Fatal(err)
	}
	frames := make([]capture.Frame, 0, len(s.Lateral))
	for i, port := range s.Lateral {
		from, to := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port), netip.MustParseAddrPort("10.0.0.2:50000")
		b := wire.AppendEthernet(nil, wire.MACOf(to.Addr()), wire.MACOf(from.Addr()), wire.TypeIPv4)
		b = wire.AppendTCPPacket(b, from, to, wire.Envelope{TTL: 64}, wire.TCP{Flags: wire.SYN | wire.ACK, Seq: 1, Ack: 1, Window: 1000}, nil)
		frames = append(frames, capture.Frame{Time: int64(i+1) * 1e6, Data: b, Len: len(b), Link: capture.LinkEthernet, Number: uint64(i + 1)})
	}
	at := 0
	if err := p.run(&memorySource{frames, &at}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	var answers []uint16
	for _, f := range p.ledger.Document(scope.Capture{}).Hosts[0].Facts {
		answers = append(answers, f.Port)
	}
	if !slices.Equal(answers, s.Lateral) {
		t.Errorf("answers on %v, want %v", answers, s.Lateral)
	}
}

// A hurried detector notes about which hosts it is to hurry, each time.
type hurried struct {
	fragile
	told []int
}

func (d *hurried) Hurry(hosts map[netip.Addr]bool) { d.told = append(d.told, len(hosts)) }

// TestManyMarks: however many hosts are marked at once, detectors look through their
// alerts once.
func TestManyMarks(t *testing.T) {
	zones, err := zone.New(zone.DefaultInside(), nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &hurried{}
	p := &pipeline{ledger: scope.New(zones, scope.Options{}), engine: detect.NewEngine(d)}
	var marks []scope.Mark
	for i := range 3000 {
		marks = append(marks, scope.Mark{Host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Kind: scope.Isolated, Time: time.Unix(1, 0)})
		if i%1000 == 999 {
			p.takeMarks(marks, time.Unix(2, 0))
			p.takeMarks(marks, time.Unix(2, 0)) // nothing new
		}
	}
	if !slices.Equal(d.told, []int{1000, 1000, 1000}) {
		t.Errorf("hurried about %v hosts", d.told)
	}
}
