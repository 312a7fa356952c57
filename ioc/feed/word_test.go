package feed

import (
	"strings"
	"testing"

	"wormscope/ioc"
)

func TestClassWords(t *testing.T) {
	for word, want := range map[string]ioc.Class{
		"malicious": ioc.Malicious, "kill-switch": ioc.KillSwitch, "KillSwitch": ioc.KillSwitch, "kill_switch": ioc.KillSwitch,
		"sinkhole": ioc.Sinkhole, "anonymizer": ioc.Anonymizer, "Tor": ioc.Anonymizer,
	} {
		if got, err := ParseClass(word); got != want || err != nil {
			t.Errorf("%q: %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "botnet_cc", "kill"} {
		if _, err := ParseClass(word); err == nil {
			t.Errorf("%q is a class", word)
		}
	}
}

// TestClassOfEntries has a class for the feed and others for entries, one of
// which is none.
func TestClassOfEntries(t *testing.T) {
	content := "domain,class,threat_type\n" +
		"a.example,kill-switch,sinkhole\nb.example,,tor\nc.example,,botnet_cc\nd.example,stopper,\ne.example,malicious,\n"
	s, file := load(t, content, Options{Class: ioc.Sinkhole})
	for name, want := range map[string]ioc.Class{
		"a.example": ioc.KillSwitch, "b.example": ioc.Anonymizer, "c.example": ioc.Sinkhole, "d.example": ioc.Sinkhole, "e.example": ioc.Malicious,
	} {
		if i, _ := find(s, name); i.Class != want {
			t.Errorf("%s is %v, want %v", name, i.Class, want)
		}
	}
	if u := file.Unclassed; file.Names != 5 || u.Count != 1 || u.Samples[0] != (Sample{5, "d.example,stopper,"}) {
		t.Errorf("%+v", file)
	}
	r := Report{Files: []FileReport{file}}
	var text strings.Builder
	want := "  class    1: a class that is not understood; used as the feed's own\n           line 5: d.example,stopper,\n"
	if err := r.WriteText(&text); err != nil || !strings.HasSuffix(text.String(), want) {
		t.Errorf("%s", text.String())
	}
	s, _ = load(t, "host,what\nf.example,kill-switch\n", Options{Columns: Columns{Indicator: "host", Class: "what"}})
	if i, _ := find(s, "f.example"); i.Class != ioc.KillSwitch {
		t.Errorf("a column named by hand: %v", i.Class)
	}
}

// TestConfidenceNone tells a feed that says "none" from one that says nothing.
func TestConfidenceNone(t *testing.T) {
	s, _ := load(t, "domain,confidence,score\na.example,none,90\nb.example,None,\nc.example,,90\nd.example,-,\n", Options{Confidence: ioc.LowConfidence})
	for name, want := range map[string]ioc.Confidence{
		"a.example": ioc.None, "b.example": ioc.None, "c.example": ioc.HighConfidence, "d.example": ioc.LowConfidence,
	} {
		if i, _ := find(s, name); i.Confidence != want {
			t.Errorf("%s: %v, want %v", name, i.Confidence, want)
		}
	}
}

func TestTLPWords(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "AMBER": "AMBER", "amber": "AMBER", "TLP:AMBER": "AMBER", "tlp:amber+strict": "AMBER+STRICT", " TLP: Clear ": "CLEAR", "White": "WHITE",
	} {
		if got, err := ParseTLP(text); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"PINK", "TLP:", " ", "AMBERSTRICT", "TLP:TLP:RED"} {
		if got, err := ParseTLP(text); err == nil {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
}
