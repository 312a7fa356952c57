//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormscope/capture"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/capture/ring"
	"wormscope/detect"
	"wormscope/internal/blast"
	"wormscope/internal/testnet"
)

// TestThen: a frame that is late is of the present turn; one from before the clock was
// set back begins another.
func TestThen(t *testing.T) {
	at := moment{2, 1_000 * int64(time.Second)}
	for by, want := range map[int64]moment{
		int64(time.Second):    {2, at.time + int64(time.Second)},
		-int64(time.Second):   at,
		-detect.ClockBack:     at,
		-detect.ClockBack - 1: {3, at.time - detect.ClockBack - 1},
	} {
		if got := at.then(at.time + by); got != want || got.before(at) {
			t.Errorf("a frame %d ns later leads from %+v to %+v, want %+v", by, at, got, want)
		}
	}
	if start := (moment{time: math.MinInt64}); start.then(0) != (moment{}) {
		t.Errorf("the first frame leads to %+v", start.then(0))
	}
}

// ringsRun is a run of live on a cable, with so many rings.
type ringsRun struct {
	*testnet.Process
	alerts, scope string
}

// startRings starts a run.
func startRings(t *testing.T, p *testnet.Pair, rings int, flags ...string) ringsRun {
	t.Helper()
	dir := t.TempDir()
	r := ringsRun{alerts: filepath.Join(dir, "alerts.json"), scope: filepath.Join(dir, "scope.json")}
	r.Process = p.Start("capturing", "wormscope", append([]string{
		"live", "-i", testnet.Right, "--rings", strconv.Itoa(rings), "--ring-mb", "128", "--no-sandbox", "--own-traffic",
		"--alerts", r.alerts, "--scope", r.scope, "--state", filepath.Join(dir, "state"),
	}, flags...)...)
	return r
}

// send sends a capture over the cable, and returns how many frames came through: a
// busy machine loses some before any ring.
func send(t *testing.T, p *testnet.Pair, name string, rate float64) (came int64) {
	t.Helper()
	before := p.Count(testnet.Right, "rx_packets")
	traffic, err := blast.Open(filepath.Join("..", "..", "testdata", "pcaps", name))
	if err != nil {
		t.Fatal(err)
	}
	defer traffic.Close()
	var sender *blast.Sender
	if err = p.Inside(func() (e error) { sender, e = blast.NewSender(testnet.Left); return e }); err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	sent, err := sender.Send(traffic, rate)
	if err != nil {
		t.Fatal(err)
	}
	came = int64(p.Count(testnet.Right, "rx_packets") - before)
	if came > sent.Frames || came == 0 {
		t.Fatalf("%d frames were sent, %d came", sent.Frames, came)
	}
	return came
}

// end stops the run at once, and checks that it ends well.
func (r *ringsRun) end(t *testing.T) {
	t.Helper()
	r.Signal(syscall.SIGTERM)
	if status := r.Wait(testnet.Patience); status != exitOK {
		t.Fatalf("exit status %d: %s", status, r.Output())
	}
}

// A ringsReport is what a run says, but for times and rates.
type ringsReport struct {
	Told    []string // the last word of each alert
	Hosts   []string
	Capture struct {
		Packets, Bytes, Dropped int64
		Undecoded               map[string]int64
		Warnings                []string
	}
}

// What depends on the microsecond: rates, and how often it was said how a scan
// stood at a whole second.
var (
	aRate = regexp.MustCompile(`[0-9.]+/s\b`)
	aSeq  = regexp.MustCompile(`"seq":[0-9]+`)
)

func (r *ringsRun) report(t *testing.T) ringsReport {
	t.Helper()
	var v ringsReport
	var doc struct {
		Capture any
		Hosts   []struct {
			IP, State string
			Facts     []struct {
				Fact, Peer string
				Count      int
			}
		}
	}
	unmarshal(t, slurp(r.scope), &doc)
	for _, h := range doc.Hosts {
		v.Hosts = append(v.Hosts, fmt.Sprint(h.IP, " ", h.State, " ", h.Facts))
	}
	slices.Sort(v.Hosts)
	var about struct{ Capture any }
	about.Capture = &v.Capture
	unmarshal(t, slurp(r.scope), &about)
	for _, one := range tellings(t, slurp(r.alerts)) {
		v.Told = append(v.Told, aRate.ReplaceAllString(aSeq.ReplaceAllString(one.What, `"seq":0`), "some/s"))
	}
	return v
}

// TestRings sends traffic to runs with one ring and with several, which all
// say the same of it: scans over many flows are counted once and whole.
func TestRings(t *testing.T) {
	for _, name := range []string{"outbreak.pcap", "incident.pcap"} {
		t.Run(name, func(t *testing.T) {
			p := testnet.NewPair(t)
			var runs []ringsRun
			for _, rings := range []int{1, 2, 4} {
				runs = append(runs, startRings(t, p, rings, outbreakArgs()[2:]...))
			}
			came := send(t, p, name, 5000)
			time.Sleep(6 * time.Second) // until all attempts are answered, or are known not to be
			var want ringsReport
			for i := range runs {
				runs[i].end(t)
				got := runs[i].report(t)
				if got.Capture.Packets != came || got.Capture.Dropped != 0 {
					t.Errorf("%d packets and %d dropped of %d", got.Capture.Packets, got.Capture.Dropped, came)
				}
				if i == 0 {
					want = got
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("with several rings (-one +several):\n%s", diff)
				}
			}
			if !strings.Contains(strings.Join(want.Told, "\n"), "scanned port 445") {
				t.Errorf("no scan: %q", want.Told)
			}
		})
	}
}

// TestRingsStop stops a run under load, with its rings full of what waits:
// every packet is accounted for, and what was captured is examined.
func TestRingsStop(t *testing.T) {
	p := testnet.NewPair(t)
	r := startRings(t, p, 4)
	came := send(t, p, "outbreak.pcap", 0)
	r.end(t)
	got := r.report(t)
	if c := got.Capture; c.Packets+c.Dropped != came || c.Packets < came/2 {
		t.Errorf("%d packets and %d dropped of %d", c.Packets, c.Dropped, came)
	}
	text := strings.Join(got.Told, "\n")
	for _, host := range []string{"scan 10.10.1.23 ", "scan 10.10.1.41 ", "scan 10.20.4.18 "} {
		if !strings.Contains(text, host) {
			t.Errorf("%s is not told", host)
		}
	}
}

// TestShardsEnd ends reading with everything taken and with nothing taken, and
// looks for goroutines that are left.
func TestShardsEnd(t *testing.T) {
	for name, drain := range map[string]bool{"drained": true, "at once": false} {
		t.Run(name, func(t *testing.T) {
			pair := testnet.NewPair(t)
			o := (&liveSetting{Interfaces: []string{testnet.Right}, RingMB: 8, Rings: 3}).ringOptions(nil)
			var source *ring.Source
			if err := pair.Inside(func() (err error) { source, err = ring.Open(o); return err }); err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			before := runtime.NumGoroutine()
			p := benchPipeline(t, nil)
			s := newShards(source, p, 1)
			p.merger = newMerger(s)
			s.start()
			came := send(t, pair, "incident.pcap", 0)
			for drain {
				source.Stop()
				if err := p.merger.batch(p); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			s.close()
			if got, lost := p.traffic.frames, source.Stats().Total().Dropped; drain && got+lost != uint64(came) {
				t.Errorf("%d frames and %d dropped of %d", got, lost, came)
			}
			testnet.Until(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}

// A deal gives the frames of a capture to rings in turns. No ring gets far ahead of
// the others, as none does that gets its frames by the clock.
type deal struct {
	frames []capture.Frame
	rings  int
	mu     sync.Mutex
	moved  sync.Cond
	given  []int // frames that each ring has
}

// dealAhead is how many frames a ring may be ahead: too few to fill its parcels.
const dealAhead = 8

// dealt is a ring's part of a deal.
type dealt struct {
	*deal
	ring int
}

func (dealt) Name(int) string { return "dealt" }

func (d dealt) Next(f *capture.Frame) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &d.given[d.ring]
	for *n > slices.Min(d.given)+dealAhead {
		d.moved.Wait()
	}
	*n++
	d.moved.Broadcast()
	if i := (*n-1)*d.rings + d.ring; i < len(d.frames) {
		*f = d.frames[i]
		return nil
	}
	*n = math.MaxInt // the others need not wait
	return io.EOF
}

// TestRingsFollowTheClock deals the frames of an outbreak to two rings, and once
// more with the clock set back by a day: all are taken, time follows, and what is
// found is what one ring finds.
func TestRingsFollowTheClock(t *testing.T) {
	frames, _ := loadFrames(t, filepath.Join("..", "..", "testdata", "pcaps", "outbreak.pcap"))
	for _, f := range frames {
		f.Time -= int64(24 * time.Hour)
		frames = append(frames, f)
	}
	one := benchPipeline(t, nil)
	if err := one.run(&memorySource{frames, new(int)}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	d := &deal{frames: frames, rings: 2, given: make([]int, 2)}
	d.moved.L = &d.mu
	p := benchPipeline(t, nil)
	s := &shards{out: make(chan *parcel, 2*parcels), quit: make(chan struct{}), stop: func() {}}
	s.known.Store(nil)
	for number := range d.rings {
		shard := &shard{
			of: s, ring: dealt{d, number}, free: make(chan *parcel, parcels), zones: p.zones,
			decoder: packet.NewDecoder(), judge: kernelfilter.NewJudge(keptPorts()),
		}
		for range parcels {
			shard.free <- &parcel{from: number, notes: make([]frameNotes, 1)}
		}
		s.all = append(s.all, shard)
	}
	p.merger = newMerger(s)
	s.start()
	defer s.close()
	for err := error(nil); !errors.Is(err, io.EOF); {
		if err = p.merger.batch(p); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if p.traffic.frames != uint64(len(frames)) {
		t.Errorf("%d frames of %d", p.traffic.frames, len(frames))
	}
	if p.engine.Now() != one.engine.Now() {
		t.Errorf("time has come to %d, with one ring to %d", p.engine.Now(), one.engine.Now())
	}
	if !maps.Equal(p.raised, one.raised) {
		t.Errorf("two rings raise %v, one %v", p.raised, one.raised)
	}
}

// TestRingsRefused gives --rings what it can't do.
func TestRingsRefused(t *testing.T) {
	for _, tt := range []struct{ flags, want string }{
		{"--rings -1", "--rings -1: an interface has 1 to 16 rings"},
		{"--rings 17", "--rings 17: an interface has 1 to 16 rings"},
		{"--rings 2 --count 5", "--count needs a single ring: leave out --rings"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(append([]string{"live", "-i", "eth0"}, strings.Fields(tt.flags)...), nil, &stdout, &stderr)
		if status != exitUsage || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s: status %d: %s", tt.flags, status, &stderr)
		}
	}
}
