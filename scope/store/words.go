package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// enough is how many words and facts wait until they are written without a call of
// Flush, maxWaiting how many may wait while writing fails.
const (
	enough     = 4096
	maxWaiting = 16 * enough
)

// Begin sets the names of the run's capture files, by the index that frames have, and
// a function that is called before each write: if that fails, nothing is written.
// Begin is to be called before the first Alert or Fact.
func (s *Store) Begin(fileName func(int) string, before func() error) {
	s.fileName, s.before = fileName, before
}

// Alert implements alert.Emitter. It keeps what the alert points to until Flush, and
// does not change it.
func (s *Store) Alert(a alert.Alert) {
	if s.hasRoom() {
		s.words = append(s.words, a)
		s.flushMany()
	}
}

// Fact implements alert.Emitter.
func (s *Store) Fact(f alert.Fact) {
	if s.hasRoom() {
		s.facts = append(s.facts, f)
		s.flushMany()
	}
}

// hasRoom reports whether one more word or fact may wait, and counts it as missed if
// not. So those that came first are kept.
func (s *Store) hasRoom() bool {
	if len(s.words)+len(s.facts) < maxWaiting {
		return true
	}
	s.missed++
	return false
}

func (s *Store) flushMany() {
	if len(s.words)+len(s.facts) >= enough && !s.failing {
		s.failing = s.Flush() != nil // the next call of Flush returns the error again
	}
}

// Change notes a change of a host's state that was reported, so that ledgers of later
// runs go on with the numbering. It is written together with the word or fact that is
// told next, which is the one that caused it.
func (s *Store) Change(c scope.Change) { s.changes = append(s.changes, c) }

// Took says that the store was told everything that the log says up to this position.
// The position is written with what waits, in the same transaction.
func (s *Store) Took(position uint64) { s.position = position }

// Missed returns how many words and facts were left out because too many waited
// for a disk without room.
func (s *Store) Missed() uint64 { return s.missed }

// Flush writes what waits, in one transaction: all of it or nothing. If the disk is
// full, if another program has the database locked, or if the function that Begin set
// fails, everything goes on waiting, up to 65,536 words and facts, and the next Flush
// tries again. After any other error nothing more is written, and each Flush returns
// that error.
func (s *Store) Flush() error {
	if s.err != nil || len(s.words)+len(s.facts)+len(s.changes) == 0 {
		s.clear()
		return s.err
	}
	if s.before != nil {
		if err := s.before(); err != nil {
			s.failing = true
			return err
		}
	}
	if err := s.present(); err != nil {
		s.failing = true
		return err
	}
	err := s.update(s.write)
	if s.failing = mayPass(err); s.failing {
		clear(s.files) // the transaction gave them their ids
		return err
	}
	s.rows.alerts += len(s.words)
	s.rows.facts += len(s.facts)
	if err == nil {
		err = s.countRows()
	}
	s.clear()
	s.err = err
	return err
}

// present returns an error if somebody has deleted the database: what is written to it
// is then kept nowhere, and the system does not say so.
func (s *Store) present() error {
	if _, err := os.Stat(filepath.Join(s.dir, FileName)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state %s: %s was deleted: nothing more is kept there until wormscope is started again", s.dir, FileName)
	}
	return nil
}

func (s *Store) clear() {
	s.words, s.facts, s.changes = s.words[:0], s.facts[:0], s.changes[:0]
}

// write writes the words and facts that wait. The transaction closes its
// statements.
func (s *Store) write(tx *sql.Tx) error {
	known, err := tx.PrepareContext(context.Background(), "SELECT latest, seq, count, last, time, body FROM alert WHERE id = ?")
	if err != nil {
		return err
	}
	put, err := tx.PrepareContext(context.Background(), "REPLACE INTO alert (id, latest, seq, count, last, time, body, frames) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	for i := range s.words {
		if err := s.writeWord(tx, known, put, &s.words[i]); err != nil {
			return err
		}
	}
	if err := s.writeFacts(tx); err != nil {
		return err
	}
	return s.writeProgress(tx)
}

// A word is what words of an alert are compared by.
type word struct {
	seq, count, last, time int64
	body                   string
}

// compare orders words of the same sequence number by how much they say. The order is
// total, so that of two words the same one wins in whatever order they come.
func (w *word) compare(other *word) int {
	return cmp.Or(
		cmp.Compare(w.count, other.count),
		cmp.Compare(w.last, other.last),
		cmp.Compare(w.time, other.time),
		cmp.Compare(w.body, other.body),
	)
}

// writeWord writes one word of an alert. Of each alert the first word and the latest
// are kept; of two words with the same sequence number the one that says more, as when
// a capture was read while it was still growing, and again. A word that changes nothing
// leaves no trace, not even the name of its capture file.
func (s *Store) writeWord(tx *sql.Tx, known, put *sql.Stmt, a *alert.Alert) error {
	bare := *a
	bare.Frames = nil
	body, err := json.Marshal(&bare)
	if err != nil {
		return fmt.Errorf("alert %s: %w", a.ID, err)
	}
	w := word{int64(a.Seq), clamped(a.Count), a.Last.UnixNano(), a.Time.UnixNano(), string(body)}
	first, latest, err := knownWords(known, a.ID)
	if err != nil || first == nil && s.full.alerts {
		return err
	}
	var frames string
	for at, changes := range [2]bool{
		first == nil || w.seq < first.seq || w.seq == first.seq && w.compare(first) > 0,
		w.seq > 0 && (latest == nil || w.seq > latest.seq || w.seq == latest.seq && w.compare(latest) > 0),
	} {
		if !changes {
			continue
		}
		if frames, err = s.frames(tx, a.Frames); err != nil {
			return err
		}
		if _, err := put.ExecContext(context.Background(), a.ID, at, w.seq, w.count, w.last, w.time, w.body, frames); err != nil {
			return err
		}
	}
	return nil
}

// knownWords returns the first and the latest word of an alert, nil where there
// is none.
func knownWords(known *sql.Stmt, id string) (first, latest *word, err error) {
	rows, err := known.QueryContext(context.Background(), id)
	if err != nil {
		return nil, nil, err
	}
	err = each(rows, func() error {
		var isLatest bool
		w := new(word)
		scanned := rows.Scan(&isLatest, &w.seq, &w.count, &w.last, &w.time, &w.body)
		if isLatest {
			latest = w
		} else {
			first = w
		}
		return scanned
	})
	return first, latest, err
}

// clamped returns a count, or the largest integer of SQLite if it is more than that.
func clamped(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// frames encodes frames as pairs of a file's id and a frame number.
func (s *Store) frames(tx *sql.Tx, refs []alert.FrameRef) (string, error) {
	pairs := make([][2]uint64, 0, len(refs))
	for _, r := range refs {
		id, err := s.fileID(tx, r)
		if err != nil {
			return "", err
		}
		pairs = append(pairs, [2]uint64{uint64(id), r.Number}) //nolint:gosec // G115: ids are positive
	}
	text, err := json.Marshal(pairs)
	return string(text), err
}

// fileID returns the id of a frame's file, 0 for no frame.
func (s *Store) fileID(tx *sql.Tx, r alert.FrameRef) (int64, error) {
	if r.Number == 0 || s.fileName == nil {
		return 0, nil
	}
	return s.nameID(tx, s.fileName(r.File))
}

// nameID returns the id of a file's name, and gives it one if it has none.
func (s *Store) nameID(tx *sql.Tx, name string) (int64, error) {
	if id, ok := s.files[name]; ok {
		return id, nil
	}
	var id int64
	err := tx.QueryRowContext(context.Background(),
		"INSERT INTO file (name) VALUES (?) ON CONFLICT DO UPDATE SET name = name RETURNING id", name).Scan(&id)
	if err == nil {
		s.files[name] = id
	}
	return id, err
}

// writeFacts writes the facts that wait and are not known.
func (s *Store) writeFacts(tx *sql.Tx) error {
	if len(s.facts) == 0 || s.full.facts {
		return nil
	}
	// In two steps, since a file gets an id only if a fact needs it that is new.
	insert, err := tx.PrepareContext(context.Background(),
		"INSERT OR IGNORE INTO fact (kind, host, peer, port, time, number, body, file) VALUES (?, ?, ?, ?, ?, ?, ?, 0)")
	if err != nil {
		return err
	}
	locate, err := tx.PrepareContext(context.Background(),
		"UPDATE fact SET file = ?8 WHERE (kind, host, peer, port, time, number, body) = (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
	if err != nil {
		return err
	}
	for i := range s.facts {
		if err := s.writeFact(tx, insert, locate, &s.facts[i]); err != nil {
			return err
		}
	}
	return nil
}

// writeFact writes one fact.
func (s *Store) writeFact(tx *sql.Tx, insert, locate *sql.Stmt, f *alert.Fact) error {
	peer := ""
	if f.Peer.IsValid() {
		peer = f.Peer.String()
	}
	body, err := factBody(*f)
	if err != nil {
		return err
	}
	key := []any{string(f.Kind), f.Host.String(), peer, f.Port, f.Time.UnixNano(), clamped(f.Frame.Number), body}
	result, err := insert.ExecContext(context.Background(), key...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 || f.Frame.Number == 0 {
		return err
	}
	id, err := s.fileID(tx, f.Frame)
	if err != nil {
		return err
	}
	_, err = locate.ExecContext(context.Background(), append(key, id)...)
	return err
}

// factBody encodes what a fact says besides what has a column, empty if nothing.
func factBody(f alert.Fact) (string, error) {
	f.Kind, f.Host, f.Peer, f.Port, f.Time, f.Frame = "", netip.Addr{}, netip.Addr{}, 0, time.Time{}, alert.FrameRef{}
	if f == (alert.Fact{}) {
		return "", nil
	}
	body, err := json.Marshal(&f)
	return string(body), err
}
