package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"wormscope/scope"
)

// A Run is what a run looked at.
type Run struct {
	Captures []Capture
	Warnings []string // what weakens its conclusions
}

// A Capture is one capture file that was read.
type Capture struct {
	// Print tells captures apart by their content: two with the same one are the
	// same capture, perhaps one longer than the other.
	Print                   string
	Name                    string
	First, Last             time.Time // of its packets; zero when it has none, or none was looked at
	Packets, Bytes, Dropped uint64
	Undecoded               map[string]uint64 // frames that could not be decoded, by reason
}

// Finish notes what a run looked at. A capture that is known is brought up to
// date when it is longer now, and else left alone. The warnings of a run
// replace those of runs that looked at some of the same captures and no other.
func (s *Store) Finish(r Run) error {
	if err := s.Flush(); err != nil {
		return err
	}
	return s.update(func(tx *sql.Tx) error {
		prints := make([]string, 0, len(r.Captures))
		for i := range r.Captures {
			if err := s.writeCapture(tx, &r.Captures[i]); err != nil {
				return err
			}
			prints = append(prints, r.Captures[i].Print)
		}
		slices.Sort(prints)
		return writeWarnings(tx, slices.Compact(prints), r.Warnings)
	})
}

// writeCapture notes one capture.
func (s *Store) writeCapture(tx *sql.Tx, c *Capture) error {
	var known int64
	err := tx.QueryRowContext(context.Background(),
		"SELECT coalesce(max(packets), -1) FROM capture WHERE print = ?", c.Print).Scan(&known)
	if err != nil || clamped(c.Packets) <= known {
		return err
	}
	id, err := s.nameID(tx, c.Name)
	if err != nil {
		return err
	}
	undecoded, err := json.Marshal(c.Undecoded)
	if err != nil {
		return err
	}
	first, last := int64(0), int64(-1) // what ends before it begins has no time
	if !c.First.IsZero() {
		first, last = c.First.UnixNano(), c.Last.UnixNano()
	}
	_, err = tx.ExecContext(context.Background(), "REPLACE INTO capture VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		c.Print, id, first, last, clamped(c.Packets), clamped(c.Bytes), clamped(c.Dropped), string(undecoded))
	return err
}

// writeWarnings notes the warnings of a run over these captures, unless one
// over more of them is known.
func writeWarnings(tx *sql.Tx, prints, warnings []string) error {
	known, err := runs(tx)
	if err != nil {
		return err
	}
	for _, r := range known {
		if len(r.prints) > len(prints) && containsAll(r.prints, prints) {
			return nil
		}
		if containsAll(prints, r.prints) && !slices.Equal(prints, r.prints) {
			if _, err = tx.ExecContext(context.Background(), "DELETE FROM run WHERE id = ?", r.id); err != nil {
				return err
			}
		}
	}
	key, err := json.Marshal(prints)
	if err != nil {
		return err
	}
	text, err := json.Marshal(warnings)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(context.Background(),
		"INSERT INTO run (captures, warnings) VALUES (?, ?) ON CONFLICT DO UPDATE SET warnings = excluded.warnings", string(key), string(text))
	return err
}

// knownRun is a run that was noted.
type knownRun struct {
	id               int64
	prints, warnings []string
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// runs reads the runs in the order in which they were made.
func runs(db querier) ([]knownRun, error) {
	rows, err := db.QueryContext(context.Background(), "SELECT id, captures, warnings FROM run ORDER BY id")
	if err != nil {
		return nil, err
	}
	var list []knownRun
	err = each(rows, func() error {
		var r knownRun
		var prints, warnings []byte
		if failed := rows.Scan(&r.id, &prints, &warnings); failed != nil {
			return failed
		}
		if failed := errors.Join(json.Unmarshal(prints, &r.prints), json.Unmarshal(warnings, &r.warnings)); failed != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, failed)
		}
		list = append(list, r)
		return nil
	})
	return list, err
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// Capture returns what was looked at by all runs, each capture once.
func (s *Store) Capture() (scope.Capture, error) {
	c := scope.Capture{Undecoded: map[string]uint64{}}
	err := s.sumCaptures(&c)
	if err == nil {
		err = s.fileNames(&c)
	}
	if err == nil {
		err = s.allWarnings(&c)
	}
	if err != nil {
		return c, fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	return c, nil
}

// sumCaptures adds up the captures.
func (s *Store) sumCaptures(c *scope.Capture) error {
	rows, err := s.db.QueryContext(context.Background(), "SELECT first, last, packets, bytes, dropped, undecoded FROM capture")
	if err != nil {
		return err
	}
	return each(rows, func() error {
		var first, last int64
		var packets, bytes, dropped uint64
		var text []byte
		if err := rows.Scan(&first, &last, &packets, &bytes, &dropped, &text); err != nil {
			return err
		}
		undecoded := map[string]uint64{}
		if err := json.Unmarshal(text, &undecoded); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		for reason, n := range undecoded {
			c.Undecoded[reason] += n
		}
		c.Packets, c.Bytes, c.Dropped = c.Packets+packets, c.Bytes+bytes, c.Dropped+dropped
		if packets == 0 || first > last {
			return nil
		}
		if from := time.Unix(0, first).UTC(); c.First.IsZero() || from.Before(c.First) {
			c.First = from
		}
		if to := time.Unix(0, last).UTC(); to.After(c.Last) {
			c.Last = to
		}
		return nil
	})
}

// fileNames lists the names of files by their ids, which begin at 1 and have
// no gaps, since none is ever deleted.
func (s *Store) fileNames(c *scope.Capture) error {
	rows, err := s.db.QueryContext(context.Background(), "SELECT name FROM file ORDER BY id")
	if err != nil {
		return err
	}
	return each(rows, func() error {
		var name string
		err := rows.Scan(&name)
		c.Files = append(c.Files, name)
		return err
	})
}

// allWarnings lists the warnings of all runs, each once, and those about the
// store itself.
func (s *Store) allWarnings(c *scope.Capture) error {
	list, err := runs(s.db)
	if err != nil {
		return err
	}
	for _, r := range list {
		for _, w := range r.warnings {
			if !slices.Contains(c.Warnings, w) {
				c.Warnings = append(c.Warnings, w)
			}
		}
	}
	if s.full.alerts {
		c.Warnings = append(c.Warnings, fmt.Sprintf("the state is full at %d alerts: what was new after that is missing", s.opts.MaxAlerts))
	}
	if s.full.facts {
		c.Warnings = append(c.Warnings, fmt.Sprintf("the state is full at %d facts: what was new after that is missing", s.opts.MaxFacts))
	}
	return nil
}
