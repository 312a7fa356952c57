package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wormscope/capture"
	"wormscope/detect/alert"
	"wormscope/internal/testnet"
	"wormscope/scope/store"
)

// tap is a sensor on a link that only the test sends to.
type tap struct {
	*sensor
	net    *testnet.Net
	host   *testnet.Host
	frames [][]byte
}

// newTap makes a network with a link, and frames of a client that asks for the
// kill switch.
func newTap(t *testing.T) *tap {
	t.Helper()
	testnet.Need(t, "tc")
	n := testnet.New(t)
	x := &tap{net: n, host: n.Mirror(false)}
	r, err := capture.Open([]string{filepath.Join("..", "..", "testdata", "pcaps", "dig-nxdomain.pcap")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		var f capture.Frame
		if r.Next(&f) != nil {
			return x
		}
		x.frames = append(x.frames, slices.Clone(f.Data))
	}
}

// send sends the frames.
func (x *tap) send(t *testing.T) {
	t.Helper()
	i := x.net.Injector()
	for _, f := range x.frames {
		if err := i.Send(f); err != nil {
			t.Fatal(err)
		}
	}
}

// logs waits until the run has logged a text n times.
func logs(t *testing.T, s *sensor, n int, text string) {
	t.Helper()
	testnet.Eventually(t, "the log", func() error {
		if log := s.Output(); strings.Count(log, text) < n {
			return fmt.Errorf("%q is not logged %d times:\n%s", text, n, log)
		}
		return nil
	})
}

// TestLiveFindsTheInterfaceAgain takes the interface away for a while when all
// rights are given away, and gives another of its name back.
func TestLiveFindsTheInterfaceAgain(t *testing.T) {
	x := newTap(t)
	s := startSensor(t, x.host)
	x.net.Replug(func() { time.Sleep(500 * time.Millisecond) })
	logs(t, s, 1, "the interface is gone")
	logs(t, s, 1, "the interface is back")
	x.send(t)
	s.await("a look-up after the interface was away", `"action":"ioc-domain"`, "10.10.1.23")
	s.end()
	if !strings.Contains(s.Output(), "went away or down") {
		t.Errorf("the summary does not say that the interface was away:\n%s", s.Output())
	}
}

// failing starts a run whose events can't be written, sends, and sends again once
// that is said, and tells the run to stop.
func (x *tap) failing(t *testing.T, events, scope, said string) *testnet.Process {
	t.Helper()
	p := x.host.Start("capturing", "wormscope", "live", "-i", testnet.Monitor, "--user", "nobody", "--ring-mb", "1",
		"--alerts", events, "--scope", scope)
	x.send(t)
	logs(t, &sensor{Process: p, t: t}, 1, said)
	x.send(t)
	time.Sleep(500 * time.Millisecond)
	p.Signal(syscall.SIGTERM)
	return p
}

// TestLiveGoesOnWithAFullDisk writes events to a device that has no room.
func TestLiveGoesOnWithAFullDisk(t *testing.T) {
	x := newTap(t)
	dir := openDir(t)
	p := x.failing(t, "/dev/full", filepath.Join(dir, "scope.json"), "no space left on device")
	if status := p.Wait(testnet.Patience); status != exitFail {
		t.Errorf("exit status %d though events are lost: %s", status, p.Output())
	}
	var doc document
	unmarshal(t, slurp(filepath.Join(dir, "scope.json")), &doc)
	if doc.Totals.Infected+doc.Totals.Suspected != 1 {
		t.Errorf("the scope has %+v", doc.Totals)
	}
}

// TestLiveGoesOnWithAHangingDisk writes events to a pipe that is full and that
// nobody reads, as a disk is that hangs: what comes meanwhile is looked at, and all
// events are there when it is read.
func TestLiveGoesOnWithAHangingDisk(t *testing.T) {
	x := newTap(t)
	dir := openDir(t)
	path, scope := filepath.Join(dir, "events"), filepath.Join(dir, "scope.json")
	pipe := fullPipe(t, path)
	p := x.failing(t, path, scope, "a write has not come back for")
	var doc document
	testnet.Eventually(t, "a scope while the write hangs", func() error {
		if b, err := os.ReadFile(scope); err == nil {
			unmarshal(t, b, &doc)
		}
		if doc.Capture.Packets == 0 {
			return fmt.Errorf("it has no packets:\n%s", p.Output())
		}
		return nil
	})
	if want := 2 * len(x.frames); doc.Capture.Packets != want || doc.Capture.Dropped != 0 {
		t.Errorf("the scope has %+v, want %d packets", doc.Capture, want)
	}
	if err := pipe.SetReadDeadline(time.Now().Add(testnet.Patience)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	for line := ""; !strings.Contains(line, `"action":"ioc-domain"`); {
		var err error
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatalf("no event came when the pipe was read: %v", err)
		}
	}
	if status := p.Wait(testnet.Patience); status != exitOK {
		t.Errorf("exit status %d: %s", status, p.Output())
	}
}

// fullPipe makes a pipe of a name that takes nothing more, and returns its end.
func fullPipe(t *testing.T, path string) *os.File {
	t.Helper()
	err := errors.Join(syscall.Mkfifo(path, 0o600), os.Chmod(path, 0o666)) // for the user nobody
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	raw, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var full error
	if err := raw.Write(func(fd uintptr) bool {
		for full == nil {
			_, full = syscall.Write(int(fd), []byte("x\n"))
		}
		return true
	}); err != nil || !errors.Is(full, syscall.EAGAIN) {
		t.Fatal(err, full)
	}
	return pipe
}

// TestLiveRenews changes configuration, feeds and the event file under a run,
// and follows what it tells the service manager.
func TestLiveRenews(t *testing.T) {
	x := newTap(t)
	dir := openDir(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	manager := listen(t, dir)
	feed := write("feeds/own.txt", "other.example\n")
	config := write("config/wormscope.yaml", "builtin: false\nfeeds: ["+feed+"]\n")
	elsewhere := filepath.Join(openDir(t), "elsewhere.txt")
	if err := os.WriteFile(elsewhere, []byte("site1.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", manager.path)
	t.Setenv("WATCHDOG_USEC", "600000")
	s := startSensor(t, x.host, "--config", config)
	manager.await("READY=1", "WATCHDOG=1")

	// A feed that is written anew is used by itself.
	write("feeds/own.txt", "other.example\niuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com\n")
	logs(t, s, 1, "feeds renewed")
	x.send(t)
	s.await("a look-up of a name that came later", `"action":"ioc-domain"`, `"provider":"own"`)

	// A configuration that is wrong, or that a run could not begin with, changes nothing.
	for i, wrong := range []string{"nonsense: true\n", "live: {rings: 99}\n"} {
		write("config/wormscope.yaml", wrong)
		s.Signal(syscall.SIGHUP)
		logs(t, s, 1+i, "the new configuration is wrong")
		logs(t, s, 2+i, "feeds renewed")
	}
	manager.await("RELOADING=1")

	// What changes and can't, is named. A feed out of reach is refused.
	write("config/wormscope.yaml", "builtin: false\nfeeds: ["+feed+", "+elsewhere+"]\nlateral_ports: [445]\n")
	moved := s.alerts + ".1"
	if err := os.Rename(s.alerts, moved); err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGHUP)
	logs(t, s, 4, "feeds renewed")
	logs(t, s, 1, "lateral_ports")
	logs(t, s, 1, "feed refused")
	if !strings.Contains(s.Output(), "permission denied") {
		t.Errorf("a feed out of reach was read:\n%s", s.Output())
	}
	s.end()
	manager.await("STOPPING=1")
	old, next := slurp(moved), slurp(s.alerts)
	if !bytes.Contains(old, []byte(`"phase":"start"`)) || !bytes.Contains(next, []byte(`"phase":"end"`)) {
		t.Errorf("the event file was not reopened: %d and %d bytes", len(old), len(next))
	}
}

// A manager is a service manager's socket.
type manager struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	told []string
}

// listen makes the socket, that any user may write to.
func listen(t *testing.T, dir string) *manager {
	t.Helper()
	m := &manager{t: t, path: filepath.Join(dir, "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(m.path, 0o777); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.told = append(m.told, strings.Split(string(b[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return m
}

// await waits until all of these were told.
func (m *manager) await(lines ...string) {
	m.t.Helper()
	testnet.Eventually(m.t, "the service manager is told", func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if slices.ContainsFunc(lines, func(l string) bool { return !slices.Contains(m.told, l) }) {
			return fmt.Errorf("want all of %q, but it was told %q", lines, m.told)
		}
		return nil
	})
}

// TestLiveHeedsMarks: a mark that is made beside a run changes the host's state
// there, and what the host does from then on is said at once.
func TestLiveHeedsMarks(t *testing.T) {
	x := newTap(t)
	s := startSensor(t, x.host)
	state := filepath.Join(s.dir, "state")
	x.send(t)
	s.await("a look-up of the kill switch", `"action":"host-state"`, `"to":"infected"`)
	told := func(n int, text string) {
		t.Helper()
		testnet.Eventually(t, "the events", func() error {
			if events := slurp(s.alerts); bytes.Count(events, []byte(text)) < n {
				return fmt.Errorf("%q is not told %d times:\n%s\n%s", text, n, events, s.Output())
			}
			return nil
		})
	}
	runs(t, "mark", "--state", state, "cleaned", "10.10.1.23")
	told(1, `"reason":"an analyst marked it cleaned"`)
	for _, f := range x.frames { // another lookup has another ID
		if udp := 23; f[udp] == 17 {
			f[42]++
		}
	}
	x.send(t)
	told(2, `"to":"infected"`)
	runs(t, "mark", "--state", state, "cleaned", "10.10.1.23")
	told(2, `"reason":"an analyst marked it cleaned"`)
	runs(t, "unmark", "--state", state, "cleaned", "10.10.1.23")
	told(3, `"to":"infected"`)
	s.end()
}

// TestLiveDoesNotGoOnAsRoot starts live as root without saying who to become.
func TestLiveDoesNotGoOnAsRoot(t *testing.T) {
	x := newTap(t)
	out, err := x.host.Try(testnet.Patience, "wormscope", "live", "-i", testnet.Monitor, "--ring-mb", "1")
	if err == nil || !strings.Contains(out, "live does not go on as root") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestLiveStartsOnALargeState begins with a state that takes more memory to
// sort than SQLite has, as a user who may write to the state folder alone.
func TestLiveStartsOnALargeState(t *testing.T) {
	x := newTap(t)
	dir := filepath.Join(openDir(t), "state")
	db, err := store.Open(dir, time.Now(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db.Begin(func(int) string { return "eth0" }, nil)
	for i := range 12_000 {
		at := time.Unix(int64(i*7919%12_000), 0).UTC()
		host := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		db.Alert(alert.Alert{
			ID: alert.Identify(alert.RuleScan, host, at), Rule: alert.RuleScan, Host: host, Time: at, First: at, Last: at,
			Evidence: alert.Evidence{Scan: &alert.Scan{Port: 445}},
		})
	}
	if err = db.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, dir) {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	x.host.Start("capturing", "wormscope", "live", "-i", testnet.Monitor, "--user", "nobody", "--ring-mb", "1", "--state", dir).Stop()
}

// What ends after so many frames does so to the frame, read in runs or not.
func TestCountedRuns(t *testing.T) {
	for _, left := range []uint64{0, 1, 49, 50, 51, 120, 200} {
		at := 1
		inRuns := &runsSource{memorySource: memorySource{udpFrames(500), &at}}
		for name, from := range map[string]source{"in runs": inRuns, "one by one": &inRuns.memorySource} {
			at = 1
			p := benchPipeline(t, nil)
			counted := &counted{source: from, left: left}
			for err := error(nil); !errors.Is(err, io.EOF); {
				err = p.batch(counted)
			}
			if p.traffic.frames != left || at != int(left)+1 {
				t.Errorf("%s: %d frames of %d, %d read", name, p.traffic.frames, left, at-1)
			}
		}
	}
}
