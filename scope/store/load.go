package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"wormscope/detect/alert"
)

// Load tells a ledger everything that is stored, in the order of packet time. Frames
// refer to Files of what Capture returns. It flushes first.
func (s *Store) Load(to alert.Emitter) error {
	if err := s.Flush(); err != nil {
		return err
	}
	facts, err := s.loadFacts()
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	rows, err := s.db.QueryContext(context.Background(), "SELECT body, frames FROM alert ORDER BY time, id, seq, latest")
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	err = each(rows, func() error {
		var body, frames string
		if failed := rows.Scan(&body, &frames); failed != nil {
			return failed
		}
		a, failed := read(body, frames)
		if failed != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, failed)
		}
		for len(facts) > 0 && facts[0].Time.Before(a.Time) {
			to.Fact(facts[0])
			facts = facts[1:]
		}
		to.Alert(a)
		return nil
	})
	if err != nil {
		return fmt.Errorf("state %s: %w", s.dir, judged(err))
	}
	for _, f := range facts {
		to.Fact(f)
	}
	return nil
}

// read decodes a word of an alert.
func read(body, frames string) (alert.Alert, error) {
	var a alert.Alert
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		return a, err
	}
	var pairs [][2]uint64
	if err := json.Unmarshal([]byte(frames), &pairs); err != nil {
		return a, err
	}
	for _, p := range pairs {
		a.Frames = append(a.Frames, frameRef(int64(p[0]), p[1])) //nolint:gosec // G115: it was written so
	}
	return a, a.Check()
}

// frameRef makes a reference of a file's id, which is one more than its index
// in Capture's Files.
func frameRef(id int64, number uint64) alert.FrameRef {
	if id == 0 {
		return alert.FrameRef{Number: number}
	}
	return alert.FrameRef{File: int(id) - 1, Number: number}
}

// loadFacts reads the facts in the order of time. Of facts that several captures have
// of the same packets it returns those of one capture.
func (s *Store) loadFacts() ([]alert.Fact, error) {
	rows, err := s.db.QueryContext(context.Background(),
		"SELECT kind, host, peer, port, time, number, body, file FROM fact ORDER BY time, kind, host, peer, port, body, file, number")
	if err != nil {
		return nil, err
	}
	var facts []alert.Fact
	var body string // of the last one
	from := 0       // the first of those that say the same of the same time
	err = each(rows, func() error {
		f, says, failed := readFact(rows)
		if from < len(facts) && (says != body || !together(&f, &facts[from])) {
			facts = ofOneCapture(facts, from)
			from = len(facts)
		}
		facts, body = append(facts, f), says
		return failed
	})
	return ofOneCapture(facts, from), err
}

// together reports whether two facts whose bodies are the same say the same of the
// same time.
func together(f, g *alert.Fact) bool {
	return f.Time.Equal(g.Time) && f.Kind == g.Kind && f.Host == g.Host && f.Peer == g.Peer && f.Port == g.Port
}

// ofOneCapture keeps, of the facts from index from on, those of one capture. They all
// say the same of the same time; captures that overlap hold the same packets, as
// frames with other numbers. It keeps those of the capture that has most of them; if
// several have as many, of the one in which they are earlier frames.
func ofOneCapture(facts []alert.Fact, from int) []alert.Fact {
	best := facts[from:from]
	for rest := facts[from:]; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(f alert.Fact) bool { return f.Frame.File != rest[0].Frame.File })
		if n < 0 {
			n = len(rest)
		}
		if n > len(best) || n == len(best) && rest[0].Frame.Number < best[0].Frame.Number {
			best = rest[:n]
		}
		rest = rest[n:]
	}
	return facts[:from+copy(facts[from:], best)]
}

// readFact reads the fact of one row, and its body.
func readFact(rows *sql.Rows) (f alert.Fact, body string, err error) {
	var kind, host, peer string
	var port uint16
	var at, id int64
	var number uint64
	err = rows.Scan(&kind, &host, &peer, &port, &at, &number, &body, &id)
	if err != nil {
		return f, body, err
	}
	if body != "" {
		if err = json.Unmarshal([]byte(body), &f); err != nil {
			return f, body, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	f.Kind, f.Port = alert.FactKind(kind), port
	if f.Host, err = netip.ParseAddr(host); err != nil {
		return f, body, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if f.Peer, err = netip.ParseAddr(peer); err != nil && peer != "" {
		return f, body, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	f.Time, f.Frame = time.Unix(0, at).UTC(), frameRef(id, number)
	if err = f.Check(); err != nil {
		return f, body, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return f, body, nil
}
