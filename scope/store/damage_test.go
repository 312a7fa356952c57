package store

import (
	"bytes"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"wormscope/detect/alert"
)

// filled makes a state folder with something in it and returns the database.
func filled(t *testing.T, dir string) []byte {
	t.Helper()
	s := open(t, dir, Options{})
	words(rand.New(rand.NewPCG(3, 4)), 200).tell(s, 1)
	shut(t, s)
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDamage: whatever is wrong with the file, it is set aside as it is, and
// the run goes on with an empty one.
func TestDamage(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"no database":   func([]byte) []byte { return bytes.Repeat([]byte("garbage "), 1000) },
		"cut":           func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"cut in a page": func(b []byte) []byte { return b[:len(b)/2/4096*4096+17] },
		"zeros inside":  func(b []byte) []byte { return append(b[:8192:8192], make([]byte, len(b)-8192)...) },
		"a page misplaced": func(b []byte) []byte {
			return append(append(b[:8192:8192], b[16384:20480]...), b[12288:]...)
		},
		"head overwritten": func(b []byte) []byte { return append([]byte("SQLite format 9\x00"), b[16:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			spoilt := spoil(filled(t, dir))
			path := filepath.Join(dir, FileName)
			if err := os.WriteFile(path, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := Attach(dir); !errors.Is(err, ErrDamaged) {
				t.Fatalf("attached: %v, %v", s, err)
			}
			if b, _ := os.ReadFile(path); !bytes.Equal(b, spoilt) {
				t.Error("to look at it changed it")
			}
			for range 2 { // within one second
				s := open(t, dir, Options{})
				if s.SetAside() == "" {
					t.Fatal("not set aside")
				}
				if b, err := os.ReadFile(s.SetAside()); err != nil || !bytes.Equal(b, spoilt) {
					t.Errorf("%s is not what was there: %v", s.SetAside(), err)
				}
				if n := len(load(t, s).alerts); n != 0 {
					t.Errorf("%d alerts in a new store", n)
				}
				s.Alert(alert.Alert{ID: "a", Host: addr("10.0.0.1")})
				shut(t, s)
				if err := os.WriteFile(path, spoilt, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			found, err := filepath.Glob(filepath.Join(dir, FileName+".damaged-*"))
			if err != nil || len(found) != 2 {
				t.Errorf("set aside: %v, %v", found, err)
			}
		})
	}
}

// TestBitsFlip: no flipped bit makes the store panic, and what it cannot read
// it says.
func TestBitsFlip(t *testing.T) {
	dir := t.TempDir()
	whole := filled(t, dir)
	r := rand.New(rand.NewPCG(5, 6))
	for range 150 {
		b := bytes.Clone(whole)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		if err := os.WriteFile(filepath.Join(dir, FileName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Attach(dir)
		if err != nil {
			continue
		}
		var to told
		_ = s.Load(&to)
		_, _ = s.Capture()
		_ = s.Close()
	}
}

func TestAnEmptyFileIsABeginning(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{})
	defer shut(t, s)
	if s.SetAside() != "" {
		t.Errorf("set aside: %s", s.SetAside())
	}
}

// TestHostileRows: what nobody of ours wrote into the database is said to be
// damaged, be it well-formed, and is told to no ledger.
func TestHostileRows(t *testing.T) {
	const zone = "fe80::1%\x1b[31m\n"
	for name, text := range map[string]string{
		"alert":      `UPDATE alert SET body = replace(body, '"Host":"', '"Host":"fe80::1%\u001b[31m","was":"')`,
		"phase":      `UPDATE alert SET body = replace(body, '"Phase":', '"Phase":7,"was":')`,
		"fact":       "UPDATE OR REPLACE fact SET host = '" + zone + "'",
		"mark":       "INSERT INTO mark VALUES ('" + zone + "', 'isolated', 0, '')",
		"mark kind":  "INSERT INTO mark VALUES ('10.0.0.1', 'isolated\x1b[31m', 0, '')",
		"fact, peer": "UPDATE OR REPLACE fact SET peer = '" + zone + "'",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir)
			change(t, dir, text)
			s, err := Attach(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer shut(t, s)
			var to told
			_, marks := s.Marks()
			if err := errors.Join(marks, s.Load(&to)); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestViewsAreForeign: a view in the place of a table gives as many rows as it
// likes, and a trigger does what nobody asked for.
func TestViewsAreForeign(t *testing.T) {
	for name, text := range map[string]string{
		"view": `DROP TABLE mark; CREATE VIEW mark AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)
			SELECT '10.0.0.1' AS host, 'isolated' AS kind, x AS time, '' AS note FROM c`,
		"trigger": "CREATE TRIGGER t BEFORE INSERT ON mark BEGIN DELETE FROM fact; END",
	} {
		dir := t.TempDir()
		filled(t, dir)
		change(t, dir, text)
		if _, err := Attach(dir); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: attached: %v", name, err)
		}
		if _, err := Open(dir, now, Options{}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: opened: %v", name, err)
		}
	}
}

// change runs SQL on a state folder's database.
func change(t *testing.T, dir, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

func TestNewerAndForeignAreRefused(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	change(t, dir, "UPDATE meta SET value = '999' WHERE key = 'schema'")
	if _, err := Open(dir, now, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("newer: %v", err)
	}
	change(t, dir, "UPDATE meta SET value = 'seven' WHERE key = 'schema'")
	if _, err := Attach(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("senseless: %v", err)
	}
	foreign := t.TempDir()
	change(t, foreign, "CREATE TABLE photos (id)")
	if _, err := Open(foreign, now, Options{}); !errors.Is(err, ErrForeign) {
		t.Errorf("foreign: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(foreign, "*damaged*")); len(found) > 0 {
		t.Errorf("another's data were moved: %v", found)
	}
}

// TestMigration takes a store of the version before through a step that a
// later version might have.
func TestMigration(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	was, err := schemaVersion(db)
	if err != nil || was != len(steps()) {
		t.Fatalf("schema %d, %v", was, err)
	}
	broken := append(steps(), "ALTER TABLE alert ADD COLUMN sensor TEXT NOT NULL DEFAULT ''; CREATE TABLE alert (id)")
	if err := migrate(db, broken); err == nil {
		t.Error("a broken step was taken")
	}
	var n int
	if err := db.QueryRow("SELECT count(sensor) FROM alert").Scan(&n); err == nil {
		t.Error("a broken step was taken in part")
	}
	next := append(steps(), "ALTER TABLE alert ADD COLUMN sensor TEXT NOT NULL DEFAULT 'span0'")
	for range 2 {
		if err := migrate(db, next); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.QueryRow("SELECT count(*) FROM alert WHERE sensor = 'span0'").Scan(&n); err != nil || n < 200 {
		t.Errorf("%d alerts after the step, %v", n, err)
	}
	if version, err := schemaVersion(db); version != was+1 || err != nil {
		t.Errorf("schema %d, %v", version, err)
	}
	if _, err := Attach(dir); !errors.Is(err, ErrNewer) {
		t.Errorf("an older program opened it: %v", err)
	}
}

// TestReadsVersion1: a store that the first version wrote is read for ever.
func TestReadsVersion1(t *testing.T) {
	dir := t.TempDir()
	dump, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	change(t, dir, string(dump))
	s := open(t, dir, Options{})
	defer shut(t, s)
	got := load(t, s)
	if len(got.alerts) != 35 || len(got.facts) != 20 {
		t.Fatalf("%d words, %d facts", len(got.alerts), len(got.facts))
	}
	a := got.alerts[0]
	if a.Host != addr("10.1.0.10") || a.Evidence.DNS == nil || a.Evidence.DNS.Question != "evil.example" || a.Indicator.Feed != "f" || a.Frames[0].Number != 1 {
		t.Errorf("the first alert is %+v", a)
	}
}
