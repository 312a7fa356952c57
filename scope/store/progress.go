package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"wormscope/scope"
)

// metaPosition is the key of the log's position in the table meta.
const metaPosition = "position"

// writeProgress writes the changes of hosts' states that wait, and the position of the
// log.
func (s *Store) writeProgress(tx *sql.Tx) error {
	ctx := context.Background()
	put, err := tx.PrepareContext(ctx, "REPLACE INTO host VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	for i := range s.changes {
		c := &s.changes[i]
		if _, err = put.ExecContext(ctx, c.Host.String(), c.Number, c.To.String()); err != nil {
			return err
		}
	}
	if s.position == 0 {
		return nil
	}
	_, err = tx.ExecContext(ctx, "REPLACE INTO meta VALUES (?, ?)", metaPosition, strconv.FormatUint(s.position, 10))
	return err
}

// Position returns the position in the log (package outbox) up to which the store
// holds what the log says, 0 if none was noted.
func (s *Store) Position() (uint64, error) {
	var text string
	err := s.db.QueryRowContext(context.Background(), "SELECT value FROM meta WHERE key = ?", metaPosition).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("state %s: %w: position %q", s.dir, ErrDamaged, text)
	}
	return n, nil
}

// Resume tells a ledger how many changes of each host's state earlier runs reported,
// and what the last of them was. It is to be called after Load. If the store had no
// room for everything, it does not tell the last change: the ledger might come to
// another state only because something is missing, and would report that as a change.
func (s *Store) Resume(l *scope.Ledger) error {
	rows, err := s.db.QueryContext(context.Background(), "SELECT ip, changes, state FROM host")
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	err = each(rows, func() error {
		var ip, state string
		var changes int
		if failed := rows.Scan(&ip, &changes, &state); failed != nil {
			return failed
		}
		host, failed := netip.ParseAddr(ip)
		if failed != nil {
			return fmt.Errorf("%w: host: %w", ErrDamaged, failed)
		}
		var said scope.State
		if failed = said.UnmarshalText([]byte(state)); failed != nil {
			return fmt.Errorf("%w: host: %w", ErrDamaged, failed)
		}
		l.Resume(host, changes)
		if !s.full.alerts && !s.full.facts {
			l.Revise(host, said)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	return nil
}
