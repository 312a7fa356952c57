package syslog_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/internal/samples"
	"wormscope/internal/testnet"
	"wormscope/ioc"
	"wormscope/scope"
	"wormscope/sinks"
	"wormscope/sinks/ecs"
	"wormscope/sinks/eve"
	"wormscope/sinks/event"
	"wormscope/sinks/ocsf"
	"wormscope/sinks/syslog"
)

// longEvents are events in which strangers made everything as long as it gets:
// the host the names, the answer the addresses, the feed the rest.
func longEvents() []event.Event {
	name := strings.TrimSuffix(strings.Repeat(strings.Repeat(`\200`, 63)+".", 4), ".") // 255 bytes on the wire
	var addresses []netip.Addr
	for i := range 64 {
		addresses = append(addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8:aaaa:bbbb:cccc:dddd:eeee:%x", 0x1000+i)))
	}
	lookup := samples.Alert(alert.Alert{
		Rule: alert.RuleDomain, Severity: alert.Critical, Proto: 17,
		Orig: netip.MustParseAddrPort("10.1.0.14:50000"), Resp: netip.MustParseAddrPort("10.3.0.53:53"),
		Indicator: &ioc.Indicator{
			Type: ioc.Domain, Value: "evil.example.org", Feed: "feed", AlsoIn: strings.Fields(strings.Repeat("another ", 100)),
			Description: strings.Repeat("comment ", 1000), Reference: "https://example.org/" + strings.Repeat("report", 300),
		},
		Evidence: alert.Evidence{DNS: &alert.DNS{
			Question: name, Type: "A", Matched: name + ".evil.example.org", ResponseCode: "NOERROR", Resolved: addresses, Listed: addresses,
		}},
	})
	change := event.OfChange(&scope.Change{
		ID: "1", Host: netip.MustParseAddr("10.1.0.14"), Zone: "office", From: scope.Seen, To: scope.Infected,
		Why: "asked for the name " + strings.Repeat(name, 3), Time: samples.Start(),
	}, nil)
	return []event.Event{lookup, change}
}

// TestLongIsShortened: nobody hides an alert by the length of a name or comment.
func TestLongIsShortened(t *testing.T) {
	w := newWorld(t)
	zones := zonesOf(t)
	for name, r := range map[string]sinks.Renderer{
		"ecs": ecs.New(ecs.Options{Zones: zones}), "ocsf": ocsf.New(ocsf.Options{Zones: zones}), "eve": eve.New(eve.Options{Zones: zones}),
	} {
		k, err := syslog.New(syslog.Config{Address: w.TCP, Protocol: "tcp"}, r)
		if err != nil {
			t.Fatal(err)
		}
		before := len(w.Received())
		long := longEvents()
		refused, err := k.Deliver(t.Context(), long)
		if err != nil || len(refused) > 0 {
			t.Fatalf("%s: %d refused, %v", name, len(refused), err)
		}
		got := w.Received()[before:]
		if len(got) != len(long) {
			t.Fatalf("%s: %d received", name, len(got))
		}
		for i := range long {
			if !strings.Contains(got[i], long[i].ID()) || len(got[i]) > 8192 {
				t.Errorf("%s: %d bytes: %s", name, len(got[i]), got[i])
			}
		}
		if a := long[0].Alert; len(a.Evidence.DNS.Resolved) != 64 || a.Indicator.Description == "" {
			t.Errorf("%s: the event itself was changed", name)
		}
	}
}

// TestUDPSaysLater: that nobody listens is noticed of one message alone, and what
// was sent to nobody before is sent again.
func TestUDPSaysLater(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", testnet.FreePorts(t, 1)[0])
	receiver, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	k, err := syslog.New(syslog.Config{Address: address, Protocol: "udp"}, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	batch := events(2)
	if _, err = k.Deliver(t.Context(), batch[:1]); err != nil {
		t.Fatal(err)
	}
	if err = receiver.Close(); err != nil { // with what it has not read
		t.Fatal(err)
	}
	if _, err = k.Deliver(t.Context(), batch[1:]); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Fatalf("sent to nobody: %v", err)
	}
	if receiver, err = net.ListenPacket("udp", address); err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	if _, err = k.Deliver(t.Context(), batch[1:]); err != nil {
		t.Fatal(err)
	}
	if err = receiver.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 65536)
	for i := range batch {
		n, _, err := receiver.ReadFrom(message)
		if err != nil || !strings.Contains(string(message[:n]), batch[i].ID()) {
			t.Errorf("message %d: %s, %v", i, message[:n], err)
		}
	}
}

// TestReceiverLosesABatch: a receiver may die after it has read a batch, however
// large, and before it has stored any of it. All of it is sent again, and what
// is said of the end of the connection does not blame TLS.
func TestReceiverLosesABatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	read := make(chan []byte, 3)
	go func() {
		for i := range 3 {
			conn, failed := l.Accept()
			if failed != nil {
				return
			}
			if i == 1 {
				_ = conn.(*net.TCPConn).SetLinger(0) // a reset
				_ = conn.Close()
				continue
			}
			text, _ := io.ReadAll(conn)
			_ = conn.Close()
			read <- text
		}
	}()
	k, err := syslog.New(syslog.Config{Address: l.Addr().String(), Protocol: "tcp"}, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	lost, next := events(2048), events(2049)[2048:]
	if _, err = k.Deliver(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if n := len(<-read); n < 2<<20 {
		t.Fatalf("a batch of %d bytes is too small to show anything", n)
	}
	if _, err = k.Deliver(t.Context(), next); err == nil || !strings.Contains(err.Error(), "it stopped") || strings.Contains(err.Error(), "TLS") {
		t.Errorf("of a connection that was reset: %v", err)
	}
	if _, err = k.Deliver(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	again := string(<-read)
	for _, e := range append(lost, next...) { // in order
		var found bool
		if _, again, found = strings.Cut(again, e.ID()); !found {
			t.Fatalf("event %s is lost", e.ID())
		}
	}
}

// TestReceiverLosesWhatItsKernelHeld: with keep_open a batch has arrived when the
// receiver's kernel has it, which takes megabytes before the process has read any.
// When the process dies then, all of that is sent again.
func TestReceiverLosesWhatItsKernelHeld(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	die, dead := make(chan struct{}), make(chan struct{})
	read := make(chan []byte, 1)
	go func() {
		conn, failed := l.Accept()
		if failed != nil {
			return
		}
		go func() { // as a kernel that takes all
			_, _ = io.Copy(io.Discard, conn)
		}()
		<-die
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
		close(dead)
		if conn, failed = l.Accept(); failed != nil {
			return
		}
		text, _ := io.ReadAll(conn)
		_ = conn.Close()
		read <- text
	}()
	k, err := syslog.New(syslog.Config{Address: l.Addr().String(), Protocol: "tcp", KeepOpen: true}, renderer(t))
	if err != nil {
		t.Fatal(err)
	}
	all := events(4600)
	for batch := range slices.Chunk(all[:4500], 100) {
		if _, err = k.Deliver(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	close(die)
	<-dead
	deliverAll(t, k, all[4500:])
	if err = k.Close(); err != nil {
		t.Fatal(err)
	}
	again := string(<-read)
	if len(again) < 6<<20 {
		t.Errorf("%d bytes are fewer than a kernel holds", len(again))
	}
	for _, e := range all { // in order
		var found bool
		if _, again, found = strings.Cut(again, e.ID()); !found {
			t.Fatalf("event %s is lost", e.ID())
		}
	}
}
