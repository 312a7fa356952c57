package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// A step brings the schema from one version to the next.
type step string

// steps returns the steps from an empty database on: the schema's version is
// how many of them were taken. A step that was released is never changed; a
// new version appends one.
func steps() []step {
	return []step{
		// Version 1. Times are Unix nanoseconds. The body of an alert is alert.Alert
		// as JSON, without frames; these are pairs of a file's id and a frame number.
		// The body of a fact is alert.Fact without what has a column, or empty if
		// nothing else is set.
		`CREATE TABLE file (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
		CREATE TABLE capture (
			print TEXT PRIMARY KEY, file INTEGER NOT NULL REFERENCES file (id),
			first INTEGER NOT NULL, last INTEGER NOT NULL,
			packets INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL, undecoded TEXT NOT NULL
		);
		CREATE TABLE run (id INTEGER PRIMARY KEY, captures TEXT NOT NULL UNIQUE, warnings TEXT NOT NULL);
		CREATE TABLE alert (
			id TEXT NOT NULL, latest INTEGER NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL,
			last INTEGER NOT NULL, time INTEGER NOT NULL, body TEXT NOT NULL, frames TEXT NOT NULL,
			PRIMARY KEY (id, latest)
		) WITHOUT ROWID;
		CREATE TABLE fact (
			kind TEXT NOT NULL, host TEXT NOT NULL, peer TEXT NOT NULL, port INTEGER NOT NULL,
			time INTEGER NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, file INTEGER NOT NULL,
			PRIMARY KEY (kind, host, peer, port, time, number, body)
		) WITHOUT ROWID;
		CREATE TABLE mark (
			host TEXT NOT NULL, kind TEXT NOT NULL, time INTEGER NOT NULL, note TEXT NOT NULL,
			PRIMARY KEY (host, kind)
		) WITHOUT ROWID;`,
		// Version 2. changes is how many changes of the host's state were reported,
		// state the state that the last of them led to.
		`CREATE TABLE host (ip TEXT PRIMARY KEY, changes INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;`,
		// Version 3. A row of more than about 1 kB takes whole pages where there is
		// no rowid, and alerts are as long as that.
		`CREATE TABLE alert3 (
			id TEXT NOT NULL, latest INTEGER NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL,
			last INTEGER NOT NULL, time INTEGER NOT NULL, body TEXT NOT NULL, frames TEXT NOT NULL,
			PRIMARY KEY (id, latest)
		);
		INSERT INTO alert3 SELECT id, latest, seq, count, last, time, body, frames FROM alert;
		DROP TABLE alert;
		ALTER TABLE alert3 RENAME TO alert;`,
		// Version 4. Of captures that are known already it is not known.
		`ALTER TABLE capture ADD COLUMN not_ip INTEGER NOT NULL DEFAULT 0;`,
	}
}

// metaSchema is the key of the schema's version in the table meta.
const metaSchema = "schema"

// migrate takes the steps that the database lacks, each in a transaction.
func migrate(db *sql.DB, all []step) error {
	version, err := schemaVersion(db)
	if err != nil {
		return err
	}
	if version > len(all) {
		return fmt.Errorf("%w (schema %d, this one knows %d)", ErrNewer, version, len(all))
	}
	for ; version < len(all); version++ {
		if err := take(db, all[version], version+1); err != nil {
			return fmt.Errorf("schema %d: %w", version+1, err)
		}
	}
	return nil
}

// take takes one step, unless another process was faster.
func take(db *sql.DB, change step, to int) (err error) {
	ctx := context.Background()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if to == 1 {
		const meta = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
		if _, err = tx.ExecContext(ctx, meta); err != nil {
			return err
		}
	}
	var version string
	err = tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = ?", metaSchema).Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if n, _ := strconv.Atoi(version); n < to {
		if _, err = tx.ExecContext(ctx, string(change)); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, "REPLACE INTO meta VALUES (?, ?)", metaSchema, strconv.Itoa(to)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// schemaVersion reads the version, 0 for a database without any table. Views and
// triggers are not ours: one in the place of a table can give rows without end.
func schemaVersion(db *sql.DB) (int, error) {
	ctx := context.Background()
	var tables, meta, foreign int
	err := db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE type = 'table'), count(*) FILTER (WHERE type = 'table' AND name = 'meta'),
		count(*) FILTER (WHERE type IN ('view', 'trigger')) FROM sqlite_schema`).Scan(&tables, &meta, &foreign)
	switch {
	case err != nil || tables == 0:
		return 0, err
	case meta == 0 || foreign > 0:
		return 0, ErrForeign
	}
	var text string
	err = db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = ?", metaSchema).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrForeign
	}
	if err != nil {
		return 0, err
	}
	version, err := strconv.Atoi(text)
	if err != nil || version < 1 {
		return 0, fmt.Errorf("%w: schema version %q", ErrDamaged, text)
	}
	return version, nil
}

// countRows notes which tables are at their limit. Since counting takes time, it
// counts only if a table may have reached it.
func (s *Store) countRows() error {
	alertsDue := s.rows.alerts >= s.opts.MaxAlerts && !s.full.alerts
	factsDue := s.rows.facts >= s.opts.MaxFacts && !s.full.facts
	if !alertsDue && !factsDue {
		return nil
	}
	err := s.db.QueryRowContext(context.Background(),
		"SELECT (SELECT count(*) FROM alert WHERE latest = 0), (SELECT count(*) FROM fact)").Scan(&s.rows.alerts, &s.rows.facts)
	s.full.alerts, s.full.facts = s.rows.alerts >= s.opts.MaxAlerts, s.rows.facts >= s.opts.MaxFacts
	return err
}
