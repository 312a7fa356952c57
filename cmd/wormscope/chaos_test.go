package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/wire"
	"wormscope/internal/kafkatest"
	"wormscope/internal/testnet"
)

// A planted is a capture of hosts that ask for indicator names, each once, and
// what a replay of it must say.
type planted struct {
	capture, feed string
	ids           map[string][]string // of events, by host, in order
	events        int
}

// plant makes a capture of hosts that ask for names. Each host is suspected
// from its first question on, and each question is an alert that begins and
// ends.
func plant(t testing.TB, hosts, names int) *planted {
	t.Helper()
	dir := t.TempDir()
	p := &planted{capture: filepath.Join(dir, "planted.pcap"), feed: filepath.Join(dir, "planted.txt"), ids: map[string][]string{}}
	var feed strings.Builder
	for n := range names {
		fmt.Fprintf(&feed, "name%d.planted.example\n", n)
	}
	if err := os.WriteFile(p.feed, []byte(feed.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(p.capture)
	if err != nil {
		t.Fatal(err)
	}
	w := capfile.NewWriter(f, capfile.Pcap{Link: capfile.LinkEthernet})
	server := netip.MustParseAddrPort("10.255.0.53:53")
	now := time.Date(2017, 5, 12, 8, 0, 0, 0, time.UTC).UnixNano()
	for n := range names {
		for h := range hosts {
			host := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(h >> 14), byte(h >> 7 & 127), byte(1 + h&127)}), uint16(20000+n))
			m := wire.DNS{ID: uint16(h), Flags: wire.RD, Name: fmt.Sprintf("name%d.planted.example", n), Type: wire.TypeA}
			w.Packet(now, lookup(host, server, m))
			m.Flags |= wire.QR | wire.RA | wire.NXDomain
			w.Packet(now+1000, lookup(server, host, m))
			now += 100_000
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p.expect(t)
	return p
}

// lookup makes the frame of a message over UDP.
func lookup(src, dst netip.AddrPort, m wire.DNS) []byte {
	b := wire.AppendEthernet(nil, wire.MACOf(dst.Addr()), wire.MACOf(src.Addr()), 0x0800)
	return wire.AppendUDPPacket(b, src, dst, wire.Envelope{TTL: 64}, m.Append(nil))
}

// expect notes what an undisturbed run says.
func (p *planted) expect(t testing.TB) {
	t.Helper()
	r := runReplay(t, []string{p.capture}, "--feed", p.feed)
	if r.status != exitOK {
		t.Fatal(r.stderr)
	}
	lines := bufio.NewScanner(bytes.NewReader(r.alerts))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Event struct{ ID string }
			Host  struct{ IP []string }
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		p.ids[e.Host.IP[0]] = append(p.ids[e.Host.IP[0]], e.Event.ID)
		p.events++
	}
}

// check holds what a topic has against what was planted: every event is there,
// those of a host in order, and the same event has the same id each time.
// It returns how many arrived again.
func (p *planted) check(t testing.TB, records []kafkatest.Record) (repeats int) {
	t.Helper()
	got := map[string][]string{}
	seen := map[string]bool{}
	for _, r := range records {
		id := r.Headers["event-id"]
		if seen[id] {
			repeats++
			continue
		}
		seen[id] = true
		got[r.Key] = append(got[r.Key], id)
	}
	lost, disordered := 0, 0
	for host, want := range p.ids {
		for _, id := range want {
			if !seen[id] {
				lost++
			}
		}
		if strings.Join(got[host], " ") != strings.Join(want, " ") {
			disordered++
		}
	}
	if lost > 0 || disordered > 0 || len(seen) != p.events {
		t.Errorf("%d events arrived of %d that were planted: %d are lost, and those of %d hosts are not the same in the same order",
			len(seen), p.events, lost, disordered)
	}
	return repeats
}

// A sending is a run of the program that delivers to a Kafka. It reads what was
// planted from a pipe, so that it does not end before it is let go.
type sending struct {
	t    testing.TB
	args []string
	cmd  *exec.Cmd
	in   io.WriteCloser
	read chan error // it has read all that it was given, or died
	log  bytes.Buffer
	done chan error
}

// newSending makes one that replays what was planted into topics of c.
func newSending(t testing.TB, c *kafkatest.Cluster, p *planted) *sending {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("sinks:\n  - {name: kafka, type: kafka, brokers: [%s], topic: events, create: true, partitions: 6}\n",
		strings.Join(c.Brokers(), ", "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &sending{t: t, args: []string{"replay", "--config", config, "--feed", p.feed, "--state", filepath.Join(dir, "state"), "-"}}
}

// start runs the program and gives it the beginning of a capture; it is killed
// when the test ends.
func (s *sending) start(part []byte) {
	s.t.Helper()
	s.log.Reset()
	s.cmd = exec.Command("wormscope", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err = s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done, cmd := make(chan error, 1), s.cmd
	s.done = done
	go func() { done <- cmd.Wait(); close(done) }()
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	read, in := make(chan error, 1), s.in
	s.read = read
	go func() { _, err := in.Write(part); read <- err }()
}

// kill ends the program as a power failure does. It reports whether it ran.
func (s *sending) kill() bool {
	_ = s.cmd.Process.Kill() // unless it has ended
	<-s.done
	return !s.cmd.ProcessState.Exited()
}

// finish lets the program come to its end, which must go well.
func (s *sending) finish(within time.Duration) {
	s.t.Helper()
	if err := errors.Join(<-s.read, s.in.Close()); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Fatalf("%v\n%s", err, s.log.String())
		}
	case <-time.After(within):
		s.kill()
		s.t.Fatalf("not within %v\n%s", within, s.log.String())
	}
}

// TestKafkaKilled kills the program five times and the broker that leads three
// times, all while events are delivered.
func TestKafkaKilled(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Nodes: 3})
	p := plant(t, 3_000, 8)
	whole := slurp(p.capture)
	s := newSending(t, c, p)
	var programs, brokers int
	for round := range 5 {
		from := c.Count("events")
		s.start(whole[:len(whole)*(3+round)/8])
		c.Await("events", from+int64(p.events)/40)
		t.Logf("%d of %d when it is killed", c.Count("events"), p.events)
		leader := 0
		if round%2 == 0 {
			leader = c.Leader("events", round)
			c.Kill(leader)
			brokers++
		}
		if s.kill() {
			programs++
		}
		if leader > 0 {
			c.Restart(leader)
		}
	}
	s.start(whole)
	s.finish(2 * testnet.Patience)
	records := c.Read("events")
	repeats := p.check(t, records)
	t.Logf("killed the program %d times and the leading broker %d times: %d events planted, %d records, %d repeats, 0 lost, 0 out of order",
		programs, brokers, p.events, len(records), repeats)
	if programs != 5 || brokers != 3 {
		t.Errorf("%d kills of the program and %d of brokers took effect, want 5 and 3", programs, brokers)
	}
}
