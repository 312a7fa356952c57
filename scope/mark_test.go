package scope_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"wormscope/detect/alert"
	"wormscope/scope"
)

func mark(host string, k scope.MarkKind, when int) scope.Mark {
	return scope.Mark{Host: addr(host), Kind: k, Time: at(when), Note: "ticket 4711"}
}

// marked returns the scope of some words and marks.
func marked(t *testing.T, words []said, marks ...scope.Mark) (scope.Document, []scope.Change) {
	t.Helper()
	l, changes := ledgerOf(t, words)
	for _, m := range marks {
		l.Mark(m)
	}
	return l.Document(capture()), *changes
}

// TestCleanedIsNoMoreSaid: what was done to a host before it was cleaned is told
// apart from what made it ill again, and who was cleaned is not a stranger in the tree.
func TestCleanedIsNoMoreSaid(t *testing.T) {
	const host, earlier, later, next = "10.1.0.14", "10.1.0.15", "10.1.0.16", "10.1.0.17"
	payload := func(to, by string, when int) said { return factOf(smbFact(alert.FactPayload, to, by, "", when)) }
	again, _ := marked(t, []said{payload(host, earlier, 5), payload(host, later, 60)}, mark(host, scope.Cleaned, 50))
	if text := textOf(t, again); !strings.Contains(text, "    - was sent a program through DoublePulsar by "+later+" [") || !strings.Contains(text, " by "+earlier+" (does not count)") {
		t.Errorf("ill again:\n%s", text)
	}
	for _, words := range [][]said{
		{payload(host, earlier, 5), payload(next, host, 10)},
		{payload(host, earlier, 5), payload(next, host, 10), alertOf(exposed(host, 445, next, 1, false, 60, 9))},
	} {
		well, _ := marked(t, words, mark(host, scope.Cleaned, 50))
		if text := textOf(t, well); !strings.Contains(text, "  "+host+"  marked cleaned\n") {
			t.Errorf("cleaned:\n%s", text)
		}
	}
}

// TestMarks shows what each mark does to a host's state, and when what the host does
// contradicts it.
func TestMarks(t *testing.T) {
	const host = "10.1.0.14"
	asked := alertOf(lookup(host, killSwitch, "NXDOMAIN", 61, 688))
	sweep := alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 254, Silent: 254}, 300, 720))
	answers := alertOf(exposed(host, 445, "10.1.0.9", 1, false, 200, 9))
	going := func() said { // a lookup that goes on from 61 to 400
		a := lookup(host, killSwitch, "NXDOMAIN", 61, 688)
		a.Seq, a.Last, a.Count = 1, at(400), 2
		return alertOf(a)
	}()
	for _, c := range []struct {
		what    string
		words   []said
		marks   []scope.Mark
		state   string // of the host; empty when it is not listed
		warning string // that one of the marks has
	}{
		{"isolated and quiet", []said{asked}, []scope.Mark{mark(host, scope.Isolated, 100)}, "infected", ""},
		{
			"isolated and scans",
			[]said{asked, sweep},
			[]scope.Mark{mark(host, scope.Isolated, 100)},
			"infected",
			"10.1.0.14 was marked isolated at 2026-01-05 08:01:40 and was active at 2026-01-05 08:05:00: it scanned port 445",
		},
		{"isolated and answers", []said{asked, answers}, []scope.Mark{mark(host, scope.Isolated, 100)}, "infected", "it answers on port 445"},
		{"isolated and tried", []said{asked, factOf(targeted(host, "10.1.0.9", 300, 4))}, []scope.Mark{mark(host, scope.Isolated, 100)}, "infected", "it was tried"},
		{
			"isolated, called, silent",
			[]said{alertOf(contact(host, badAddr, 445, alert.Contact{State: "attempted", Initiator: "peer"}, 160, 1600))},
			[]scope.Mark{mark(host, scope.Isolated, 100)},
			"targeted", "",
		},
		{"isolated while at it", []said{going}, []scope.Mark{mark(host, scope.Isolated, 100)}, "infected", "was active at 2026-01-05 08:06:40"},
		{
			"isolated, cleaned, back at work",
			[]said{asked, answers},
			[]scope.Mark{mark(host, scope.Isolated, 100), mark(host, scope.Cleaned, 150)},
			"exposed", "",
		},
		{"cleaned", []said{asked}, []scope.Mark{mark(host, scope.Cleaned, 100)}, "", ""},
		{"cleaned too early", []said{asked}, []scope.Mark{mark(host, scope.Cleaned, 60)}, "infected", "was marked cleaned"},
		{"cleaned and again", []said{asked, sweep}, []scope.Mark{mark(host, scope.Cleaned, 100)}, "suspected", "it scanned port 445"},
		{"cleaned while it went on", []said{going}, []scope.Mark{mark(host, scope.Cleaned, 100)}, "infected", "was marked cleaned"},
		{"false positive", []said{asked}, []scope.Mark{mark(host, scope.FalsePositive, 100)}, "", ""},
		{"false positive goes on", []said{going}, []scope.Mark{mark(host, scope.FalsePositive, 100)}, "", ""},
		{"false positive does more", []said{asked, sweep}, []scope.Mark{mark(host, scope.FalsePositive, 100)}, "suspected", "a false positive"},
		{"cleaned, and was open", []said{answers}, []scope.Mark{mark(host, scope.Cleaned, 300)}, "", ""},
		{"cleaned, and is open", []said{answers}, []scope.Mark{mark(host, scope.Cleaned, 150)}, "exposed", ""},
		{"false positive, and is open", []said{answers}, []scope.Mark{mark(host, scope.FalsePositive, 300)}, "exposed", ""},
		{"cleaned, and was tried", []said{factOf(targeted(host, "10.1.0.9", 50, 4))}, []scope.Mark{mark(host, scope.Cleaned, 100)}, "", ""},
		{"cleaned, then tried", []said{factOf(targeted(host, "10.1.0.9", 150, 4))}, []scope.Mark{mark(host, scope.Cleaned, 100)}, "targeted", ""},
		{"outside", []said{asked}, []scope.Mark{mark("203.0.113.9", scope.Isolated, 100)}, "infected", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			d, _ := marked(t, c.words, c.marks...)
			l, _ := ledgerOf(t, nil)
			for _, m := range c.marks {
				l.Mark(m)
			}
			for _, w := range c.words {
				w.to(l)
			}
			early := l.Document(capture())
			if a, b := jsonOf(t, d), jsonOf(t, early); a != b {
				t.Errorf("marks before the facts say something else than after them:\n%s\n%s", a, b)
			}
			state := ""
			var told strings.Builder
			for _, h := range d.Hosts {
				if h.IP == host {
					state = h.State.String()
				}
			}
			for _, m := range d.Marks {
				told.WriteString(m.Warning)
			}
			warnings := told.String()
			if state != c.state {
				t.Errorf("state %q, want %q", state, c.state)
			}
			if !strings.Contains(warnings, c.warning) || c.warning == "" && warnings != "" {
				t.Errorf("warning %q, want %q", warnings, c.warning)
			}
			if text := textOf(t, d); (c.warning != "") != strings.Contains(text, "WARNING: ") {
				t.Errorf("the text does not warn as it should:\n%s", text)
			}
		})
	}
}

// TestWhyTheStateChanged: of what may have taken a suspicion back, that is told
// which did.
func TestWhyTheStateChanged(t *testing.T) {
	const host = "10.1.0.53"
	const marked, resolves = "an analyst marked it a false positive", "it is a DNS resolver and asks for its clients"
	asks := func(when int) said { return alertOf(lookup(host, killSwitch, "NXDOMAIN", when, uint64(when))) }
	scans := alertOf(scan(host, "sequential", alert.Scan{Port: 445, Targets: 30, Silent: 30}, 9, 9))
	resolver := factOf(alert.Fact{Kind: alert.FactResolver, Host: addr(host), Peer: addr("10.1.0.3"), Time: at(3)})
	wrong, isolated := mark(host, scope.FalsePositive, 100), mark(host, scope.Isolated, 110)
	for name, tt := range map[string]struct {
		said  []said
		marks []scope.Mark
		then  []said
		want  string
	}{
		"a host that asks":       {[]said{asks(61)}, []scope.Mark{wrong}, nil, marked},
		"it is isolated, too":    {[]said{asks(61)}, []scope.Mark{isolated, wrong}, nil, marked},
		"a resolver that scans":  {[]said{resolver, scans}, []scope.Mark{wrong}, nil, marked},
		"a resolver":             {[]said{asks(61)}, nil, []said{resolver}, resolves},
		"one that is isolated":   {[]said{asks(61)}, []scope.Mark{isolated}, []said{resolver}, resolves},
		"it asks after the mark": {[]said{asks(61)}, []scope.Mark{wrong}, []said{asks(200), resolver}, resolves},
	} {
		t.Run(name, func(t *testing.T) {
			l, changes := ledgerOf(t, tt.said)
			for _, m := range tt.marks {
				l.Mark(m)
			}
			for _, w := range tt.then {
				w.to(l)
			}
			if last := (*changes)[len(*changes)-1]; last.To != scope.Seen || last.Why != tt.want {
				t.Errorf("%+v, want %q", last, tt.want)
			}
		})
	}
}

// reinfected is a host that was infected, cleaned after second 100, and
// infected by another.
func reinfected() []alert.Fact {
	const host, first, second, other = "10.1.0.14", "10.1.0.15", "10.1.0.16", "10.1.0.99"
	return []alert.Fact{
		smbFact(alert.FactExploitCompleted, host, first, blue, 5), smbFact(alert.FactImplanted, host, first, "0x1 x64", 7),
		smbFact(alert.FactPayload, host, first, "", 8), smbFact(alert.FactExploitSent, host, other, blue, 20),
		smbFact(alert.FactExploitCompleted, host, second, blue, 205), smbFact(alert.FactImplanted, host, second, "0x2 x64", 207),
		smbFact(alert.FactPayload, host, second, "", 208), smbFact(alert.FactExploitSent, host, other, blue, 220),
		smbFact(alert.FactExploitSent, host, other, blue, 500),
	}
}

// TestCleanedAndInfectedAgain: nothing of before the mark tells since when a
// host is infected, by whom, and when it was active first, in whatever order
// the facts came.
func TestCleanedAndInfectedAgain(t *testing.T) {
	const host = "10.1.0.14"
	all := reinfected()
	tests := []struct {
		name          string
		said          []alert.Fact
		since, active int
		by            string
	}{
		{"by another", all, 207, 207, "10.1.0.16 99 exploit-completed@205 implanted@207 payload-delivered@208"},
		{"unseen", append(slices.Clone(all[:4]), all[7:]...), 220, 220, ""},
		{
			"by both", append(slices.Clone(all), smbFact(alert.FactExploitCompleted, host, "10.1.0.15", blue, 203)), 207, 207,
			"10.1.0.16 69 exploit-completed@205 implanted@207 payload-delivered@208|10.1.0.15 30 exploit-completed@203",
		},
	}
	r := rand.New(rand.NewPCG(5, 6))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said := slices.Clone(tt.said)
			for range 20 {
				d, _ := marked(t, facts(said...), mark(host, scope.Cleaned, 100))
				h := find(d, host)
				if h.Since == nil || !h.Since.Equal(at(tt.since)) {
					t.Errorf("since %v, want %v", h.Since, at(tt.since))
				}
				if len(d.Marks) != 1 || d.Marks[0].ActiveAt == nil || !d.Marks[0].ActiveAt.Equal(at(tt.active)) {
					t.Errorf("marks %+v, want it active at %v", d.Marks, at(tt.active))
				}
				if got := strings.Join(sources(&h), "|"); got != tt.by {
					t.Errorf("got  %s\nwant %s", got, tt.by)
				}
				r.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
			}
		})
	}
}

// TestCleanedWhileReached: by sight alone, too, only what came after the mark
// may have infected the host.
func TestCleanedWhileReached(t *testing.T) {
	const worm, host = "10.1.0.15", "10.1.0.14"
	words := []said{
		alertOf(lookup(worm, killSwitch, "NXDOMAIN", 1, 1)), alertOf(exposed(host, 445, worm, 1, false, 9, 9)),
		factOf(targeted(host, worm, 10, 10)), alertOf(lookup(host, killSwitch, "NXDOMAIN", 220, 220)),
	}
	again := append(slices.Clone(words), factOf(targeted(host, worm, 210, 210)))
	for _, c := range []struct {
		words []said
		want  string
	}{{words, ""}, {again, "10.1.0.15 30 targeted@210"}} {
		d, _ := marked(t, c.words, mark(host, scope.Cleaned, 100))
		h := find(d, host)
		if got := strings.Join(sources(&h), "|"); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestMarksAnew: marks that change while the ledger lives count from then on,
// and what they change is said; those that stay change nothing.
func TestMarksAnew(t *testing.T) {
	const host = "10.1.0.14"
	l, changes := ledgerOf(t, []said{alertOf(lookup(host, killSwitch, "NXDOMAIN", 61, 688))})
	cleaned, other := mark(host, scope.Cleaned, 100), mark("10.1.0.15", scope.Isolated, 90)
	steps := []struct {
		marks   []scope.Mark
		changed int
		said    string // the last change of mind
		n       int    // of these so far
	}{
		{[]scope.Mark{cleaned, other}, 2, "an analyst marked it cleaned", 2},
		{[]scope.Mark{other, cleaned}, 0, "an analyst marked it cleaned", 2},
		{[]scope.Mark{mark(host, scope.Isolated, 80), cleaned}, 2, "an analyst marked it cleaned", 2},
		{[]scope.Mark{mark("203.0.113.9", scope.Cleaned, 80), cleaned}, 1, "an analyst marked it cleaned", 2},
		{nil, 1, "asked for the kill-switch name", 3},
		{nil, 0, "asked for the kill-switch name", 3},
	}
	for i, s := range steps {
		if got := l.SetMarks(s.marks, at(200+i)); len(got) != s.changed {
			t.Errorf("step %d: %v are news, want %d", i, got, s.changed)
		}
		last := (*changes)[len(*changes)-1]
		if len(*changes) != s.n || !strings.Contains(last.Why, s.said) {
			t.Errorf("step %d: %d changes, the last %+v", i, len(*changes), last)
		}
	}
	if last := (*changes)[2]; !last.Time.Equal(at(204)) || last.To != scope.Infected {
		t.Errorf("the last change is %+v, want infected, when the mark was taken back", last)
	}
	if d := l.Document(capture()); len(d.Marks) != 0 {
		t.Errorf("marks that were taken back are listed: %+v", d.Marks)
	}
}

// TestRevise: a ledger that comes to another state than was said of a host says so,
// with the next number, unless it may be for what it had to forget.
func TestRevise(t *testing.T) {
	const host, other = "10.1.0.14", "10.1.0.15"
	for name, tt := range map[string]struct {
		said  scope.State
		most  int // hosts that it keeps
		after bool
		want  string
	}{
		"marked since":        {scope.Infected, 9, true, "infected seen 8 an analyst marked it cleaned"},
		"no news":             {scope.Seen, 9, true, ""},
		"not marked any more": {scope.Seen, 9, false, "seen infected 8 asked for the kill-switch name " + killSwitch.Value + ": NXDOMAIN; the worm goes on"},
		"one was forgotten":   {scope.Infected, 1, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			loaded := false
			l := scope.New(zones(t), scope.Options{MaxHosts: tt.most, OnChange: func(c scope.Change) {
				if loaded {
					got += fmt.Sprint(c.From, " ", c.To, " ", c.Number, " ", c.Why)
				}
			}})
			l.Alert(lookup(other, killSwitch, "NXDOMAIN", 60, 687))
			if tt.after {
				l.Mark(mark(host, scope.Cleaned, 100))
			}
			l.Alert(lookup(host, killSwitch, "NXDOMAIN", 61, 688))
			loaded = true
			l.Resume(addr(host), 7)
			l.Revise(addr(host), tt.said)
			l.Revise(addr("10.1.0.99"), scope.Infected) // of which it knows nothing
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestOpenBeforeItWasCleaned: that a host answered on its SMB port before it was
// reinstalled is nothing to act upon; an open port of a false positive is.
func TestOpenBeforeItWasCleaned(t *testing.T) {
	const host, by = "10.1.0.14", "203.0.113.9"
	words := []said{alertOf(exposed(host, 445, by, 40, true, 10, 10)), factOf(targeted(host, by, 200, 20))}
	for kind, open := range map[scope.MarkKind]bool{scope.Cleaned: false, scope.FalsePositive: true} {
		d, _ := marked(t, words, mark(host, kind, 100))
		h := find(d, host)
		if told := strings.Contains(textOf(t, d), "ANSWER ON THE SMB PORT"); told != open || h.AnswersSMB() != open || len(h.Role) > 0 != open {
			t.Errorf("%s: told %v, answers %v, roles %v", kind, told, h.AnswersSMB(), h.Role)
		}
		if (d.Totals.SMBExposed > 0) != open || (action(&d, scope.TakeOffInternet) != nil) != open {
			t.Errorf("%s: counted as open, or told to be taken off the internet, when it is not (or the other way round): %+v, %+v", kind, d.Totals, d.Actions())
		}
	}
}

func TestMarksOutliveTheirHosts(t *testing.T) {
	l := scope.New(zones(t), scope.Options{MaxHosts: 1})
	l.Mark(mark("10.1.0.14", scope.Isolated, 10))
	l.Alert(lookup("10.1.0.15", killSwitch, "NXDOMAIN", 61, 688)) // pushes the other out
	if d := l.Document(capture()); len(d.Marks) != 1 || d.Marks[0].IP != "10.1.0.14" {
		t.Errorf("marks %+v", d.Marks)
	}
	l.Alert(lookup("10.1.0.14", killSwitch, "NXDOMAIN", 62, 689))
	if d := l.Document(capture()); len(d.Marks) != 1 {
		t.Errorf("marks %+v", d.Marks)
	}
}

func crossing(from, to, toZone string, x alert.Crossing, n uint64, when int) alert.Alert {
	x.Port, x.FromZone, x.ToZone = 445, "office", toZone
	name := "blocked"
	if x.Open {
		name = "open"
	}
	a := word(alert.Alert{
		Rule: alert.RuleCrossing, Name: name, Host: addr(from), Proto: 6, Count: n,
		Resp: netip.AddrPortFrom(addr(to), 445), Evidence: alert.Evidence{Crossing: &x},
	}, when, uint64(when), to, name)
	return a
}

// TestBordersInAnyOrder: of the words of an alert about a border the latest counts,
// whenever it is told.
func TestBordersInAnyOrder(t *testing.T) {
	first := crossing("10.1.0.14", "10.2.0.1", "plant", alert.Crossing{Targets: 1, Silent: 1}, 1, 5)
	latest := crossing("10.1.0.14", "10.2.0.1", "plant", alert.Crossing{Targets: 40, Silent: 38, Refused: 2}, 40, 5)
	latest.Seq = 3
	for _, words := range [][]said{{alertOf(first), alertOf(latest)}, {alertOf(latest), alertOf(first)}} {
		l, _ := ledgerOf(t, words)
		if b := l.Document(capture()).Borders; len(b) != 1 || b[0].Silent != 38 || b[0].Refused != 2 {
			t.Errorf("borders %+v", b)
		}
	}
}

func TestBorders(t *testing.T) {
	l, _ := ledgerOf(t, []said{
		alertOf(crossing("10.1.0.14", "10.2.0.1", "plant", alert.Crossing{Targets: 40, Silent: 38, Refused: 2}, 40, 5)),
		alertOf(crossing("10.1.0.15", "10.2.0.2", "plant", alert.Crossing{Targets: 1, Silent: 1}, 1, 6)),
		alertOf(crossing("10.1.0.14", "10.3.0.1", "servers", alert.Crossing{Targets: 1, Open: true}, 3, 7)),
		alertOf(crossing("10.1.0.15", "10.3.0.1", "servers", alert.Crossing{Targets: 1, Open: true}, 1, 8)),
		alertOf(crossing("10.1.0.15", "10.3.0.2", "servers", alert.Crossing{Targets: 1, Silent: 1}, 1, 9)),
	})
	d := l.Document(capture())
	golden(t, "borders.json", jsonOf(t, d))
	golden(t, "borders.txt", textOf(t, d))
}
