package report_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"wormscope/scope"
)

var update = flag.Bool("update", false, "write the golden files and the screenshots anew")

// column returns the text of a column of the table.
func (b *browser) column(n int) []string {
	b.t.Helper()
	return eval[[]string](b, fmt.Sprintf(`[...document.querySelectorAll('#rows .host')].map(r => r.cells[%d].innerText.trim())`, n))
}

// count returns what the page says of how many hosts show.
func (b *browser) count() string {
	b.t.Helper()
	return eval[string](b, `document.getElementById('count').textContent`)
}

// sortBy presses the heading of a column by key, and returns what the column
// then says of its order.
func (b *browser) sortBy(name string) string {
	b.t.Helper()
	b.js(fmt.Sprintf(`document.querySelector('th[data-sort=%s] button').focus()`, name))
	b.do(chromedp.KeyEvent("\r"))
	return eval[string](b, fmt.Sprintf(`document.querySelector('th[data-sort=%s]').getAttribute('aria-sort')`, name))
}

func TestBrowserSorts(t *testing.T) {
	b := openBrowser(t)
	address := b.open(outbreakOf(24, 6, 60), "")
	if got := b.count(); got != "90 hosts, the worst first." {
		t.Errorf("at first: %q", got)
	}
	first := b.column(0)
	if order := b.sortBy("ip"); order != "ascending" {
		t.Errorf("aria-sort is %q", order)
	}
	up := b.column(0)
	if !slices.IsSortedFunc(up, compareAddresses) || len(up) != 90 {
		t.Errorf("by address: %v", up)
	}
	if order := b.sortBy("ip"); order != "descending" {
		t.Errorf("aria-sort is %q", order)
	}
	down := b.column(0)
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		t.Errorf("by address, downwards: %v", down)
	}
	if order := b.sortBy("ip"); order != "none" || !slices.Equal(b.column(0), first) {
		t.Errorf("the third time is not the order of the beginning, and aria-sort is %q", order)
	}
	b.sortBy("ip")
	b.sortBy("since")
	if got := b.column(4); !slices.IsSorted(got[:30]) { // those with an act of their own
		t.Errorf("by time: %v", got)
	} else if slices.ContainsFunc(got[30:], func(s string) bool { return !strings.HasPrefix(s, "(") }) {
		t.Errorf("times at which hosts were first seen look like those of acts: %v", got[30:])
	}
	if n := eval[int](b, `document.querySelectorAll('th:not([aria-sort=none])[aria-sort]').length`); n != 1 {
		t.Errorf("%d columns say that they are sorted", n)
	}
	b.clean(address)
}

// compareAddresses compares IPv4 addresses by their numbers.
func compareAddresses(a, b string) int {
	var x, y [4]int
	fmt.Sscanf(a, "%d.%d.%d.%d", &x[0], &x[1], &x[2], &x[3])
	fmt.Sscanf(b, "%d.%d.%d.%d", &y[0], &y[1], &y[2], &y[3])
	return slices.Compare(x[:], y[:])
}

func TestBrowserFilters(t *testing.T) {
	b := openBrowser(t)
	address := b.open(outbreakOf(24, 6, 60), "")
	b.js(`document.querySelector('#states input[value=infected]').click()`)
	if got := b.count(); got != "66 of 90 hosts, the worst first." {
		t.Errorf("without infected: %q", got)
	}
	if slices.Contains(b.column(2), "infected") {
		t.Error("infected hosts among those that are not")
	}
	b.do(chromedp.Click(chromedp.CSS("#reset")))
	b.js(`const z = document.getElementById('zone'); z.value = 'clinic'; z.dispatchEvent(new Event('change'))`)
	zones := b.column(1)
	slices.Sort(zones)
	if zones = slices.Compact(zones); !slices.Equal(zones, []string{"clinic"}) {
		t.Errorf("zones of clinic: %v", zones)
	}
	b.do(chromedp.Click(chromedp.CSS("#reset")), chromedp.SendKeys(chromedp.CSS("#find"), "kill-switch infected"))
	b.until(`document.querySelectorAll('#rows .host').length === 24`)
	b.do(chromedp.SendKeys(chromedp.CSS("#find"), " nowhere"))
	b.until(`document.querySelectorAll('#rows .host').length === 0`)
	b.clean(address)
}

func TestBrowserFollowsHostToItsEvidence(t *testing.T) {
	b := openBrowser(t)
	doc := outbreakOf(24, 6, 60)
	host := doc.Hosts[7]
	address := b.open(doc, "host-"+host.IP)
	evidence := eval[string](b, `document.querySelector('tr.evidence').textContent`)
	frames := host.Facts[2].Frames
	for _, want := range []string{
		fmt.Sprintf("frames %d, %d of core-span.pcapng", frames[0], frames[1]),
		host.Facts[1].Detail, host.Facts[1].Alert, "Infected by " + host.InfectedBy[0].IP, "Kill switch not reached",
	} {
		if !strings.Contains(evidence, want) {
			t.Errorf("the evidence does not say %q:\n%s", want, evidence)
		}
	}
	if got := eval[string](b, `document.activeElement.innerText`); got != host.IP {
		t.Errorf("the focus is on %q, not on the host", got)
	}
	// From the evidence to the source, and from the tree to a host.
	b.do(chromedp.Click(chromedp.CSS(`tr.evidence .known a`)))
	b.until(fmt.Sprintf(`document.activeElement.innerText === %q`, host.InfectedBy[0].IP))
	b.js(`document.querySelector('svg.tree a').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))`)
	b.until(`'#host-' + document.activeElement.innerText === document.querySelector('svg.tree a').getAttribute('href')`)
	// The keyboard closes a host and opens it again.
	for _, want := range []string{"false", "true"} {
		b.do(chromedp.KeyEvent("\r"))
		if got := eval[string](b, `document.activeElement.getAttribute('aria-expanded')`); got != want {
			t.Errorf("after Enter the host is expanded: %s, want %s", got, want)
		}
	}
	b.clean(address)
}

func TestBrowserCopiesAndSwitchesColours(t *testing.T) {
	b := openBrowser(t)
	address := b.open(outbreakOf(24, 6, 60), "")
	b.js(`navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve() }`)
	b.do(chromedp.Click(chromedp.CSS(`.list .copy`)))
	b.until(`document.querySelector('.list .copy').textContent === 'Copied'`)
	if lines := strings.Count(eval[string](b, `window.copied`), "\n") + 1; lines != 24 {
		t.Errorf("%d addresses copied, want 24", lines)
	}
	ground := `getComputedStyle(document.body).backgroundColor`
	light := eval[string](b, ground)
	b.do(chromedp.Click(chromedp.CSS(`#theme`)))
	if dark := eval[string](b, ground); dark == light {
		t.Errorf("the ground stays %s", dark)
	}
	b.clean(address)
}

func TestBrowserShowsHostileNames(t *testing.T) {
	b := openBrowser(t)
	doc := hostileDocument(hostile)
	address := b.open(doc, "host-"+doc.Hosts[0].IP)
	if n := eval[int](b, `document.images.length`); n != 0 {
		t.Errorf("hostile names made %d images", n)
	}
	if n := eval[int](b, `document.scripts.length`); n != 2 {
		t.Errorf("%d scripts, want the data and our own", n)
	}
	if n := strings.Count(eval[string](b, `document.body.innerText`), "onerror=alert(1)"); n < 20 {
		t.Errorf("the hostile name shows %d times as text", n)
	}
	b.clean(address)
}

// usable is how long a report on 5,000 hosts may take to be usable. It is
// generous, since machines differ, and may be busy: what is measured is logged.
const usable = time.Minute

func TestBrowserFiveThousandHosts(t *testing.T) {
	b := openBrowser(t)
	doc := outbreakOf(1500, 500, 3000)
	begin := time.Now()
	address := b.open(doc, "")
	took := time.Since(begin)
	inside := eval[float64](b, `performance.getEntriesByType('navigation')[0].loadEventEnd`)
	sorting := eval[float64](b, `(() => {
		const begin = performance.now();
		document.querySelector('th[data-sort=ip] button').click();
		document.body.offsetHeight;
		return performance.now() - begin;
	})()`)
	t.Logf("5,000 hosts: usable after %v (%.0f ms of it in the browser), sorted in %.0f ms", took.Round(time.Millisecond), inside, sorting)
	if took > usable {
		t.Errorf("usable after %v", took)
	}
	if n := eval[int](b, `document.querySelectorAll('#rows .host').length`); n != 200 {
		t.Errorf("%d rows, want 200 of many", n)
	}
	last := doc.Hosts[len(doc.Hosts)-1]
	b.js(fmt.Sprintf(`location.hash = %q`, "host-"+last.IP))
	b.until(`document.querySelector('tr.evidence') !== null`)
	if text := eval[string](b, `document.querySelector('tr.evidence').textContent`); !strings.Contains(text, last.Facts[0].Detail) {
		t.Errorf("the evidence of the last host: %s", text)
	}
	b.clean(address)
}

// TestBrowserShowsTheSystem: a host is found by its name, and its evidence says
// what it is.
func TestBrowserShowsTheSystem(t *testing.T) {
	b := openBrowser(t)
	address := b.open(exploited(), "")
	b.js(`document.querySelector('#rows .toggle').click()`)
	if text := eval[string](b, `document.querySelector('tr.evidence').textContent`); !strings.Contains(text, "System Windows 7; FILES01 in domain ") || !strings.Contains(text, "no longer supported; SMB1 is on") {
		t.Errorf("the evidence does not say what the host is: %s", text)
	}
	b.js(`const find = document.getElementById('find'); find.value = 'files01'; find.dispatchEvent(new Event('input'))`)
	b.until(`document.querySelectorAll('#rows .host').length === 1`)
	b.clean(address)
}

// TestBrowserShowsMarks: who is isolated already shows in the table, and is found there;
// and the address of a mark is not broken, however long the other columns are.
func TestBrowserShowsMarks(t *testing.T) {
	b := openBrowser(t)
	doc := outbreakOf(24, 6, 60)
	marked := doc.Hosts[2].IP
	doc.Hosts[2].Marks = []scope.MarkKind{scope.Isolated}
	doc.Marks = []scope.MarkItem{{IP: marked, Mark: scope.Isolated, Warning: strings.Repeat("it was active ", 20)}}
	address := b.open(doc, "")
	if got := b.column(2)[1:3]; got[0] != "infected" || got[1] != "infected\nisolated" {
		t.Errorf("the states are %q", got)
	}
	if high := eval[int](b, `document.querySelector('#marks tbody code').getClientRects().length`); high != 1 {
		t.Errorf("the address takes %d lines", high)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#find"), "isolated"))
	b.until(`document.querySelectorAll('#rows .host').length === 1`)
	if !strings.Contains(render(t, doc), `infected</span><span class="marked">isolated</span>`) {
		t.Error("without a script the mark does not show")
	}
	b.clean(address)
}

func TestBrowserWithoutScript(t *testing.T) {
	b := openBrowser(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	address := b.open(outbreakOf(1500, 500, 3000), "")
	if rows := eval[int](b, `document.querySelectorAll('#rows .host').length`); rows != 200 {
		t.Errorf("%d rows, want 200", rows)
	}
	if high := eval[int](b, `document.getElementById('filters').offsetHeight + document.getElementById('theme').offsetHeight`); high != 0 {
		t.Errorf("what needs the script shows, %d pixels high", high)
	}
	if text := eval[string](b, `document.querySelector('tr.evidence').textContent`); !strings.Contains(text, "frame 688") {
		t.Errorf("the evidence is missing: %s", text)
	}
	b.clean(address)
}

// TestBrowserFitsTheScreen opens the report on a phone, a tablet and a desk:
// only other tables and charts than that of the hosts may be wider, in boxes of
// their own.
func TestBrowserFitsTheScreen(t *testing.T) {
	b := openBrowser(t)
	for _, width := range []int64{360, 768, 1120, 1121, 1280} {
		b.screen(width, 800)
		for _, name := range []string{strings.Repeat("long", 60), strings.Repeat("long ", 60)} {
			b.open(hostileDocument(name), "")
			if got := eval[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("with names of %d characters the page is %d pixels wide on a screen of %d", len(name), got, width)
			}
		}
		b.open(outbreakOf(24, 6, 60), "")
		b.js(`document.querySelector('#rows .toggle').click()`)
		if got := eval[int64](b, `document.documentElement.scrollWidth`); got > width {
			t.Errorf("the page is %d pixels wide on a screen of %d", got, width)
		}
		// So that nobody has to scroll sideways through each line of the evidence.
		if got := eval[int64](b, `document.getElementById('table').scrollWidth - document.querySelector('#hosts .scroll').clientWidth`); got > 0 {
			t.Errorf("the table of hosts is %d pixels wider than its box on a screen of %d", got, width)
		}
	}
}

// TestBrowserUnfoldsInPlace: the evidence of a host leaves the columns as they are,
// also where those of the patch state and of the source are left out.
func TestBrowserUnfoldsInPlace(t *testing.T) {
	b := openBrowser(t)
	for _, known := range []bool{true, false} {
		doc := outbreakOf(24, 6, 60)
		for i := range doc.Hosts {
			if h := &doc.Hosts[i]; !known {
				h.Patch, h.InfectedBy = "unknown", nil
			}
		}
		b.open(doc, "")
		widths := `[...document.querySelectorAll('#rows .host:first-child td')].map(e => e.offsetWidth)`
		before := eval[[]int](b, widths)
		b.js(`document.querySelector('#rows .toggle').click()`)
		if after := eval[[]int](b, widths); !slices.Equal(before, after) {
			t.Errorf("patch state and source known: %v: columns are %v pixels wide, and %v beside evidence", known, before, after)
		}
	}
}

// TestBrowserBreaksNoAddress: IPv4 addresses stand in one line, however long, and on
// paper a time in two, its date and its hour.
func TestBrowserBreaksNoAddress(t *testing.T) {
	b := openBrowser(t)
	doc := outbreakOf(24, 6, 60)
	const long = "192.168.116.138"
	doc.Hosts[0].IP, doc.Hosts[1].InfectedBy = long, []scope.Source{{IP: long, Confidence: .3}}
	b.open(doc, "")
	high := eval[[]int](b, `[0, 1, 2].map(i => document.querySelectorAll('#rows .host')[i].offsetHeight)`)
	if high[0] != high[2] || high[1] != high[2] {
		t.Errorf("rows with addresses of 15 characters are %d and %d pixels high, others %d", high[0], high[1], high[2])
	}
	if source := b.column(6)[:3]; source[1] != long+" ?" || strings.Contains(source[2], "?") {
		t.Errorf("sources that are 30 and 90 %% sure are said like this: %q", source[1:])
	}
	b.screen(718, 1000)
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	lines := eval[[]int](b, `[':first-child td:first-child code', ':nth-child(2) td:nth-child(7) code', ':first-child td.time', ':last-child td.time span'].map(s => {
		const all = document.createRange();
		all.selectNodeContents(document.querySelector('#rows .host' + s));
		return new Set([...all.getClientRects()].map(r => r.top)).size;
	})`)
	if want := []int{1, 1, 2, 2}; !slices.Equal(lines, want) {
		t.Errorf("on paper addresses and times take %v lines, want %v", lines, want)
	}
}

// TestBrowserPrints: on paper, which is as narrow as a phone, hosts have all that
// the table on a desk says of them, and none is missing without a word.
func TestBrowserPrints(t *testing.T) {
	for _, c := range []struct {
		hosts, rows int
		more        bool
	}{{300, 300, false}, {2100, 2000, true}} {
		b := openBrowser(t)
		b.screen(718, 1000)
		b.open(outbreakOf(10, 0, c.hosts-10), "")
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		b.js(`dispatchEvent(new Event('beforeprint'))`)
		if rows := eval[int](b, `document.querySelectorAll('#rows .host').length`); rows != c.rows {
			t.Errorf("of %d hosts %d are printed, want %d", c.hosts, rows, c.rows)
		}
		if more := eval[bool](b, `document.getElementById('more').checkVisibility() && getComputedStyle(document.getElementById('more'), '::after').content.includes('not printed')`); more != c.more {
			t.Errorf("of %d hosts: that some are not printed is said: %v", c.hosts, more)
		}
		hidden := eval[[]string](b, `[...document.querySelectorAll('#table th:not([data-sort=patch]), #rows .host:first-child td')].filter(e => !e.checkVisibility() && e.cellIndex != 5).map(e => e.textContent)`)
		if len(hidden) > 0 {
			t.Errorf("not printed: %q", hidden)
		}
		if high := eval[int](b, `document.querySelector('.list details pre').offsetHeight`); high > 1000*c.hosts/300 {
			t.Errorf("a list of %d addresses is %d pixels high on paper", c.hosts, high)
		}
	}
}

// TestScreenshots writes the pictures in docs/.
func TestScreenshots(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	b := openBrowser(t)
	for _, p := range []struct {
		theme, from   string
		above, height float64
	}{{"light", ".verdict", 84, 1480}, {"dark", "#spread", 24, 1480}} {
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: p.theme}},
		})
		b.open(outbreakOf(24, 6, 60), "")
		top := eval[float64](b, fmt.Sprintf(`Math.round(document.querySelector(%q).getBoundingClientRect().top + scrollY)`, p.from))
		shot := b.shot(max(0, top-p.above), 1280, p.height)
		if len(shot) > 400_000 {
			t.Errorf("%s: %d bytes", p.theme, len(shot))
		}
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "report-"+p.theme+".png"), shot, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
