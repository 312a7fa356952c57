// Package store keeps the ledger between runs, in a folder with one SQLite
// database. It holds what the ledger was told, not what the ledger made of it:
// the first and the latest word of each alert (a word is its start, an update or its
// end), each fact, and analysts' marks. All of these have keys of their own, so that
// telling them again changes nothing, whatever the order. docs/state.md says what
// follows from that.
//
// Open (store.go) opens the folder. A Store takes alerts and facts as a ledger does
// and writes them in Flush (words.go); Load (load.go) tells them to a ledger again.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope"

	"modernc.org/sqlite" // registers the driver "sqlite"
)

// FileName is the database's name in the state folder.
const FileName = "state.db"

// The errors of opening that callers may want to tell apart.
var (
	ErrLocked  = errors.New("in use by another wormscope")
	ErrNewer   = errors.New("written by a newer version of wormscope")
	ErrForeign = errors.New("no state of wormscope, but another's data")
	ErrDamaged = errors.New("damaged")
	ErrMissing = errors.New("no state here")
)

// Options are the settings of a Store. The zero value of a field means its
// default.
type Options struct {
	// MaxAlerts and MaxFacts are how many alerts and facts are kept, by default
	// DefaultMaxAlerts and DefaultMaxFacts. At the limit new ones are left out, and a
	// warning of Capture says so; known ones are still brought up to date.
	MaxAlerts, MaxFacts int
}

// The limits that hold when none is given. An alert takes about 2 kB, a fact
// about 100 bytes.
const (
	DefaultMaxAlerts = 1_000_000
	DefaultMaxFacts  = 4_000_000
)

// A Store is an open state folder. It implements alert.Emitter. It is not safe for use
// by several goroutines. What it is told waits in memory until Flush is called, or
// until there is much of it.
type Store struct {
	dir      string
	db       *sql.DB
	lock     *os.File // nil when opened by Attach
	opts     Options
	aside    string
	fileName func(int) string
	before   func() error
	files    map[string]int64            // ids of file names that were looked up
	words    []alert.Alert               // waiting to be written
	facts    []alert.Fact                // waiting to be written
	changes  []scope.Change              // waiting to be written
	version  int64                       // of the database when marks were read, see FreshMarks
	position uint64                      // in the log, of the last of what waits
	failing  bool                        // the last attempt to write failed, and may succeed later
	missed   uint64                      // words and facts left out because too many waited
	rows     struct{ alerts, facts int } // upper bounds of how many there are
	full     struct{ alerts, facts bool }
	err      error // why nothing more can be written
}

// Open opens the state folder for a run that adds to it, and makes it if it is not
// there. Only one process at a time can have it open so: for others Open fails with
// ErrLocked. A damaged database is renamed, see SetAside, and an empty one made in its
// place; now is part of the new name.
func Open(dir string, now time.Time, o Options) (*Store, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("state %s: a file, where a folder is wanted", dir)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", dir, err)
	}
	s, err := attach(dir, o)
	if errors.Is(err, ErrDamaged) {
		aside, asideErr := setAside(dir, now)
		if asideErr != nil {
			return nil, errors.Join(fmt.Errorf("state %s: %w, and can't be set aside: %w", dir, err, asideErr), lock.Close())
		}
		if s, err = attach(dir, o); err == nil {
			s.aside = aside
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("state %s: %w", dir, err), lock.Close())
	}
	s.lock = lock
	return s, nil
}

// Attach opens a state folder that exists, to read it or to note marks, beside
// a run that may be adding to it. It never makes or sets aside a database: the
// error is ErrMissing, or ErrDamaged.
func Attach(dir string) (*Store, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("state %s: a file, where the folder is wanted that a replay was given with --state", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, FileName)); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("state %s: %w: replay captures with --state first", dir, ErrMissing)
	}
	s, err := attach(dir, Options{})
	if errors.Is(err, ErrDamaged) {
		return nil, fmt.Errorf("state %s: %w: the next replay sets it aside and begins anew", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", dir, err)
	}
	return s, nil
}

// attach opens the database, checks it and brings it to this version's schema.
func attach(dir string, o Options) (*Store, error) {
	if o.MaxAlerts <= 0 {
		o.MaxAlerts = DefaultMaxAlerts
	}
	if o.MaxFacts <= 0 {
		o.MaxFacts = DefaultMaxFacts
	}
	// The log lets others read while a run writes. A transaction is on the disk
	// when it is done: the outbox deletes what the position noted here says is
	// known.
	const settings = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	db, err := sql.Open("sqlite", "file:"+escapePath(filepath.Join(dir, FileName))+settings)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &Store{dir: dir, db: db, opts: o, files: make(map[string]int64)}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// sortHere has SQLite put its temporary files into the state folder, since a confined
// process may not write anywhere else. An error is ignored: a folder that can't be
// written is only read.
func (s *Store) sortHere() {
	if dir, err := filepath.Abs(s.dir); err == nil {
		quoted := "'" + strings.ReplaceAll(dir, "'", "''") + "'"
		_, _ = s.db.ExecContext(context.Background(), "PRAGMA temp_store_directory = "+quoted) // see above
	}
}

// prepare checks the database and brings it to this version's schema.
func (s *Store) prepare() error {
	s.sortHere()
	if err := s.check(); err != nil {
		return judged(err)
	}
	if err := migrate(s.db, steps()); err != nil {
		return judged(err)
	}
	s.rows.alerts, s.rows.facts = s.opts.MaxAlerts, s.opts.MaxFacts // not known yet
	return judged(s.countRows())
}

// check asks SQLite whether the database is whole.
func (s *Store) check() error {
	var verdict string
	if err := s.db.QueryRowContext(context.Background(), "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, verdict)
	}
	return nil
}

// Result codes of SQLite (https://sqlite.org/rescode.html).
const (
	codeBusy     = 5
	codeLocked   = 6
	codeNoMemory = 7
	codeReadOnly = 8
	codeIOError  = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeProtocol = 15 // of locks
	codeNotADB   = 26
)

// mayPass reports whether a failure is the disk's, the machine's, or that of
// another program that has the database locked, and may pass.
func mayPass(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case codeBusy, codeLocked, codeNoMemory, codeReadOnly, codeIOError, codeFull, codeCantOpen, codeProtocol:
		return true
	default:
		return false
	}
}

// judged wraps ErrDamaged around the errors with which SQLite reports a broken file.
func judged(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		if code := e.Code() & 0xff; code == codeCorrupt || code == codeNotADB {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

// SetAside returns where a damaged database was moved when the Store was
// opened, empty when there was none.
func (s *Store) SetAside() string { return s.aside }

// Close writes what waits and closes the folder.
func (s *Store) Close() error {
	err := s.Flush()
	_, _ = s.db.ExecContext(context.Background(), "PRAGMA temp_store_directory = ''") // it is the process's; see sortHere
	err = errors.Join(err, s.db.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// each calls visit at each row, and closes the rows.
func each(rows *sql.Rows, visit func() error) error {
	for rows.Next() {
		if err := visit(); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// update runs change in one transaction.
func (s *Store) update(change func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(context.Background(), nil)
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, err)
	}
	if err = change(tx); err == nil {
		err = tx.Commit()
	} else {
		err = errors.Join(err, tx.Rollback())
	}
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, err)
	}
	return nil
}
