package outbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"wormscope/sinks"
	"wormscope/sinks/event"
)

// crashFolder makes the test binary the process that is killed: it names the
// folder of its outbox.
const crashFolder = "WORMSCOPE_TEST_OUTBOX"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		if err := appendUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// receivers are sinks that write to files: one that takes all at once, one that
// takes half and fails half of the time, and one that is slow.
func receivers(dir string) []Receiver {
	plain := &recorder{path: filepath.Join(dir, "plain.txt")}
	flaky := &recorder{path: filepath.Join(dir, "flaky.txt")}
	flaky.instead = func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		if rand.N(2) == 0 {
			return nil, errors.Join(flaky.take(batch[:rand.N(len(batch)+1)]), errors.New("fails half of the time"))
		}
		return nil, flaky.take(batch)
	}
	slow := &recorder{path: filepath.Join(dir, "slow.txt")}
	slow.instead = func(_ context.Context, batch []event.Event) ([]sinks.Refusal, error) {
		for len(batch) > 0 {
			n := min(len(batch), 200)
			if err := slow.take(batch[:n]); err != nil {
				return nil, err
			}
			batch = batch[n:]
			time.Sleep(time.Millisecond)
		}
		return nil, nil
	}
	return []Receiver{{Name: "plain", Sink: plain}, {Name: "flaky", Sink: flaky}, {Name: "slow", Sink: slow}}
}

// appendUntilKilled appends numbered events in groups of up to five, from the
// one after the last that the log has, and says on standard output which is
// durable. It goes on until it is killed.
func appendUntilKilled(dir string) error {
	b, err := Open(Options{Dir: filepath.Join(dir, "outbox"), segmentSize: 100_000, firstRetry: time.Millisecond})
	if err != nil {
		return err
	}
	last, in := 0, 0
	err = b.Recover(0, func(_ uint64, e *event.Event) error {
		last, in = number(e), in+1
		return nil
	})
	if err != nil {
		return err
	}
	if known, err := os.ReadFile(filepath.Join(dir, "durable.txt")); err == nil {
		n, _ := strconv.Atoi(string(known))
		if in > 0 && last < n {
			return fmt.Errorf("%d is not there, which was durable: the last is %d", n, last)
		}
		last = max(last, n)
	}
	if err := b.Start(receivers(dir)); err != nil {
		return err
	}
	for {
		for range rand.N(300) {
			var group []event.Event
			for range 1 + rand.N(5) {
				last++
				group = append(group, numbered(last))
			}
			b.Append(group)
		}
		if err := b.Sync(); err != nil {
			return err
		}
		fmt.Println(last)
	}
}

// TestKilled: whatever is durable when the process is killed arrives at every
// sink, in order, and what arrives was appended.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	durable, rounds := 0, 12
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFolder+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		kill := func() {
			time.AfterFunc(time.Duration(20+rand.N(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		working := sync.OnceFunc(kill)
		if round%2 > 0 { // whatever it is at by then: on a busy machine, at its start
			kill()
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			durable, err = strconv.Atoi(lines.Text())
			must(t, err)
			working()
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("it was not killed: %v", err)
		}
		must(t, os.WriteFile(filepath.Join(dir, "durable.txt"), []byte(strconv.Itoa(durable)), 0o600))
	}
	// What is on the disk beyond what was said to be durable counts as appended.
	b, err := Open(Options{Dir: filepath.Join(dir, "outbox"), firstRetry: time.Millisecond})
	must(t, err)
	last := durable
	must(t, b.Recover(0, func(_ uint64, e *event.Event) error { last = max(last, number(e)); return nil }))
	must(t, b.Start(receivers(dir)))
	drain(t, b)
	must(t, b.Close())
	for _, name := range []string{"plain", "flaky", "slow"} {
		got := readNumbers(t, filepath.Join(dir, name+".txt"))
		check(t, name, got, last)
		t.Logf("%s: %d events in %d runs that were killed: 0 lost, %d repeated", name, last, rounds, len(got)-last)
	}
}

// readNumbers reads what a recorder wrote. What a kill tore off is not a number:
// whoever was killed had not said that it has it.
func readNumbers(t *testing.T, path string) []int {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	var got []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if len(lines.Text()) < recorded {
			continue
		}
		n, err := strconv.Atoi(lines.Text())
		must(t, err)
		got = append(got, n)
	}
	return got
}
