package scope_test

import (
	"fmt"
	"slices"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

// push is a scan that everybody answers, told when it has gone on for ten seconds.
func push(host string, targets uint64, when int) said {
	a := scan(host, "fan-out", alert.Scan{Port: 445, Targets: targets, Answered: targets}, when+10, uint64(when)+10)
	a.First = at(when)
	a.ID = alert.Identify(a.Rule, a.Host, a.First, "445")
	return alertOf(a)
}

// sweeps is the n-th word of a scan that few answer.
func sweeps(host string, n uint64, when int) said {
	s := scan(host, "sequential", alert.Scan{Port: 445, Targets: 10 * n, Silent: 10 * n}, when+10, uint64(when)+10)
	s.First, s.Seq, s.Count = at(when), int(n), 10*n
	s.ID = alert.Identify(s.Rule, s.Host, s.First, "445")
	return alertOf(s)
}

// tries are the first connections of a host to others.
func tries(by string, when int, hosts ...string) []said {
	list := make([]said, 0, len(hosts))
	for i, h := range hosts {
		list = append(list, factOf(targeted(h, by, when+i, uint64(when+i))))
	}
	return list
}

// numbered are so many hosts of a net.
func numbered(net string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s.%d", net, i+1)
	}
	return list
}

// passwords is a worm that pushes itself to hosts that are there, and to many
// of them with success: each begins a minute after the first tried it.
func passwords(zero string, hosts []string, when int) []said {
	words := append(tries(zero, when, hosts...), push(zero, 60, when))
	for i, h := range hosts {
		began := when + i + 60
		words = append(words, push(h, 60, began))
		words = append(words, tries(h, began+1, slices.DeleteFunc(slices.Clone(hosts), func(o string) bool { return o == h })...)...)
	}
	return words
}

// servers push to many clients and to each other, one beginning so many seconds
// after the other.
func servers(n int, clients uint64, apart int) []said {
	hosts := numbered("10.3.0", n)
	var words []said
	for i, h := range hosts {
		words = append(words, push(h, clients, i*apart))
		words = append(words, tries(h, i*apart+1, slices.DeleteFunc(slices.Clone(hosts), func(o string) bool { return o == h })...)...)
	}
	return words
}

// suspects are the suspected and infected hosts of a document, in its order.
func suspects(d scope.Document) []string {
	var list []string
	for _, h := range d.Hosts {
		if h.State >= scope.Suspected {
			list = append(list, h.IP)
		}
	}
	slices.Sort(list)
	return list
}

// TestChain: a worm that everybody answers is told from servers that push by
// those who were tried and then do the same.
func TestChain(t *testing.T) {
	const a, b, c, d, server = "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.3.0.9"
	one := func(words ...[]said) []said { return slices.Concat(words...) }
	ten := numbered("10.1.1", 10)
	sorted := func(hosts ...string) []string { return slices.Sorted(slices.Values(hosts)) }
	tests := []struct {
		name string
		said []said
		want []string
	}{
		{"a worm with passwords", passwords(a, ten, 100), sorted(append(ten, a)...)},
		{"from one to the next", one(
			tries(a, 101, b), tries(b, 201, c), tries(c, 301, d),
			[]said{push(a, 60, 100), push(b, 60, 200), push(c, 60, 300), push(d, 60, 400)},
		), []string{a, b, c, d}},
		{"two follow", passwords(a, []string{b, c}, 100), nil},
		{"a server and its clients", append(tries(server, 101, numbered("10.1.1", 200)...), push(server, 500, 100)), nil},
		{"three servers", servers(3, 60, 60), nil},
		{"six servers with many clients", servers(6, 400, 60), nil},
		{"tried when they had begun", one(
			tries(a, 500, b, c, d), []said{push(a, 60, 450), push(b, 60, 100), push(c, 60, 200), push(d, 60, 300)},
		), nil},
		{"tried before that scanned", one(
			tries(a, 50, b, c, d), []said{push(a, 60, 120), push(b, 60, 130), push(c, 60, 140), push(d, 60, 150)},
		), nil},
		{"they begin an hour later", one(
			tries(a, 101, b, c, d), []said{push(a, 60, 100), push(b, 60, 3600), push(c, 60, 3700), push(d, 60, 3800)},
		), nil},
		{"one a day", one(
			tries(a, 101, b), tries(a, 90_000, c), tries(a, 180_000, d),
			[]said{push(a, 60, 100), push(b, 60, 200), push(c, 60, 90_100), push(d, 60, 180_100)},
		), nil},
		{"a few of many that were tried", one(
			tries(a, 101, b, c, d), []said{push(a, 500, 100), push(b, 60, 200), push(c, 60, 300), push(d, 60, 400)},
		), nil},
		{"a server comes by before", one(
			passwords(a, []string{b, c, d}, 400), tries(server, 100, b, c, d), []said{push(server, 500, 50)},
		), []string{a, b, c, d}},
		{"a server comes by in between", one(
			passwords(a, []string{b, c, d}, 400), tries(server, 430, b, c, d), []said{push(server, 500, 50)},
		), []string{a, b, c, d}},
		{"a server comes by the first of them", one(
			passwords(a, ten, 400), tries(server, 380, a, ten[0], ten[1]), []said{push(server, 500, 50)},
		), sorted(append(ten, a)...)},
		{"a server comes by where the worm was not seen to", one(
			passwords(a, ten, 400), tries(server, 380, b, c, d),
			[]said{push(server, 120, 50), push(b, 60, 460), push(c, 60, 461), push(d, 60, 462)},
		), sorted(append(ten, a, b, c, d)...)},
		{"from those whom not all answer", one(
			tries(a, 101, b), tries(b, 201, c), tries(c, 301, d),
			[]said{sweeps(a, 1, 100), sweeps(b, 1, 200), sweeps(c, 1, 300), push(d, 60, 400)},
		), []string{a, b, c, d}},
		{"servers push to each other at the time", one(passwords(a, []string{b, c, d}, 100), servers(3, 400, 60)), []string{a, b, c, d}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := ledgerOf(t, tt.said)
			doc := l.Document(capture())
			if got := suspects(doc); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			sameInAnyOrder(t, tt.said, 10)
		})
	}
}

// TestWordOfOneOfMany: where nobody looks like a server, however many hosts scan
// after one another, a word about one of them costs what it costs among few.
func TestWordOfOneOfMany(t *testing.T) {
	cost := func(hosts int) float64 {
		list := numbered("10.1.1", hosts)
		var words []said
		for i, h := range list {
			words = append(words, tries(list[i/2], i*10-1, h)...)
			words = append(words, sweeps(h, 1, i*10))
		}
		l, _ := ledgerOf(t, words)
		n := uint64(1)
		return testing.AllocsPerRun(20, func() {
			n++
			sweeps(list[hosts/2], n, hosts/2*10).to(l)
		})
	}
	if few, many := cost(10), cost(250); many > few {
		t.Errorf("%v allocations, and %v among few", many, few)
	}
}

// TestChainIsTold: hosts of a chain change their state as soon as it shows, and
// the first of them is who may have infected the others.
func TestChainIsTold(t *testing.T) {
	const zero, next, last = "10.1.0.1", "10.1.1.1", "10.1.1.3"
	answers := alertOf(exposed(next, 445, zero, 1, false, 100, 100))
	l, changes := ledgerOf(t, append([]said{answers}, passwords(zero, numbered("10.1.1", 3), 100)...))
	var told []string
	for _, c := range *changes {
		if c.To == scope.Suspected {
			told = append(told, c.Host.String())
		}
	}
	if want := []string{last, zero, next, "10.1.1.2"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	d := l.Document(capture())
	h := find(d, next)
	if got := sources(&h); len(got) == 0 || got[0] != zero+" 10 targeted@100" {
		t.Errorf("infected by %q", got)
	}
	want := "scanned port 445: 60 targets, 60 answered, 0 refused, 0 silent; hosts do so one after another, each soon after it was tried"
	if at := slices.IndexFunc(h.Facts, func(f scope.FactItem) bool { return f.Detail == want && f.Confidence == .8 }); at < 0 {
		t.Errorf("no fact says %q: %+v", want, h.Facts)
	}
}

// TestChainOfExplained: a host that an analyst has explained is in no chain, and
// without it there may be none.
func TestChainOfExplained(t *testing.T) {
	words := passwords("10.1.0.1", numbered("10.1.1", 3), 100)
	mark := scope.Mark{Host: addr("10.1.1.2"), Kind: scope.FalsePositive, Time: at(1000)}
	d, changes := marked(t, words, mark)
	if got := suspects(d); len(got) > 0 {
		t.Errorf("suspected: %q", got)
	}
	if last := changes[len(changes)-1]; last.From != scope.Suspected || last.To != scope.Targeted {
		t.Errorf("the last change is %+v", last)
	}
	l := scope.New(zones(t), scope.Options{})
	l.Mark(mark)
	for _, w := range words {
		w.to(l)
	}
	if got := suspects(l.Document(capture())); len(got) > 0 {
		t.Errorf("marked before: suspected %q", got)
	}
}

// TestAlone: where hosts are judged alone, no other speaks against them.
func TestAlone(t *testing.T) {
	l := scope.New(zones(t), scope.Options{Alone: true})
	for _, w := range passwords("10.1.0.1", numbered("10.1.1", 10), 100) {
		w.to(l)
	}
	if got := suspects(l.Document(capture())); len(got) > 0 {
		t.Errorf("suspected: %q", got)
	}
}
