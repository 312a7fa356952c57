package store

import (
	"reflect"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

func TestMarksAndSettings(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	m := scope.Mark{Host: addr("10.0.0.1"), Kind: scope.Isolated, Time: at(1), Note: "x"}
	later := m
	later.Time = at(2)
	other := scope.Mark{Host: addr("fd00::1"), Kind: scope.Cleaned, Time: at(3)}
	for _, m := range []scope.Mark{m, other, later} {
		if err := s.Mark(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remember("k", []string{"v"}); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	s = open(t, dir, Options{})
	defer shut(t, s)
	got, err := s.Marks()
	if err != nil || !reflect.DeepEqual(got, []scope.Mark{later, other}) {
		t.Errorf("marks %+v, %v", got, err)
	}
	for _, want := range []bool{true, false} {
		if found, err := s.Unmark(other.Host, other.Kind); err != nil || found != want {
			t.Errorf("unmark: %v, %v; want %v", found, err, want)
		}
	}
	var v []string
	if found, err := s.Recall("k", &v); !found || err != nil || v[0] != "v" {
		t.Errorf("recall: %v %v %v", v, found, err)
	}
	if found, err := s.Recall("other", &v); found || err != nil {
		t.Errorf("recall: %v %v", found, err)
	}
}

// TestFreshMarks: marks that another process makes are seen, once.
func TestFreshMarks(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	defer shut(t, s)
	if _, err := s.Marks(); err != nil {
		t.Fatal(err)
	}
	fresh := func(what string, want bool, n int) {
		t.Helper()
		marks, got, err := s.FreshMarks()
		if err != nil || got != want || len(marks) != n {
			t.Errorf("%s: %v, %v, %v", what, marks, got, err)
		}
	}
	fresh("nothing happened", false, 0)
	s.Alert(alert.Alert{ID: "a", Host: addr("10.0.0.1")})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	fresh("the run itself wrote", false, 0)
	beside, err := Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, beside)
	fresh("another looks", false, 0)
	if err := beside.Mark(scope.Mark{Host: addr("10.0.0.1"), Kind: scope.Isolated}); err != nil {
		t.Fatal(err)
	}
	fresh("marked", true, 1)
	fresh("and nothing since", false, 0)
	if _, err := beside.Unmark(addr("10.0.0.1"), scope.Isolated); err != nil {
		t.Fatal(err)
	}
	fresh("unmarked", true, 0)
}
