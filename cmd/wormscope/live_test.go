package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"wormscope/internal/testnet"
)

// A sensor is a run of live in a test's network, as the user nobody.
type sensor struct {
	*testnet.Process
	t      testing.TB
	dir    string
	alerts string
	scope  string

	mu    sync.Mutex
	lines []written
	busy  time.Duration // how late the machine was at most
	waits []wait        // in order of time
	stop  chan struct{}
	done  sync.WaitGroup
}

// written is an event and when it was found in the file.
type written struct {
	line   []byte
	at     time.Time
	waited time.Duration // by then, see wait
}

// startSensor starts live on the monitor interface and follows its event file.
func startSensor(t testing.TB, host *testnet.Host, flags ...string) *sensor {
	t.Helper()
	dir := openDir(t)
	s := &sensor{
		t: t, dir: dir, alerts: filepath.Join(dir, "alerts.json"), scope: filepath.Join(dir, "scope.json"),
		stop: make(chan struct{}),
	}
	args := append([]string{
		"live", "-i", testnet.Monitor, "--user", "nobody", "--ring-mb", "64", "--own-traffic",
		"--alerts", s.alerts, "--scope", s.scope, "--state", filepath.Join(dir, "state"),
	}, flags...)
	s.Process = host.Start("capturing", "wormscope", args...)
	s.done.Go(s.follow)
	t.Cleanup(s.unfollow)
	return s
}

// openDir makes a folder that any user may write to.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// follow notes when each line comes to be in the event file, how late the machine
// is with what takes no time, and how long it keeps the run waiting.
func (s *sensor) follow() {
	const pause = 10 * time.Millisecond
	seen := 0
	for last := false; ; {
		begin := time.Now()
		s.noteWait(begin)
		if all := slurp(s.alerts); len(all) > seen {
			end := bytes.LastIndexByte(all, '\n') + 1
			now, by := time.Now(), waited(s.Pid())
			s.mu.Lock()
			for line := range bytes.Lines(all[seen:end]) {
				s.lines = append(s.lines, written{line, now, by})
			}
			s.mu.Unlock()
			seen = end
		}
		if last {
			return
		}
		select {
		case <-s.stop:
			last = true
		case <-time.After(pause):
			s.mu.Lock()
			s.busy = max(s.busy, time.Since(begin)-pause)
			s.mu.Unlock()
		}
	}
}

func (s *sensor) unfollow() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.done.Wait()
}

// events returns what was found so far.
func (s *sensor) events() []written {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// await waits until an event is there of which all texts are a part.
func (s *sensor) await(what string, texts ...string) {
	s.t.Helper()
	testnet.Eventually(s.t, what, func() error {
		for _, w := range s.events() {
			if !slices.ContainsFunc(texts, func(text string) bool { return !bytes.Contains(w.line, []byte(text)) }) {
				return nil
			}
		}
		return fmt.Errorf("no event has %q:\n%s\n%s", texts, slurp(s.alerts), s.Output())
	})
}

// end stops the run with a signal, and checks that it ends well.
func (s *sensor) end() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	if status := s.Wait(testnet.Patience); status != exitOK {
		s.t.Fatalf("exit status %d: %s", status, s.Output())
	}
	s.unfollow()
}

// A told alert is what its last word says, without where its frames are.
type told struct {
	ID         string
	What       string // rule, host, count and all else
	Start, End time.Time
}

// tellings returns the last word of each alert, in the order of what they say.
func tellings(t *testing.T, lines []byte) []told {
	t.Helper()
	byID := map[string]told{}
	for line := range bytes.Lines(lines) {
		var e struct {
			Event struct {
				Kind, Action string
				Start, End   time.Time
			}
			Host      struct{ IP []string }
			Wormscope struct{ Alert struct{ ID string } }
		}
		unmarshal(t, line, &e)
		if e.Event.Kind == "alert" {
			id := e.Wormscope.Alert.ID
			byID[id] = told{id, e.Event.Action + " " + e.Host.IP[0] + " " + timeless(t, line), e.Event.Start, e.Event.End}
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b told) int { return strings.Compare(a.What, b.What) })
}

// timeless returns an event without its times, what comes from these, and
// where its frames are.
func timeless(t *testing.T, line []byte) string {
	t.Helper()
	var e map[string]any
	unmarshal(t, line, &e)
	for _, path := range [][]string{
		{"@timestamp"},
		{"event", "id"},
		{"event", "start"},
		{"event", "end"},
		{"wormscope", "frames"},
		{"wormscope", "alert", "id"},
		{"wormscope", "scan", "rate"},
		{"wormscope", "flood", "rate"},
	} {
		in := e
		for _, key := range path[:len(path)-1] {
			in, _ = in[key].(map[string]any)
		}
		delete(in, path[len(path)-1])
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sameTold compares what was told live with what a replay of the same packets
// tells. Two sockets may have the same packet a microsecond apart, when this
// machine sent it, and further where it was held up in between, but not as far as
// two packets of a sweep are; an id comes from the time of the first.
func sameTold(t *testing.T, replayed, live []told) {
	t.Helper()
	near := cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < 5*time.Millisecond })
	hide := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".ID" }, cmp.Ignore())
	if diff := cmp.Diff(replayed, live, near, hide); diff != "" {
		t.Errorf("live tells something else than replay (-replay +live):\n%s", diff)
		return
	}
	for i := range live {
		if live[i].Start.Equal(replayed[i].Start) != (live[i].ID == replayed[i].ID) {
			t.Errorf("%s: %s live, %s replayed", live[i].What, live[i].ID, replayed[i].ID)
		}
	}
}

// TestLive has real tools do everything at once before a mirror port: each
// thing is told within two seconds, nothing else is, and a recording of the
// same traffic leads to the same alerts.
func TestLive(t *testing.T) { testLive(t) }

func testLive(t *testing.T, flags ...string) {
	t.Helper()
	testnet.Need(t, "tc", "nmap", "masscan", "dig", "unbound", "smbclient", "smbd")
	stage := testnet.NewStage(testnet.New(t), false)
	pcap := filepath.Join(openDir(t), "live.pcap")
	recording := stage.Sensor.Record(testnet.Monitor, pcap)
	s := startSensor(t, stage.Sensor, flags...)

	var all sync.WaitGroup
	for _, do := range []func(){
		func() { stage.SweepNmap(100) }, func() { stage.SweepMasscan(100) }, stage.Ask, stage.Fetch,
	} {
		all.Go(do)
	}
	all.Wait()
	// What was silent is known when time has passed: live it does by itself, in
	// a recording by one more packet.
	time.Sleep(6 * time.Second)
	stage.Ask()
	time.Sleep(1500 * time.Millisecond)
	recording.Stop()
	late(t, s)
	s.end()

	lines := slurp(s.alerts)
	events := readEvents(t, lines)
	got := map[string][]string{}
	for _, e := range events {
		if e.Event.Kind == "alert" && !slices.Contains(got[e.Event.Action], e.Host.IP[0]) {
			got[e.Event.Action] = append(got[e.Event.Action], e.Host.IP[0])
		}
	}
	for _, hosts := range got {
		slices.Sort(hosts)
	}
	want := map[string][]string{
		"scan": {"10.10.1.23", "10.10.1.24"}, "ioc-domain": {"10.10.1.25"},
		"smb-exposed": {"10.10.0.20", "10.20.2.10", "10.20.2.11", "10.20.2.12", "10.20.2.13", "10.20.2.14", "10.20.2.15"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was told (-want +got):\n%s", diff)
	}
	replayed := runReplay(t, []string{pcap})
	if replayed.status != exitOK {
		t.Fatal(replayed.stderr)
	}
	sameTold(t, tellings(t, replayed.alerts), tellings(t, lines))
	var doc document
	unmarshal(t, slurp(s.scope), &doc)
	if len(doc.Hosts) == 0 {
		t.Error("the scope was not written")
	}
}

// TestLiveStopsInTheMiddle stops a run in the middle of a scan: the alert, the
// scope and the state are written.
func TestLiveStopsInTheMiddle(t *testing.T) {
	testnet.Need(t, "tc", "nmap", "unbound", "smbd")
	stage := testnet.NewStage(testnet.New(t), true) // each packet comes twice
	s := startSensor(t, stage.Sensor)
	var sweep sync.WaitGroup
	sweep.Go(func() { stage.SweepNmap(50) })
	s.await("the scan", `"action":"scan"`, `"phase":"start"`)
	s.end()
	lines := slurp(s.alerts)
	if !bytes.Contains(lines, []byte(`"phase":"end"`)) {
		t.Errorf("no alert is ended:\n%s", lines)
	}
	var doc document
	unmarshal(t, slurp(s.scope), &doc)
	var stdout, stderr bytes.Buffer
	if status := run([]string{"report", "--state", filepath.Join(s.dir, "state")}, nil, &stdout, &stderr); status != exitOK {
		t.Fatalf("the state can't be read: %s", &stderr)
	}
	if !strings.Contains(stdout.String(), "10.10.1.23") {
		t.Errorf("the state does not know who scans:\n%s", &stdout)
	}
	sweep.Wait()
}

// TestLiveGivesItsRightsAway looks at the process once it captures.
func TestLiveGivesItsRightsAway(t *testing.T) {
	testnet.Need(t, "tc", "setpriv")
	stage := testnet.New(t)
	stage.Host("one", "10.10.1.1/16")
	host := stage.Mirror(false)
	dir := openDir(t)
	for name, start := range map[string]func() *testnet.Process{
		"as root": func() *testnet.Process {
			return host.Start("capturing", "wormscope", "live", "-i", testnet.Monitor, "--user", "nobody", "--ring-mb", "1", "--state", filepath.Join(dir, "root"))
		},
		"with CAP_NET_RAW": func() *testnet.Process {
			return host.Start("capturing", "setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps", "-all,+net_raw", "--ambient-caps", "-all,+net_raw",
				"--bounding-set", "-all,+net_raw", "--", wormscopePath(t, dir), "live", "-i", testnet.Monitor, "--ring-mb", "1", "--state", filepath.Join(dir, "nobody"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start()
			defer p.Stop()
			checkRights(t, p.Pid(), name == "as root")
		})
	}
}

// checkRights checks that no thread of a process has any capability.
func checkRights(t *testing.T, pid int, bounded bool) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	none := "0000000000000000"
	want := map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapAmb": none, "NoNewPrivs": "1"}
	if bounded {
		want["CapBnd"] = none
	}
	for _, path := range threads {
		got := map[string]string{}
		for line := range strings.Lines(string(slurp(path))) {
			key, value, _ := strings.Cut(line, ":")
			if _, ok := want[key]; ok {
				got[key] = strings.TrimSpace(value)
			}
			if key == "Uid" && strings.Contains(value, "\t0") {
				t.Errorf("%s runs as root: %s", path, value)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// wormscopePath copies this test's program to where any user can run it.
func wormscopePath(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "wormscope")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
