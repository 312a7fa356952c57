package ocsf_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/internal/venv"
	"wormscope/scope"
	"wormscope/sinks/event"
	"wormscope/sinks/ocsf"
)

var update = flag.Bool("update", false, "write the golden files anew")

func renderer(t testing.TB) *ocsf.Renderer {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return ocsf.New(ocsf.Options{Version: "1.2.3", Sensor: "tap-1", Zones: zones})
}

func TestGolden(t *testing.T) { samples.Golden(t, *update, renderer(t).Event) }

// A finding is what the tests look at of a document.
type finding struct {
	TypeUID int    `json:"type_uid"`
	Status  string `json:"status"`
	Finding struct {
		UID string `json:"uid"`
	} `json:"finding_info"`
	Unmapped struct {
		Wormscope struct {
			Alert struct {
				Phase string `json:"phase"`
			} `json:"alert"`
		} `json:"wormscope"`
	} `json:"unmapped"`
}

func rendered(t *testing.T, r *ocsf.Renderer, e *event.Event) finding {
	t.Helper()
	b, err := r.Event(e)
	if err != nil {
		t.Fatal(err)
	}
	var got finding
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestPhases: the words of one alert are one finding that is created and updated,
// and new as long as nobody has looked into it.
func TestPhases(t *testing.T) {
	e := samples.Alert(alert.Alert{Rule: alert.RuleFlood, Evidence: alert.Evidence{Flood: &alert.Flood{}}})
	for phase, want := range map[alert.Phase]int{alert.PhaseStart: 200401, alert.PhaseUpdate: 200402, alert.PhaseEnd: 200402} {
		word := *e.Alert
		word.Phase = phase
		got := rendered(t, renderer(t), &event.Event{Alert: &word})
		if got.TypeUID != want || got.Finding.UID != word.ID || got.Status != "New" || got.Unmapped.Wormscope.Alert.Phase != phase.String() {
			t.Errorf("%s is %+v, want %d of %s", phase, got, want, word.ID)
		}
	}
	if _, err := renderer(t).Event(&event.Event{Fact: &alert.Fact{}}); err == nil {
		t.Error("a fact is rendered")
	}
}

// TestSitesAreApart: the changes of one host are one finding, which none of them
// closes; the same address at another site is another host.
func TestSitesAreApart(t *testing.T) {
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	at := func(sensor string, from, to scope.State, when int64) finding {
		c := scope.Change{Host: netip.MustParseAddr("10.0.0.5"), From: from, To: to, Time: time.Unix(when, 0)}
		return rendered(t, ocsf.New(ocsf.Options{Sensor: sensor, Zones: zones}), &event.Event{Change: &c})
	}
	first, over, other := at("a", scope.Seen, scope.Exposed, 1), at("a", scope.Exposed, scope.Seen, 2), at("b", scope.Seen, scope.Exposed, 1)
	if first.Finding.UID != over.Finding.UID || first.Finding.UID == other.Finding.UID {
		t.Errorf("findings %s, %s; at another site %s", first.Finding.UID, over.Finding.UID, other.Finding.UID)
	}
	if first.TypeUID != 200401 || over.TypeUID != 200402 || over.Status != "New" {
		t.Errorf("first %+v, over %+v", first, over)
	}
}

// validate holds documents, one per line, against the published schema and
// returns the faults.
func validate(t *testing.T, documents []byte) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), venv.Python(t, "ocsf-json-schema", "testdata/validate/requirements.txt"), "testdata/validate/validate.py")
	cmd.Stdin = bytes.NewReader(documents)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("validator: %v\n%s", err, stderr.Bytes())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestFollowsTheSchema(t *testing.T) {
	r := renderer(t)
	var documents bytes.Buffer
	count := 0
	for _, s := range samples.All() {
		b, err := r.Event(&s.Event)
		if err != nil {
			t.Fatal(err)
		}
		documents.Write(append(b, '\n'))
		count++
	}
	got := validate(t, documents.Bytes())
	if last := got[len(got)-1]; last != "checked "+itoa(count) {
		t.Errorf("%d documents: %s", count, last)
	}
	for _, fault := range got[:len(got)-1] {
		t.Error(fault)
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// TestValidatorFindsFaults plants one fault at a time: the check of the
// documents is worth only what it finds.
func TestValidatorFindsFaults(t *testing.T) {
	var good []byte
	for _, s := range samples.All() {
		if s.Name == "ioc-domain" {
			b, err := renderer(t).Event(&s.Event)
			if err != nil {
				t.Fatal(err)
			}
			good = b
		}
	}
	faults := []struct{ old, replaced, want string }{
		{`"class_uid":2004`, `"class_uid":2005`, "class_uid"},
		{`"severity_id":5`, `"severity_id":"5"`, "severity_id"},
		{`"activity_id":1`, `"activity_id":7`, "activity_id"},
		{`"finding_info":{"uid":`, `"finding_info":{"id":`, "uid"},
		{`"profiles":["osint"],`, ``, "osint"},
		{`"metadata":{"version":"1.8.0",`, `"metadata":{`, "version"},
		{`"port":53`, `"port":70000`, "port"},
		{`"unmapped":`, `"wormscope":`, "wormscope"},
		{`"time":1`, `"time":"1","x":1`, "time"},
	}
	var documents bytes.Buffer
	for _, f := range faults {
		bad := bytes.Replace(good, []byte(f.old), []byte(f.replaced), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s is not in %s", f.old, good)
		}
		documents.Write(append(bad, '\n'))
	}
	got := strings.Join(validate(t, documents.Bytes()), "\n")
	for i, f := range faults {
		found := false
		for line := range strings.SplitSeq(got, "\n") {
			found = found || strings.HasPrefix(line, itoa(i+1)+": ") && strings.Contains(line, f.want)
		}
		if !found {
			t.Errorf("fault %d, %s, is not found:\n%s", i+1, f.replaced, got)
		}
	}
}

// FuzzNames: whatever is asked for, a document is one line of valid JSON.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"evil.example", "a\nb.example", "\xff\xfe.example", `"quoted"\\`, "<script>", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e := samples.Alert(alert.Alert{
			Rule: alert.RuleDomain, Proto: 17,
			Evidence: alert.Evidence{DNS: &alert.DNS{Question: name, Matched: name, ResponseCode: "NXDOMAIN"}},
		})
		b, err := renderer(t).Event(&e)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b) || !utf8.Valid(b) || bytes.ContainsAny(b, "\n\r") {
			t.Errorf("%q leads to %q", name, b)
		}
	})
}
