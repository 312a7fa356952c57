//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// pipeOf returns the path of a pipe that says text and ends, as a shell's <(…) is.
func pipeOf(t *testing.T, text string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	_, err = w.WriteString(text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/dev/fd/%d", r.Fd())
}

// TestPipesAmongFeeds: what a pipe gave at the start stays in use, and a pipe that lies
// in a folder holds nothing up.
func TestPipesAmongFeeds(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte("was.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := pipeOf(t, "given.example\n")
	s := settings{Feeds: []feedSetting{{Path: given}, {Path: dir}}}
	k := keeperOf(t, &s)
	pipe := filepath.Join(dir, "pipe")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(list, []byte("is.example\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := k.reread(ctx, &s, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if !has(r.set, "given.example") || !has(r.set, "is.example") || has(r.set, "was.example") {
		t.Errorf("in use: %+v", r.set.Counts())
	}
	for _, path := range []string{given, pipe} {
		if f := r.files[path]; f.Refused != 1 || !strings.HasPrefix(f.Reason, "a pipe: ") {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

// TestPipeAsConfiguration: a configuration in a pipe is read, and one that was read
// before is not taken for an empty one, which would withdraw all feeds.
func TestPipeAsConfiguration(t *testing.T) {
	flags := flagValues{config: pipeOf(t, "internal: [192.0.2.0/24]\n")}
	s, err := flags.settings()
	if err != nil || len(s.Internal) != 1 {
		t.Fatalf("%v, %v", s.Internal, err)
	}
	want := fmt.Sprintf("configuration: read %s: a pipe that gives nothing: what it has, it gives only once", flags.config)
	if _, err = flags.settings(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestStopWhileReading: a run that is told to stop does not wait for a configuration.
func TestStopWhileReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	go func() { <-begun; cancel() }()
	_, err := untilDone(ctx, func() (settings, error) {
		close(begun)
		<-end
		return settings{}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
