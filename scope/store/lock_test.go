package store

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if _, err := Open(dir, now, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	s.Alert(alert.Alert{ID: "a", Host: addr("10.0.0.1")})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	reader, err := Attach(dir) // beside the run
	if err != nil {
		t.Fatal(err)
	}
	if n := len(load(t, reader).alerts); n != 1 {
		t.Errorf("%d alerts seen beside the run, want 1", n)
	}
	if err := reader.Mark(scope.Mark{Host: addr("10.0.0.1"), Kind: scope.Isolated}); err != nil {
		t.Error(err)
	}
	shut(t, reader)
	if marks, err := s.Marks(); err != nil || len(marks) != 1 {
		t.Errorf("marks %v, %v", marks, err)
	}
	shut(t, s)
	shut(t, open(t, dir, Options{}))
}

func TestAttachMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := Attach(dir); !errors.Is(err, ErrMissing) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// TestLockedByAnother: what can't be written while another program has the
// database locked is written when it has not.
func TestLockedByAnother(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if _, err := s.db.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	tell := func(host string) {
		s.Fact(alert.Fact{Kind: alert.FactResolver, Host: addr(host), Time: now})
	}
	tell("10.0.0.5")
	for range 2 {
		if err := s.Flush(); err == nil {
			t.Fatal("written though it is locked")
		}
	}
	tell("10.0.0.6")
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := load(t, s).facts; len(got) != 2 {
		t.Errorf("%d facts, want both: %+v", len(got), got)
	}
	shut(t, s)
}
