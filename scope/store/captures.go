package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"wormscope/scope"
)

// A Run is what one run of the program read.
type Run struct {
	Captures []Capture
	Warnings []string // what weakens the conclusions of the run
}

// A Capture is one capture file that was read.
type Capture struct {
	// Print is a fingerprint of the first part of the capture. Two with the same one
	// are the same capture, of which one may be longer than the other.
	Print string
	// Beginnings are the fingerprints of shorter parts of it: a known capture with one
	// of these as its Print was read when it had no more than that part yet.
	Beginnings              []string
	Name                    string
	First, Last             time.Time // of its packets; zero when none was read
	Packets, Bytes, Dropped uint64
	Undecoded               map[string]uint64 // frames that could not be decoded, by reason
	NotIP                   uint64            // frames with nothing of IP in them
}

// Finish notes what a run read. A known capture is brought up to date if it is longer
// now, or as long and more is known of its packets (while a run goes on, and where an
// earlier one had a filter), and otherwise left alone. The warnings of the run replace those of runs that
// read some or all of the same captures and no others, unless one of the captures was
// longer then.
func (s *Store) Finish(r Run) error {
	if err := s.Flush(); err != nil {
		return err
	}
	return s.update(func(tx *sql.Tx) error {
		if err := takeOver(tx, r.Captures); err != nil {
			return err
		}
		prints := make([]string, 0, len(r.Captures))
		whole := true
		for i := range r.Captures {
			c := &r.Captures[i]
			known, err := s.writeCapture(tx, c)
			if err != nil {
				return err
			}
			whole = whole && clamped(c.Packets) >= known
			prints = append(prints, c.Print)
		}
		slices.Sort(prints)
		return writeWarnings(tx, slices.Compact(prints), r.Warnings, whole)
	})
}

// takeOver replaces known captures by those of which they were the beginning.
func takeOver(tx *sql.Tx, captures []Capture) error {
	grown := map[string]string{} // what a beginning has become
	for i := range captures {
		for _, p := range captures[i].Beginnings {
			grown[p] = captures[i].Print
		}
	}
	for i := range captures {
		delete(grown, captures[i].Print) // the run has read it, too
	}
	if len(grown) == 0 {
		return nil
	}
	rows, err := tx.QueryContext(context.Background(), "SELECT print FROM capture")
	if err != nil {
		return err
	}
	var known []string
	err = each(rows, func() error {
		var p string
		failed := rows.Scan(&p)
		if grown[p] != "" {
			known = append(known, p)
		}
		return failed
	})
	for i := 0; err == nil && i < len(known); i++ {
		_, err = tx.ExecContext(context.Background(), "DELETE FROM capture WHERE print = ?", known[i])
	}
	if err != nil || len(known) == 0 {
		return err
	}
	return renameRuns(tx, grown)
}

// renameRuns notes runs over beginnings of captures as runs over the captures.
func renameRuns(tx *sql.Tx, grown map[string]string) error {
	list, err := runs(tx)
	if err != nil {
		return err
	}
	for _, r := range list {
		prints := slices.Clone(r.prints)
		for i, p := range prints {
			prints[i] = cmp.Or(grown[p], p)
		}
		slices.Sort(prints)
		key, err := json.Marshal(slices.Compact(prints))
		if err != nil {
			return err
		}
		if _, err = tx.ExecContext(context.Background(), "UPDATE OR REPLACE run SET captures = ? WHERE id = ?", string(key), r.id); err != nil {
			return err
		}
	}
	return nil
}

// writeCapture notes one capture, and returns how many packets of it were known
// before, -1 if it was not known.
func (s *Store) writeCapture(tx *sql.Tx, c *Capture) (known int64, err error) {
	first, last := int64(0), int64(-1) // last before first stands for no time
	if !c.First.IsZero() {
		first, last = c.First.UnixNano(), c.Last.UnixNano()
	}
	known, faults, length, err := knownOf(tx, c.Print)
	if err != nil || clamped(c.Packets) < known {
		return known, err
	}
	if now := c.faults(); clamped(c.Packets) == known && (now < faults || last-first < length || now == faults && last-first == length) {
		return known, nil
	}
	id, err := s.nameID(tx, c.Name)
	if err != nil {
		return known, err
	}
	undecoded, err := json.Marshal(c.Undecoded)
	if err != nil {
		return known, err
	}
	_, err = tx.ExecContext(context.Background(), "REPLACE INTO capture VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		c.Print, id, first, last, clamped(c.Packets), clamped(c.Bytes), clamped(c.Dropped), string(undecoded), clamped(c.NotIP))
	return known, err
}

// knownOf returns what is known of a capture: its packets, -1 if it is not known, and
// if it is, how many of them were lost or not decoded, and how much time they span.
func knownOf(tx *sql.Tx, fingerprint string) (packets int64, faults uint64, length int64, err error) {
	var text string
	var first, last int64
	var c Capture
	err = tx.QueryRowContext(context.Background(), "SELECT packets, first, last, dropped, undecoded, not_ip FROM capture WHERE print = ?", fingerprint).
		Scan(&packets, &first, &last, &c.Dropped, &text, &c.NotIP)
	if errors.Is(err, sql.ErrNoRows) {
		return -1, 0, 0, nil
	}
	if err == nil && json.Unmarshal([]byte(text), &c.Undecoded) != nil {
		err = fmt.Errorf("%w: what could not be decoded of a capture", ErrDamaged)
	}
	return packets, c.faults(), last - first, err
}

// faults is how many packets were lost, or not decoded.
func (c *Capture) faults() uint64 {
	sum := c.Dropped + c.NotIP
	for _, n := range c.Undecoded {
		sum += n
	}
	return sum
}

// writeWarnings notes the warnings of a run over the captures with these fingerprints,
// unless an earlier run over these and others is known. whole says that none of the
// captures was longer before; if it is false, the warnings of an earlier run over the
// same captures stay as well.
func writeWarnings(tx *sql.Tx, prints, warnings []string, whole bool) error {
	known, err := runs(tx)
	if err != nil {
		return err
	}
	for _, r := range known {
		if containsAll(r.prints, prints) && (len(r.prints) > len(prints) || !whole) {
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

// Capture returns what all runs read, each capture once.
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
	rows, err := s.db.QueryContext(context.Background(), "SELECT first, last, packets, bytes, dropped, undecoded, not_ip FROM capture")
	if err != nil {
		return err
	}
	return each(rows, func() error {
		var first, last int64
		var packets, bytes, dropped, notIP uint64
		var text []byte
		if err := rows.Scan(&first, &last, &packets, &bytes, &dropped, &text, &notIP); err != nil {
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
		c.NotIP += notIP
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
