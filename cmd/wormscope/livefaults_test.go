package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"go.uber.org/zap"

	"wormscope/internal/testnet"
)

// TestFaults notes that two things can't be written, the second a moment after the
// first, and then that one of them can be again.
func TestFaults(t *testing.T) {
	var out strings.Builder
	log := newLogger(&out)
	var f faults
	at := time.Unix(1_700_000_000, 0)
	wants := func(after time.Duration, lines ...string) {
		t.Helper()
		out.Reset()
		at = at.Add(after)
		f.say(log, at)
		if got := strings.Count(out.String(), "\n"); got != len(lines) {
			t.Errorf("%d lines, want %d: %s", got, len(lines), out.String())
		}
		for _, line := range lines {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%q is not in %s", line, out.String())
			}
		}
	}
	full, gone := errors.New("no space left"), errors.New("no such folder")
	wants(0)
	f.note("events", full)
	wants(time.Second, `events can't be written; the run goes on	{"error": "no space left", "times": 1}`)
	f.note("events", full)
	f.note("state", gone)
	wants(time.Second, `state can't be written; the run goes on	{"error": "no such folder", "times": 1}`)
	f.note("events", full)
	wants(time.Second)
	wants(time.Minute, `events can't be written; the run goes on	{"error": "no space left", "times": 2}`, "state can be written again")
	wants(time.Minute, "events can be written again")
	wants(time.Hour)
}

// TestStateWaitsForEvents has a state folder that can't be written because the event
// file can't be: the error says so.
func TestStateWaitsForEvents(t *testing.T) {
	e, err := openEvents(&eventSetting{File: "/dev/full"}, nil, true)
	if err != nil {
		t.Skip(err) // no such device
	}
	e.write([]byte("{}"), nil)
	if err := e.flushFirst(); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "the state waits for the events, which are written first: event file /dev/full: ") {
		t.Errorf("got %v", err)
	}
	if err := e.close(); err == nil {
		t.Error("closed, with an event that is nowhere")
	}
}

// TestLiveFolderMadeAnew deletes the folder of the event file and makes it anew. The
// sandbox has the old one alone: the log says why the new one is of no use.
func TestLiveFolderMadeAnew(t *testing.T) {
	x := newTap(t)
	dir := filepath.Join(openDir(t), "log")
	makeFolder := func() {
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	makeFolder()
	p := x.host.Start("capturing", "wormscope", "live", "-i", testnet.Monitor, "--user", "nobody", "--alerts", filepath.Join(dir, "alerts.json"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	makeFolder()
	p.Signal(syscall.SIGHUP)
	logs(t, &sensor{Process: p, t: t}, 1, "permission denied (in the sandbox only the folders can be used")
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(testnet.Patience); status != exitOK {
		t.Errorf("exit status %d: %s", status, p.Output())
	}
}

// TestOutOfReach: the sandbox is blamed for what is not permitted alone, and only where
// there is one.
func TestOutOfReach(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "feed", Err: syscall.EACCES}
	var in, out liveSetting
	out.NoSandbox = true
	if err := in.outOfReach(denied); !errors.Is(err, denied) || !strings.Contains(err.Error(), "in the sandbox") {
		t.Errorf("in the sandbox: %v", err)
	}
	if err := out.outOfReach(denied); err.Error() != denied.Error() {
		t.Errorf("without: %v", err)
	}
	if err := in.outOfReach(io.ErrUnexpectedEOF); err.Error() != io.ErrUnexpectedEOF.Error() {
		t.Errorf("another error: %v", err)
	}
}

// TestLogIsVisible: what strangers have in names and in feeds commands no terminal that
// shows the log, and makes no lines of its own.
func TestLogIsVisible(t *testing.T) {
	var out strings.Builder
	log := newLogger(&out)
	const evil = "a\x1b[31m\u009b1m\u202e\nb"
	log.Warn(evil, zap.String("feed", evil), zap.Error(errors.New(evil)))
	text := out.String()
	if strings.Count(text, "\n") != 1 || strings.ContainsFunc(strings.Trim(text, "\n"), func(r rune) bool { return r != '\t' && !unicode.IsGraphic(r) }) {
		t.Errorf("%q", text)
	}
	if !strings.Contains(text, "\twarn\t"+`a\x1b[31m\u009b1m\u202e\nb`+"\t") || strings.Count(text, `\u202e`) != 3 {
		t.Errorf("%q does not say what it should", text)
	}
}
