package kafka

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"wormscope/internal/kafkatest"
	"wormscope/internal/testnet"
	"wormscope/sinks"
	"wormscope/sinks/event"
	"wormscope/sinks/outbox"
)

// senderEnv makes the test binary a sender: its folder, its brokers and how
// many events it has to deliver.
const senderEnv = "WORMSCOPE_TEST_SENDER"

func TestMain(m *testing.M) {
	if task := os.Getenv(senderEnv); task != "" {
		if err := sendAll(strings.Fields(task)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appended is how many events a sender makes durable at a time.
const appended = 500

// A held sink says nothing of a batch that has arrived after so many events, until
// standard input ends: the process that it is of is in the middle of a delivery
// when it is killed, however late that is.
type held struct {
	*Sink
	left int
}

func (h *held) Deliver(ctx context.Context, batch []event.Event) ([]sinks.Refusal, error) {
	refused, err := h.Sink.Deliver(ctx, batch)
	if h.left -= len(batch); err == nil && h.left < 0 {
		_, err = io.Copy(io.Discard, os.Stdin)
	}
	return refused, err
}

// sendAll appends events to an outbox from where it stopped the last time, and
// waits until a Kafka has them all.
func sendAll(task []string) error {
	total, err := strconv.Atoi(task[2])
	if err != nil {
		return err
	}
	s, err := New(Config{Cluster: Cluster{Brokers: strings.Split(task[1], ",")}, Topic: "events", Create: true}, renderer())
	if err != nil {
		return err
	}
	b, err := outbox.Open(outbox.Options{Dir: task[0], Warn: func(line string) { fmt.Fprintln(os.Stderr, line) }})
	if err != nil {
		return err
	}
	if err := b.Start([]outbox.Receiver{{Name: "kafka", Sink: &held{s, total / 8}}}); err != nil {
		return err
	}
	for n := int(b.Position()); n < total; n += appended {
		b.Append(batch(n, min(n+appended, total)))
		if err := b.Sync(); err != nil {
			return err
		}
	}
	if err := b.Drain(context.Background(), nil); err != nil {
		return err
	}
	return b.Close()
}

// A sender is a process that delivers events through an outbox.
type sender struct {
	t    *testing.T
	task string
	cmd  *exec.Cmd
	hold io.Closer // it delivers no more than an eighth until this is closed
	log  bytes.Buffer
}

func newSender(t *testing.T, c *kafkatest.Cluster, total int) *sender {
	t.Helper()
	return &sender{t: t, task: fmt.Sprintf("%s %s %d", t.TempDir(), strings.Join(c.Brokers(), ","), total)}
}

// start starts the process; it is killed when the test ends.
func (s *sender) start() {
	s.t.Helper()
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Env = append(os.Environ(), senderEnv+"="+s.task)
	s.cmd.Stderr = &s.log
	var err error
	if s.hold, err = s.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err = s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.kill() })
}

// letGo lets the process deliver all.
func (s *sender) letGo() {
	s.t.Helper()
	if err := s.hold.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the process as a power failure does. It reports whether it ran.
func (s *sender) kill() bool {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill() // unless it has ended
		_ = s.cmd.Wait()         // it was killed
	}
	return !s.cmd.ProcessState.Exited()
}

// finish waits until all is delivered, and returns the most memory that it
// took, in MB.
func (s *sender) finish() int64 {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	peak, err := testnet.AwaitPeak(s.cmd.Process.Pid, done)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.log.String())
	}
	return peak >> 20
}

// memory returns the resident memory of the process in MB.
func (s *sender) memory() int {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kb int
	if _, err := fmt.Sscan(after, &kb); err != nil {
		s.t.Fatal(err)
	}
	return kb / 1024
}

// TestOutboxRate delivers 200,000 events with zstd, each on the disk before it
// is sent.
func TestOutboxRate(t *testing.T) {
	const events = 200_000
	c := kafkatest.Start(t, kafkatest.Options{})
	s := newSender(t, c, events)
	began := time.Now()
	s.start()
	s.letGo()
	most := s.finish()
	took := time.Since(began)
	repeats := arrived(t, c.Read("events"), batch(0, events))
	t.Logf("%d events in %v: %.0f/s, %d MB at most, %d repeats", events, took.Round(time.Millisecond), events/took.Seconds(), most, repeats)
	if most > 200 && !testnet.Race {
		t.Errorf("the sender took %d MB, want 200 at most", most)
	}
}

// TestKilled kills the sender five times and the broker that leads three times,
// all while events are delivered.
func TestKilled(t *testing.T) {
	const events = 200_000
	c := kafkatest.Start(t, kafkatest.Options{Nodes: 3})
	s := newSender(t, c, events)
	programs, brokers := 0, 0
	for round := range 5 {
		from := c.Count("events")
		s.start()
		c.Await("events", from+events/20)
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
	s.start()
	s.letGo()
	s.finish()
	records := c.Read("events")
	repeats := arrived(t, records, batch(0, events))
	t.Logf("killed the sender %d times and the leading broker %d times: %d events, %d records, %d repeats, 0 lost, 0 out of order",
		programs, brokers, events, len(records), repeats)
	if programs != 5 || brokers != 3 {
		t.Errorf("%d kills of the sender and %d of brokers took effect, want 5 and 3", programs, brokers)
	}
}

// away is how long a broker is away: two minutes where WORMSCOPE_CHAOS is set.
func away() time.Duration {
	if os.Getenv("WORMSCOPE_CHAOS") != "" {
		return 2 * time.Minute
	}
	return 20 * time.Second
}

// TestAway takes the broker away for a while, and lets it hang for a while. All
// is delivered, and nothing grows meanwhile.
func TestAway(t *testing.T) {
	t.Parallel()
	const events = 200_000
	for name, how := range map[string]struct{ leave, back func(*kafkatest.Cluster) }{
		"away": {func(c *kafkatest.Cluster) { c.Kill(1) }, func(c *kafkatest.Cluster) { c.Restart(1) }},
		"hung": {func(c *kafkatest.Cluster) { c.Pause(1) }, func(c *kafkatest.Cluster) { c.Resume(1) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := kafkatest.Start(t, kafkatest.Options{})
			s := newSender(t, c, events)
			s.start()
			c.Await("events", events/20)
			how.leave(c)
			s.letGo()
			time.Sleep(5 * time.Second) // most is appended by then
			before, most := s.memory(), 0
			for end := time.Now().Add(away()); time.Now().Before(end); time.Sleep(time.Second) {
				most = max(most, s.memory())
			}
			how.back(c)
			peak := s.finish()
			repeats := arrived(t, c.Read("events"), batch(0, events))
			t.Logf("%v %s: %d events, 0 lost, %d repeats; %d MB when it began, %d MB at most meanwhile, %d MB at most ever",
				away(), name, events, repeats, before, most, peak)
			if peak > 200 && !testnet.Race {
				t.Errorf("the sender took %d MB, want 200 at most", peak)
			}
		})
	}
}
