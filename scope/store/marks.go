package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// Mark stores an analyst's mark of a host. It replaces an earlier one of the same
// kind.
func (s *Store) Mark(m scope.Mark) error {
	return s.update(func(tx *sql.Tx) error {
		_, err := tx.ExecContext(context.Background(), "REPLACE INTO mark VALUES (?, ?, ?, ?)",
			m.Host.String(), string(m.Kind), m.Time.UnixNano(), m.Note)
		return err
	})
}

// Unknown returns those of some hosts that no alert and no fact is about. It reads through
// the folder once, however many they are.
func (s *Store) Unknown(hosts []netip.Addr) ([]netip.Addr, error) {
	unknown := hosts
	for _, query := range [...]string{
		"SELECT DISTINCT host FROM fact WHERE host IN (SELECT value FROM json_each(?1)) LIMIT ?2",
		`SELECT DISTINCT host FROM (
			SELECT substr(rest, 1, instr(rest, '"') - 1) AS host FROM (
				SELECT substr(body, instr(body, '"Host":"') + 8, 64) AS rest FROM alert
			)
		) WHERE host IN (SELECT value FROM json_each(?1)) LIMIT ?2`,
	} {
		known, err := s.known(query, unknown)
		if err != nil {
			return nil, fmt.Errorf("state %s: %w", s.dir, judged(err))
		}
		unknown = slices.DeleteFunc(slices.Clone(unknown), func(a netip.Addr) bool { return known[a.String()] })
	}
	return unknown, nil
}

// known asks which of some hosts a query finds.
func (s *Store) known(query string, hosts []netip.Addr) (map[string]bool, error) {
	list, err := json.Marshal(hosts)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(context.Background(), query, string(list), len(hosts))
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	err = each(rows, func() error {
		var host string
		failed := rows.Scan(&host)
		found[host] = true
		return failed
	})
	return found, err
}

// Unmark takes a mark back, and reports whether there was one.
func (s *Store) Unmark(host netip.Addr, k scope.MarkKind) (found bool, err error) {
	err = s.update(func(tx *sql.Tx) error {
		result, failed := tx.ExecContext(context.Background(), "DELETE FROM mark WHERE host = ? AND kind = ?", host.String(), string(k))
		if failed != nil {
			return failed
		}
		n, failed := result.RowsAffected()
		found = n > 0
		return failed
	})
	return found, err
}

// FreshMarks returns all marks, sorted by time, if another process has written to the
// folder since marks were read last. fresh reports whether one has; if not, the call
// costs next to nothing.
func (s *Store) FreshMarks() (marks []scope.Mark, fresh bool, err error) {
	version, err := s.dataVersion()
	if err != nil || version == s.version {
		return nil, false, err
	}
	marks, err = s.Marks()
	return marks, err == nil, err
}

// dataVersion returns a number that changes when another process has written to
// the database.
func (s *Store) dataVersion() (v int64, err error) {
	if err = s.db.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&v); err != nil {
		err = fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	return v, err
}

// Marks returns all marks, sorted by time.
func (s *Store) Marks() ([]scope.Mark, error) {
	version, err := s.dataVersion()
	if err != nil {
		return nil, err
	}
	list, err := s.readMarks()
	if err == nil {
		s.version = version
	}
	return list, err
}

func (s *Store) readMarks() ([]scope.Mark, error) {
	rows, err := s.db.QueryContext(context.Background(), "SELECT host, kind, time, note FROM mark ORDER BY time, host, kind")
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	var list []scope.Mark
	err = each(rows, func() error {
		var m scope.Mark
		var host string
		var at int64
		scanned := rows.Scan(&host, (*string)(&m.Kind), &at, &m.Note)
		if scanned != nil {
			return scanned
		}
		if m.Host, scanned = netip.ParseAddr(host); scanned == nil {
			scanned = alert.CheckAddrs(m.Host)
		}
		if scanned == nil && !slices.Contains(scope.MarkKinds(), m.Kind) {
			scanned = fmt.Errorf("there is no kind %.40q", m.Kind)
		}
		if scanned != nil {
			return fmt.Errorf("%w: mark: %w", ErrDamaged, scanned)
		}
		m.Time = time.Unix(0, at).UTC()
		list = append(list, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	return list, nil
}

// Remember stores a setting under a key, as JSON.
func (s *Store) Remember(key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.update(func(tx *sql.Tx) error {
		_, err := tx.ExecContext(context.Background(), "REPLACE INTO meta VALUES (?, ?)", "setting "+key, string(text))
		return err
	})
}

// Recall reads a setting into value, and reports whether it was stored.
func (s *Store) Recall(key string, value any) (bool, error) {
	var text []byte
	err := s.db.QueryRowContext(context.Background(), "SELECT value FROM meta WHERE key = ?", "setting "+key).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return false, fmt.Errorf("state %s: setting %s: %w", s.dir, key, judged(err))
	}
	return true, nil
}
