package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/internal/testnet"
)

// The lengths of a run: `make soak` sets SOAK to half an hour.
const (
	usual     = 2 * time.Minute
	disturb   = 10 * time.Second // between two disturbances
	rate      = 5000             // frames a second
	feedNames = 100_000
)

// duration returns how long to run.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 20*time.Second {
		t.Fatalf("SOAK=%s: want a time of at least 20s, such as 30m", text)
	}
	return d
}

// TestSoak runs a sensor on steady traffic. Every ten seconds its feed is
// replaced, its event file is moved away, and its interface goes down and up.
// It must lose nothing to that, and its memory and goroutines must not grow.
func TestSoak(t *testing.T) {
	testnet.Need(t, "tc", "go")
	whole := duration(t)
	net := testnet.New(t)
	host := net.Mirror(false)
	f := newFolder(t)
	f.feed(0)
	sensor := host.Start("capturing", build(t), "live", "-i", testnet.Monitor, "--no-sandbox", "--ring-mb", "512", "--own-traffic", "--http", "9445",
		"--feed", f.path("names.txt"), "--alerts", f.path("alerts.json"), "--scope", f.path("scope.json"), "--state", f.path("state"))
	traffic := start(t, net.Injector())
	watch := &gauge{t: t, host: host, pid: sensor.Pid()}

	begin := time.Now()
	rounds := 0
	for time.Since(begin) < whole || rounds < 2 { // however long a busy machine takes for one, there is a later one to compare
		wait := time.Now().Add(disturb)
		for time.Now().Before(wait) {
			time.Sleep(time.Second)
			watch.look(time.Since(begin))
		}
		rounds++
		f.feed(rounds)
		f.rotate(rounds)
		sensor.Signal(syscall.SIGHUP)
		traffic.pause(func() {
			testnet.Until(t, "all that came is looked at", func() bool { return looked(t, host) == came(t, host) })
			host.Link(testnet.Monitor, "down")
			time.Sleep(100 * time.Millisecond)
			host.Link(testnet.Monitor, "up")
			time.Sleep(300 * time.Millisecond)
		})
		testnet.Until(t, "feeds are renewed", func() bool { return strings.Count(sensor.Output(), "feeds renewed") >= rounds })
	}
	time.Sleep(5 * time.Second) // for the last feed
	sent := traffic.end()
	arrived := came(t, host)
	t.Logf("%d frames sent, of which the cable lost %d", sent, sent-arrived)
	sensor.Signal(syscall.SIGTERM)
	if status := sensor.Wait(testnet.Patience); status != 0 {
		t.Fatalf("exit status %d: %s", status, sensor.Output())
	}
	f.check(arrived)
	told := checkLog(t, sensor.Output(), rounds)
	t.Logf("%d events in %d files", f.events(), rounds+1)
	if n := f.events(); n != told {
		t.Errorf("%d events are in the files, %d were taken", n, told)
	}
	watch.check(whole)
}

// came returns how many frames the interface has received: a busy machine loses some
// on the cable, before any sensor.
func came(t *testing.T, host *testnet.Host) uint64 {
	t.Helper()
	return number(t, host.Run(testnet.Patience, "cat", "/sys/class/net/"+testnet.Monitor+"/statistics/rx_packets"))
}

// looked returns how many frames the sensor says that it has looked at.
func looked(t *testing.T, host *testnet.Host) uint64 {
	t.Helper()
	return metric(t, host, "wormscope_packets_total")
}

// metric asks the sensor for a metric without labels.
func metric(t *testing.T, host *testnet.Host, name string) uint64 {
	t.Helper()
	page, err := host.Client().Get("http://127.0.0.1:9445/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+name+" ")
	value, _, _ := strings.Cut(after, "\n")
	return number(t, value)
}

func number(t *testing.T, text string) uint64 {
	t.Helper()
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64) // of metrics, such as 1.2e+06
	if err != nil {
		t.Fatal(err)
	}
	return uint64(f)
}

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wormscope")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/wormscope")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// traffic sends the frames of a capture, over and over.
type traffic struct {
	t    *testing.T
	sent atomic.Uint64
	hold chan func()
	stop chan struct{}
	done chan struct{}
}

// start begins to send.
func start(t *testing.T, to *testnet.Injector) *traffic {
	t.Helper()
	frames := load(t, "../../testdata/pcaps/outbreak.pcap")
	x := &traffic{t: t, hold: make(chan func()), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(x.done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for at := 0; ; {
			select {
			case <-x.stop:
				return
			case do := <-x.hold:
				do()
			case <-tick.C:
				for range rate / 100 {
					if err := to.Send(frames[at]); err != nil {
						t.Errorf("send: %v", err)
						return
					}
					x.sent.Add(1)
					at = (at + 1) % len(frames)
				}
			}
		}
	}()
	return x
}

// load reads the frames of a capture.
func load(t *testing.T, path string) [][]byte {
	t.Helper()
	r, err := capture.Open([]string{path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var frames [][]byte
	for {
		var f capture.Frame
		switch err := r.Next(&f); {
		case errors.Is(err, io.EOF):
			return frames
		case err != nil:
			t.Fatal(err)
		}
		frames = append(frames, slices.Clone(f.Data))
	}
}

// pause does something while nothing is sent.
func (x *traffic) pause(do func()) {
	x.t.Helper()
	paused, over := make(chan struct{}), make(chan struct{})
	select {
	case x.hold <- func() { close(paused); <-over }:
	case <-x.done:
		x.t.Fatal("nothing is sent any more")
	}
	<-paused
	time.Sleep(100 * time.Millisecond) // for what is on its way
	do()
	close(over)
}

// end stops it and returns how many frames were sent.
func (x *traffic) end() uint64 {
	close(x.stop)
	<-x.done
	return x.sent.Load()
}

// folder is where the sensor reads and writes.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	return &folder{t, t.TempDir()}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// feed replaces the feed by another of the same size.
func (f *folder) feed(round int) {
	f.t.Helper()
	var b strings.Builder
	for i := range feedNames {
		fmt.Fprintf(&b, "n%d-%d.example\n", round%2, i)
	}
	next := f.path("names.next")
	if err := errors.Join(os.WriteFile(next, []byte(b.String()), 0o600), os.Rename(next, f.path("names.txt"))); err != nil {
		f.t.Fatal(err)
	}
}

// rotate moves the event file away.
func (f *folder) rotate(round int) {
	f.t.Helper()
	if err := os.Rename(f.path("alerts.json"), f.path(fmt.Sprintf("alerts-%d.json", round))); err != nil {
		f.t.Fatal(err)
	}
}

// check compares what came with what was seen.
func (f *folder) check(came uint64) {
	f.t.Helper()
	var doc struct {
		Capture struct {
			Packets, Dropped uint64
		}
	}
	text, err := os.ReadFile(f.path("scope.json"))
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Logf("%d frames came, %d received, %d dropped", came, doc.Capture.Packets, doc.Capture.Dropped)
	if doc.Capture.Packets != came || doc.Capture.Dropped != 0 {
		f.t.Errorf("%d frames came, %d received, %d dropped", came, doc.Capture.Packets, doc.Capture.Dropped)
	}
}

// events counts the lines of all event files.
func (f *folder) events() int {
	f.t.Helper()
	files, err := filepath.Glob(f.path("alerts*.json"))
	if err != nil {
		f.t.Fatal(err)
	}
	n := 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.t.Fatal(err)
		}
		n += strings.Count(string(text), "\n")
	}
	return n
}

var stateLine = regexp.MustCompile(`(?m)\tstate\t(\{.*\})$`)

// checkLog checks that feeds were renewed each time, and that nothing went wrong. It
// returns how many events the log speaks of.
func checkLog(t *testing.T, log string, rounds int) (events int) {
	t.Helper()
	if n := strings.Count(log, "feeds renewed"); n < rounds {
		t.Errorf("feeds were renewed %d times in %d rounds", n, rounds)
	}
	for _, wrong := range []string{"\terror\t", "feed refused", "panic"} {
		if strings.Contains(log, wrong) {
			t.Errorf("the log has %q:\n%s", wrong, log)
		}
	}
	for _, m := range stateLine.FindAllStringSubmatch(log, -1) {
		var s struct{ Events int }
		if err := json.Unmarshal([]byte(m[1]), &s); err != nil {
			t.Fatal(err)
		}
		events = s.Events
	}
	return events
}
