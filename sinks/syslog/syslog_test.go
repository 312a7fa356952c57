package syslog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/detect/zone"
	"wormscope/internal/samples"
	"wormscope/internal/syslogtest"
	"wormscope/internal/testca"
	"wormscope/sinks"
	"wormscope/sinks/cef"
	"wormscope/sinks/ecs"
	"wormscope/sinks/event"
	"wormscope/sinks/syslog"
	"wormscope/sinks/tlsconf"

	"github.com/google/go-cmp/cmp"
)

// renderer is that of ECS documents.
func renderer(t *testing.T) sinks.Renderer {
	t.Helper()
	return ecs.New(ecs.Options{Observer: "sensor-1", Zones: zonesOf(t)})
}

func zonesOf(t *testing.T) *zone.Map {
	t.Helper()
	zones, err := samples.Zones()
	if err != nil {
		t.Fatal(err)
	}
	return zones
}

// events are n events, each with an id of its own.
func events(n int) []event.Event {
	all := samples.All()
	list := make([]event.Event, 0, n)
	for i := range n {
		e := all[i%len(all)].Event
		if e.Alert != nil {
			a := *e.Alert
			a.ID = fmt.Sprintf("%s-%06d", a.ID, i)
			e.Alert = &a
		} else {
			c := *e.Change
			c.ID = fmt.Sprintf("%s-%06d", c.ID, i)
			e.Change = &c
		}
		list = append(list, e)
	}
	return list
}

// world is a receiver and what one needs to speak to it.
type world struct {
	*syslogtest.Server
	ca     *testca.CA
	client tlsconf.Settings // with a certificate
	render sinks.Renderer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ca := testca.New(t, "house authority")
	client := ca.Issue("sensor-1", testca.Options{})
	return &world{
		Server: syslogtest.Start(t, ca, ca.Issue("siem", testca.Options{})),
		ca:     ca, client: tlsconf.Settings{CA: ca.File, Cert: client.Cert, Key: client.Key},
		render: renderer(t),
	}
}

// sink makes a sink with a header that is the same on every machine.
func (w *world) sink(t *testing.T, s syslog.Config) *syslog.Sink {
	t.Helper()
	s.Hostname = "sensor-1.example"
	k, err := syslog.New(s, w.render)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// want is what the receiver must have of a batch.
func (w *world) want(t *testing.T, batch []event.Event) []string {
	t.Helper()
	var want []string
	for i := range batch {
		body, err := w.render.Event(&batch[i])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(body))
	}
	return want
}

// body is what follows the header of a message: the last one in a line, since
// a receiver that was killed leaves a torn line before its next message.
func body(m string) string {
	const before = " sensor-1.example wormscope - " // then MSGID and structured data
	fields := strings.SplitN(m[strings.LastIndex(m, before)+len(before):], " ", 3)
	return fields[len(fields)-1]
}

// bodies are what follows the header of each message.
func bodies(messages []string) []string {
	var list []string
	for _, m := range messages {
		list = append(list, body(m))
	}
	return list
}

// TestReceived delivers over everything there is and compares each byte with
// what rsyslogd has received.
func TestReceived(t *testing.T) {
	w := newWorld(t)
	trusting := tlsconf.Settings{CA: w.ca.File}
	ecsRenderer := w.render
	done := 0
	for _, c := range []struct {
		name string
		s    syslog.Config
	}{
		{"udp", syslog.Config{Address: w.UDP, Protocol: "udp"}},
		{"tcp", syslog.Config{Address: w.TCP, Protocol: "tcp"}},
		{"tcp kept open", syslog.Config{Address: w.TCP, Protocol: "tcp", KeepOpen: true}},
		{"tls", syslog.Config{Address: w.TLS, TLS: trusting}},
		{"tls kept open", syslog.Config{Address: w.TLS, TLS: trusting, KeepOpen: true}},
		{"mutual tls", syslog.Config{Address: w.Mutual, TLS: w.client}},
		{"mutual tls kept open", syslog.Config{Address: w.Mutual, TLS: w.client, KeepOpen: true}},
		{"cef over tls", syslog.Config{Address: w.TLS, TLS: trusting}},
		{"cef over udp", syslog.Config{Address: w.UDP, Protocol: "udp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.render = ecsRenderer
			if strings.HasPrefix(c.name, "cef") {
				w.render = cef.New(cef.Options{Version: "1.0.0", Sensor: "sensor-1", Zones: zonesOf(t)})
			}
			k := w.sink(t, c.s)
			batch := events(100)
			for i := range 3 {
				refused, err := k.Deliver(t.Context(), batch[i*30:(i+1)*30])
				if err != nil || len(refused) > 0 {
					t.Fatalf("%v, refused %v\n%s", err, refused, w.Log())
				}
			}
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			want := w.want(t, batch[:90])
			w.Eventually("everything is there", func() error {
				if got := len(w.Received()) - done; got < len(want) {
					return fmt.Errorf("%d of %d", got, len(want))
				}
				return nil
			})
			got := w.Received()[done:]
			done += len(got)
			if diff := cmp.Diff(want, bodies(got)); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConfirmed: without KeepOpen, what was delivered is in the receiver's
// file when Deliver returns, since it has read all before it closes.
func TestConfirmed(t *testing.T) {
	w := newWorld(t)
	k := w.sink(t, syslog.Config{Address: w.TLS, TLS: tlsconf.Settings{CA: w.ca.File}})
	batch := events(2000)
	for part := range slices.Chunk(batch, 500) {
		if _, err := k.Deliver(t.Context(), part); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := len(w.Received()), len(batch); got != want {
		t.Errorf("%d messages are there, want %d", got, want)
	}
}

// TestFailures: what goes wrong is said in words, and nothing seems to have
// arrived.
func TestFailures(t *testing.T) {
	w := newWorld(t)
	other := testca.New(t, "foreign authority")
	stranger := other.Issue("stranger", testca.Options{})
	for _, c := range []struct {
		name string
		s    syslog.Config
		want string
	}{
		{"wrong authority", syslog.Config{Address: w.TLS, TLS: tlsconf.Settings{CA: other.File}}, `signed by "CN=house authority", which is not trusted here: set tls.ca`},
		{"wrong name", syslog.Config{Address: w.TLS, TLS: tlsconf.Settings{CA: w.ca.File, ServerName: "siem.example"}}, "is for localhost, 127.0.0.1, ::1, not for siem.example"},
		{"plaintext to TLS", syslog.Config{Address: w.TLS, Protocol: "tcp"}, "TLS"},
		{"plaintext to TLS, kept open", syslog.Config{Address: w.TLS, Protocol: "tcp", KeepOpen: true}, "TLS"},
		{"TLS to plaintext", syslog.Config{Address: w.TCP, TLS: tlsconf.Settings{CA: w.ca.File}, Timeout: time.Second}, "a port that speaks no TLS"},
		{"no client certificate", syslog.Config{Address: w.Mutual, TLS: tlsconf.Settings{CA: w.ca.File}}, "client certificate"},
		{"client of another authority", syslog.Config{Address: w.Mutual, TLS: tlsconf.Settings{CA: w.ca.File, Cert: stranger.Cert, Key: stranger.Key}}, "client certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.s.Timeout == 0 {
				c.s.Timeout = 20 * time.Second
			}
			k := w.sink(t, c.s)
			batch := events(20)
			for what, err := range map[string]error{"check": k.Check(t.Context()), "deliver": second(k.Deliver(t.Context(), batch))} {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v\nwant %s", what, err, c.want)
				}
				t.Logf("%s: %v", what, err)
			}
		})
	}
	for _, m := range w.Received() {
		if strings.Contains(m, "wormscope") {
			t.Errorf("received %q", m)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestReceiverHangs stops the receiver where it is: what its kernel takes has
// not arrived, and a delivery ends in time.
func TestReceiverHangs(t *testing.T) {
	w := newWorld(t)
	k := w.sink(t, syslog.Config{Address: w.TCP, Protocol: "tcp", Timeout: time.Second})
	batch := events(50)
	deliverAll(t, k, batch[:10])
	w.Pause()
	_, err := k.Deliver(t.Context(), batch[10:])
	if err == nil || !strings.Contains(err.Error(), "its kernel took all bytes, but it did not read them and close in time") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	long := w.sink(t, syslog.Config{Address: w.TCP, Protocol: "tcp", Timeout: time.Hour})
	if _, err = long.Deliver(ctx, batch[10:]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	w.Resume()
	deliverAll(t, k, batch[10:])
	got, repeats := onceEach(w.Received())
	if diff := cmp.Diff(w.want(t, batch), got); diff != "" {
		t.Error(diff)
	}
	t.Logf("%d repeats", repeats)
}

// TestKeepOpenNoticesTheEnd: a connection that the receiver has closed between
// two batches is found closed before more is written.
func TestKeepOpenNoticesTheEnd(t *testing.T) {
	w := newWorld(t)
	k := w.sink(t, syslog.Config{Address: w.Mutual, TLS: w.client, KeepOpen: true})
	batch := events(40)
	deliverAll(t, k, batch[:20])
	w.Stop()
	<-k.Ended()
	if _, err := k.Deliver(t.Context(), batch[20:]); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("got %v", err)
	}
	w.Run()
	deliverAll(t, k, batch[20:])
	w.Eventually("everything is there", func() error {
		got, _ := onceEach(w.Received())
		if diff := cmp.Diff(w.want(t, batch), got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// TestUDPNobodyListens: all that UDP can tell.
func TestUDPNobodyListens(t *testing.T) {
	w := newWorld(t)
	w.Stop()
	k := w.sink(t, syslog.Config{Address: w.UDP, Protocol: "udp"})
	if _, err := k.Deliver(t.Context(), events(1)); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("got %v", err)
	}
	if err := k.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Errorf("got %v", err)
	}
}

// TestCheckSays a message that says it is a test.
func TestCheckSays(t *testing.T) {
	w := newWorld(t)
	k := w.sink(t, syslog.Config{Address: w.Mutual, TLS: w.client, Facility: "local7"})
	if err := k.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := w.Received()
	if len(got) != 1 || !strings.HasPrefix(got[0], "<190>1 ") || !strings.HasSuffix(got[0], " sensor-1.example wormscope - check - wormscope tests the way to this receiver; nothing was found") {
		t.Errorf("received %q", got)
	}
}

func TestTooLongIsRefused(t *testing.T) {
	w := newWorld(t)
	k := w.sink(t, syslog.Config{Address: w.TCP, Protocol: "tcp", MaxMessage: 1000})
	batch := events(30)
	refused, err := k.Deliver(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if len(refused) == 0 || len(refused) == len(batch) || len(w.Received())+len(refused) != len(batch) {
		t.Errorf("%d refused, %d received of %d", len(refused), len(w.Received()), len(batch))
	}
	for _, r := range refused {
		if len(r.Body) < 900 || !strings.Contains(r.Err.Error(), "more than the 1000 that are allowed: raise max_message") {
			t.Errorf("%s: %v", r.Event.ID(), r.Err)
		}
	}
}
