package syslog

import (
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/scope"
	"wormscope/sinks/event"
	"wormscope/sinks/tlsconf"
)

// TestMessage compares whole messages.
func TestMessage(t *testing.T) {
	a := samples.Alert(alert.Alert{Rule: alert.RuleScan, Severity: alert.High, Seq: 2})
	c := event.Event{Change: &scope.Change{ID: `odd]"\id`, To: scope.Infected, Time: time.Date(2017, 5, 12, 10, 0, 0, 1999, time.FixedZone("", 7200))}}
	for _, test := range []struct {
		s    Config
		e    *event.Event
		want string
	}{
		{Config{Hostname: "sensor-1.example"}, &a, `<131>1 2026-01-05T08:00:01.123456Z sensor-1.example wormscope - scan - BODY é`},
		{
			Config{Hostname: "a b\x7fc", AppName: strings.Repeat("x", 60), Facility: "AuthPriv", SDID: "wormscope@32473"},
			&c,
			`<82>1 2017-05-12T08:00:00.000001Z abc ` + strings.Repeat("x", 48) + ` - host-state [wormscope@32473 id="odd\]\"\\id"] BODY é`,
		},
		{Config{Hostname: "é", Facility: "0"}, &event.Event{}, `<6>1 0001-01-01T00:00:00.000000Z - wormscope - host-state - BODY é`},
	} {
		h, err := newHeader(test.s)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(h.message(test.e, []byte("BODY é"))); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestSeverity(t *testing.T) {
	for from, want := range map[alert.Severity]int{
		alert.Critical: 2, alert.High: 3, alert.Medium: 4, alert.Low: 5, alert.Info: 6, 0: 6, 100: 2,
	} {
		if got := severity(from); got != want {
			t.Errorf("%d: got %d, want %d", from, got, want)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for want, s := range map[string]Config{
		"address: missing: want host:port": {},
		`address: "a:b:c:d": want`:         {Address: "a:b:c:d", Protocol: "tcp"},
		`address: ":514": names no host`:   {Address: ":514", Protocol: "tcp"},
		`protocol: "sctp": want`:           {Address: "a:1", Protocol: "sctp"},
		`facility: "local9": want`:         {Address: "a:1", Facility: "local9"},
		`facility: "24": want`:             {Address: "a:1", Facility: "24"},
		`sd_id: "wormscope": want`:         {Address: "a:1", SDID: "wormscope"},
		"max_message: 100: want":           {Address: "a:1", MaxMessage: 100},
		"max_message: 70000: want":         {Address: "a:1", Protocol: "udp", MaxMessage: 70000},
		"timeout: -1s: want":               {Address: "a:1", Timeout: -time.Second},
		"tls: settings are given, but":     {Address: "a:1", Protocol: "tcp", TLS: tlsconf.Settings{CA: "x"}},
		"tls.ca: open /nowhere":            {Address: "a:1", TLS: tlsconf.Settings{CA: "/nowhere"}},
	} {
		if _, err := New(s, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", s, err, want)
		}
	}
	for addr, want := range map[string]string{
		"siem.example": "siem.example:6514", "siem.example:1": "siem.example:1",
		"2001:db8::1": "[2001:db8::1]:6514", "[2001:db8::1]": "[2001:db8::1]:6514", "[2001:db8::1]:1": "[2001:db8::1]:1",
	} {
		k, err := New(Config{Address: addr}, nil)
		if err != nil || k.config.Address != want {
			t.Errorf("%s: got %+v, %v", addr, k, err)
		}
	}
}

func TestWindowIsBounded(t *testing.T) {
	w := window{limit: 10}
	for _, m := range []string{"aaaa", "bbbb", "cccc", "dd"} {
		w.add([][]byte{[]byte(m)})
	}
	var got []string
	for _, m := range w.messages {
		got = append(got, string(m))
	}
	if strings.Join(got, " ") != "bbbb cccc dd" || w.size != 10 {
		t.Errorf("got %v, %d bytes", got, w.size)
	}
	if w.add([][]byte{make([]byte, 6), make([]byte, 7)}); len(w.messages) != 2 || w.size != 13 {
		t.Errorf("got %d messages, %d bytes of a batch that stays whole", len(w.messages), w.size)
	}
}
