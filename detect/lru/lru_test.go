package lru

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAgainstSlice compares random use with a slice kept in the order of use.
func TestAgainstSlice(t *testing.T) {
	type pair struct{ key, value int }
	rnd := rand.New(rand.NewPCG(1, 2))
	const limit = 20
	table := New[int, int](limit)
	var model []pair // oldest first
	for step := range 20_000 {
		k := rnd.IntN(40)
		at := slices.IndexFunc(model, func(p pair) bool { return p.key == k })
		e := table.Get(k)
		if (e != nil) != (at >= 0) {
			t.Fatalf("step %d: key %d: found %v, model %v", step, k, e != nil, at >= 0)
		}
		switch {
		case e == nil:
			if len(model) == limit {
				model = model[1:]
			}
			table.Add(k).Value = step
			model = append(model, pair{k, step})
		case rnd.IntN(4) == 0:
			table.Remove(e)
			model = slices.Delete(model, at, at+1)
		default:
			table.Touch(e)
			p := model[at]
			model = append(slices.Delete(model, at, at+1), p)
		}
		var got []pair
		for e := table.Oldest(); e != nil; e = table.Newer(e) {
			got = append(got, pair{e.Key, e.Value})
		}
		if !slices.Equal(got, model) || table.Len() != len(model) || table.Full() != (len(model) == limit) {
			t.Fatalf("step %d: %v, model %v", step, got, model)
		}
	}
}

// TestProbe: keys that share a hash are told apart by Get, and Probe gives one
// of them.
func TestProbe(t *testing.T) {
	hash := func(k int) uint64 { return uint64(k % 3) }
	table := NewHashed[int, int](8, hash)
	for _, k := range []int{3, 4, 6, 7} {
		table.Add(k)
	}
	for k := range 9 {
		e := table.Probe(hash(k))
		if want := k%3 != 2; (e != nil) != want || want && e.Key != 3+k%3 {
			t.Errorf("%d: probe found %+v", k, e)
		}
		if e = table.Get(k); (e != nil) != (k == 3 || k == 4 || k == 6 || k == 7) || e != nil && e.Key != k {
			t.Errorf("%d: get found %+v", k, e)
		}
	}
}

func TestSteadyUseAllocatesNothing(t *testing.T) {
	table := New[int, [4]int](64)
	for k := range 200 {
		table.Add(k)
	}
	k := 200
	if n := testing.AllocsPerRun(2000, func() { table.Add(k); k++ }); n > 0.01 {
		t.Errorf("%v allocations for an entry in a full table", n)
	}
}

func TestRekey(t *testing.T) {
	type pair struct{ key, value int }
	table := New[int, string](4)
	for k, v := range []string{"a", "b", "c", "d"} {
		table.Add(k).Value = v
	}
	// Keys are swapped around, and one that is taken out had another's new key.
	next := map[int]int{0: 3, 1: 0, 2: 1}
	table.Rekey(func(e *Entry[int, string]) (int, bool) {
		k, ok := next[e.Key]
		return k, ok
	})
	var got []pair
	for e := table.Oldest(); e != nil; e = table.Newer(e) {
		if table.Get(e.Key) != e {
			t.Errorf("%d is not found", e.Key)
		}
		got = append(got, pair{e.Key, int(e.Value[0])})
	}
	if want := []pair{{3, 'a'}, {0, 'b'}, {1, 'c'}}; !slices.Equal(got, want) || table.Len() != 3 {
		t.Errorf("%v, not %v", got, want)
	}
	table.Add(2).Value = "e"
	if table.Len() != 4 || !table.Full() {
		t.Errorf("%d entries after one more", table.Len())
	}
}

// TestPut: a value is put in the place of the one before, and its key is the one
// used last, whether it is new or not.
func TestPut(t *testing.T) {
	table := New[string, int](2)
	for n, k := range []string{"a", "b", "a", "c"} {
		table.Put(k, n)
	}
	if table.Get("b") != nil || table.Len() != 2 {
		t.Errorf("the one used longest ago stays: %d entries", table.Len())
	}
	if a, c := table.Get("a"), table.Get("c"); a.Value != 2 || c.Value != 3 || table.Oldest() != a {
		t.Errorf("a is %d, c is %d", a.Value, c.Value)
	}
}
