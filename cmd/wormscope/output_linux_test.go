package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wormscope/internal/testnet"
)

// TestSecondSignal has a replay write into a pipe that nobody reads: a signal alone can't
// end it, since what was read is still written, and a second one does.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	pipe, events := filepath.Join(dir, "pipe"), filepath.Join(dir, "events")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("wormscope", "replay", "--alerts", events, "--scope", pipe, "../../testdata/pcaps/dig-nxdomain.pcap")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // its exit status tells
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	testnet.Until(t, "what was found is written", func() bool {
		info, err := os.Stat(events)
		return err == nil && info.Size() > 0 // signals are heeded before that
	})
	testnet.Until(t, "the program ends", func() bool {
		_ = cmd.Process.Signal(unix.SIGTERM) // fails when it has ended
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != unix.SIGTERM {
		t.Errorf("it ended by %v (%v), want the second signal", status.Signal(), cmd.ProcessState)
	}
}

// TestSameSignalTwice sends a replay the same signal twice, one right after the other, as
// timeout(1) does: what was read is still told.
func TestSameSignalTwice(t *testing.T) {
	capture, err := os.ReadFile("../../testdata/pcaps/dig-nxdomain.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for timely := false; !timely; {
		dir := t.TempDir()
		events, scope := filepath.Join(dir, "events"), filepath.Join(dir, "scope")
		cmd := exec.Command("wormscope", "replay", "--alerts", events, "--scope", scope, "-")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err = cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // fails when it has ended
		if _, err = in.Write(capture); err != nil {
			t.Fatal(err)
		}
		testnet.Until(t, "what was found is written", func() bool {
			info, err := os.Stat(events)
			return err == nil && info.Size() > 0
		})
		begin := time.Now()
		_ = cmd.Process.Signal(unix.SIGTERM)
		time.Sleep(20 * time.Millisecond)
		_ = cmd.Process.Signal(unix.SIGTERM)
		timely = time.Since(begin) < sameSignal/2 // else the machine kept this test waiting
		_ = cmd.Wait()                            // its exit status tells
		if told := slurp(scope); timely && (cmd.ProcessState.ExitCode() != exitFail || len(told) == 0) {
			t.Errorf("it ended by %v, with a scope of %d bytes", cmd.ProcessState, len(told))
		}
	}
}

// TestScopeIntoSpecials has the scope document written to a pipe, a device and
// a link: each must still be there afterwards. Written by root, a file in place of
// /dev/null would break the system.
func TestScopeIntoSpecials(t *testing.T) {
	dir := t.TempDir()
	pipe, link, target := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	null := filepath.Join(dir, "null")
	if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Logf("without a device of our own: %v", err)
		null = link
	}
	read := make(chan []byte, 1)
	go func() {
		b, _ := os.ReadFile(pipe) // what is missing shows below
		read <- b
	}()
	for _, path := range []string{pipe, link, null} {
		if err := writable("scope", path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := writeWhole("scope", path, nil, func(w io.Writer) error {
			_, err := io.WriteString(w, "new")
			return err
		}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := <-read; string(got) != "new" {
		t.Errorf("through the pipe came %q", got)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "new" {
		t.Errorf("behind the link is %q, %v", got, err)
	}
	for path, want := range map[string]os.FileMode{pipe: os.ModeNamedPipe, link: os.ModeSymlink} {
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != want {
			t.Errorf("%s is not what it was any more: %v, %v", path, info.Mode(), err)
		}
	}
	if info, err := os.Stat(null); err != nil || null != link && info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("the device is %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
