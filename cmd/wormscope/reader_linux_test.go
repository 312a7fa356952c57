package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wormscope/internal/testnet"
)

// unread returns a pipe that nobody reads, as a shell's is when head has ended.
func unread(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// TestOutlivesReader: a replay whose standard output nobody reads any more still gives
// the rest of its outputs what is theirs, and says what is missing.
func TestOutlivesReader(t *testing.T) {
	for _, out := range []string{"--alerts", "--scope", ""} {
		dir := t.TempDir()
		state, report := filepath.Join(dir, "state"), filepath.Join(dir, "report.html")
		args := []string{"replay", "--state", state, "--report", report, "../../testdata/pcaps/outbreak.pcap"}
		if out != "" {
			args = append(args, out, "-")
		}
		cmd := exec.Command("wormscope", args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = unread(t), &said
		_ = cmd.Run() // its exit status tells
		if status := cmd.ProcessState.ExitCode(); status != exitFail || !strings.Contains(said.String(), "nobody reads standard output any more") {
			t.Errorf("%s: %v: %s", out, cmd.ProcessState, &said)
		}
		if whole := slurp(report); !bytes.HasSuffix(bytes.TrimSpace(whole), []byte("</html>")) {
			t.Errorf("%s: the report has %d bytes", out, len(whole))
		}
		if kept := asked(t, "report", "--state", state); !strings.Contains(kept, "infected") {
			t.Errorf("%s: the state folder has %q", out, kept)
		}
	}
}

// asked returns what a command says, which must succeed.
func asked(t *testing.T, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	if status := run(args, nil, &out, &said); status != exitOK {
		t.Errorf("%v: exit status %d: %s", args, status, &said)
	}
	return out.String()
}

// TestEndsWithReader: a replay of which nobody wants anything any more does not wait for
// the rest of the capture, and ends in order.
func TestEndsWithReader(t *testing.T) {
	capture, err := os.ReadFile("../../testdata/pcaps/outbreak.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"-", "/dev/stdout"} {
		cmd := exec.Command("wormscope", "replay", "--alerts", file, "-")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = unread(t), &said
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		_, _ = in.Write(capture) // it may end before it has read all
		go func() { ended <- cmd.Wait() }()
		testnet.Eventually(t, "the end", func() error {
			select {
			case err := <-ended:
				ended <- err
				return nil
			default:
				return errors.New("it goes on")
			}
		})
		_ = cmd.Process.Kill() // fails when it has ended
		<-ended
		if status := cmd.ProcessState.ExitCode(); status != exitFail || !strings.Contains(said.String(), "events that are lost: ") {
			t.Errorf("%s: %v: %s", file, cmd.ProcessState, &said)
		}
	}
}

// TestLiveEndsWithReader: so does a live run, whose last lines are still written.
func TestLiveEndsWithReader(t *testing.T) {
	x := newTap(t)
	pipe := filepath.Join(openDir(t), "pipe")
	const unreadable = `mkfifo "$0"; exec 4<>"$0" 3>"$0" 4<&-; exec wormscope live -i "$1" --user nobody --ring-mb 1 --own-traffic --alerts - >&3`
	p := x.host.Start("capturing", "sh", "-c", unreadable, pipe, testnet.Monitor)
	x.send(t)
	status := p.Wait(testnet.Patience)
	said := p.Output()
	if status != exitFail || !strings.Contains(said, "stopping: nothing takes what is found") || !strings.Contains(said, "packets_per_s") {
		t.Errorf("exit status %d: %s", status, said)
	}
}
