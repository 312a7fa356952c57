package ioc

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestBatch adds the same names one by one and in batches.
func TestBatch(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 7))
		one, many := NewBuilder(), NewBuilder()
		for _, b := range []*Builder{one, many} {
			if err := b.Allow("good.example"); err != nil {
				t.Fatal(err)
			}
		}
		var batch Batch
		var want, got []string
		flush := func(i Indicator) {
			note := many.Note(i)
			err := many.AddBatch(&batch, note, func(name string, line int, fresh bool, err error) error {
				got = append(got, fmt.Sprint(name, line, fresh, err))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for line := range 20_000 {
			i := Indicator{Feed: strconv.Itoa(line / 5000), Class: Class(line / 3000 % 4)}
			name := fmt.Sprintf("a%d.b%d.example", r.IntN(200), r.IntN(100))
			switch r.IntN(20) {
			case 0:
				name = fmt.Sprintf("x%d.good.example", r.IntN(9))
			case 1:
				name = fmt.Sprintf("Odd%d", r.IntN(9))
			}
			fresh, err := one.AddName([]byte(name), line, one.Note(i))
			want = append(want, fmt.Sprint(name, line, fresh, err))
			if batch.Add(name, line); batch.Full() || line%1000 == 999 || r.IntN(50) == 0 {
				flush(i)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: batches give something else", seed)
		}
		if a, b := contents(one.Build()), contents(many.Build()); a != b {
			t.Fatalf("seed %d: the sets are different: %.300s, want %.300s", seed, b, a)
		}
	}
}

// contents returns all that a Set has, as text. Its size depends a little on
// its secret.
func contents(s *Set) string {
	counts := s.Counts()
	counts.Bytes = 0
	text := fmt.Appendf(nil, "%+v", counts)
	for m := range s.matches() {
		text = fmt.Appendf(text, "\n%+v", s.Indicator(m))
	}
	return string(text)
}

// TestBatchStops checks that no name is added behind one that is refused.
func TestBatchStops(t *testing.T) {
	b := NewBuilder()
	var batch Batch
	batch.Add("a.example", 1)
	batch.Add("bad", 2)
	batch.Add("c.example", 3)
	err := b.AddBatch(&batch, b.Note(Indicator{}), func(_ string, _ int, _ bool, err error) error { return err })
	if s := b.Build(); err == nil || s.Counts().Names != 1 {
		t.Errorf("%v, %d names", err, s.Counts().Names)
	}
}
