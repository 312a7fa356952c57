package smb

import (
	"fmt"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// found lists what a conversation raises: alerts at their start, and facts
// but assets.
func found(packets []packet.Packet) []string {
	rec := run(packets)
	var all []string
	for _, a := range rec.alerts {
		s := a.Evidence.SMB
		if a.Phase != alert.PhaseEnd {
			continue
		}
		text := fmt.Sprintf("%s %s", a.Rule, a.Name)
		switch {
		case s.Check != nil:
			text += " " + string(s.Check.Patch)
		case s.Exploit != nil:
			text += " " + string(s.Exploit.Outcome)
		case s.Implant != nil:
			text += fmt.Sprintf(" %s %s %s execs=%d", s.Implant.State, s.Implant.Operation, s.Implant.Result, s.Implant.Execs)
		}
		if s.OneWay {
			text += " one-way"
		}
		all = append(all, text)
	}
	for _, f := range rec.facts {
		if f.Kind != alert.FactAsset && f.Kind != alert.FactTargeted {
			all = append(all, fmt.Sprintf("%s %v %s", f.Kind, f.Host, f.Detail))
		}
	}
	slices.Sort(all)
	return all
}

const (
	clientIP = "10.1.0.7"
	serverIP = "10.1.0.9"

	ping = 0x00458658 // a Timeout that means ping
	exec = 0x001A8925
	kill = 0x00000077
)

// implantReply is an implant's reply: the MID is larger by result.
func implantSays(mid, result uint16, signature uint32) []byte {
	return message{command: 0x32, mid: mid + result, status: 0xC0000002, reply: true, signature: signature, machine: 1}.encode()
}

// TestConversations plays SMB messages and compares the alerts and facts.
func TestConversations(t *testing.T) {
	converse(t, []conversation{
		{
			"vulnerable", func(t *talk) { t.ask(pipe(7, 0x23, 0)); t.tell(fail(0x25, 7, 0xC0000205)) },
			[]string{"ms17-010-check  vulnerable", "vulnerable " + serverIP + " check"},
		},
		{
			"patched", func(t *talk) { t.ask(pipe(7, 0x23, 0)); t.tell(fail(0x25, 7, 0xC0000008)) },
			[]string{"ms17-010-check  patched", "patched " + serverIP + " check"},
		},
		{
			"patched, one setup word", func(t *talk) { t.ask(pipe(7, 0x23)); t.tell(fail(0x25, 7, 0xC0000022)) },
			[]string{"ms17-010-check  patched", "patched " + serverIP + " check"},
		},
		{"DOS error", func(t *talk) {
			t.ask(pipe(7, 0x23, 0))
			t.tell(message{command: 0x25, mid: 7, status: 0xC0000205, dos: true, reply: true}.encode())
		}, []string{"ms17-010-check  unknown", "unknown " + serverIP + " check"}},
		{
			"no reply", func(t *talk) { t.tell(fail(0x73, 6, 0)); t.ask(pipe(7, 0x23, 0)) },
			[]string{"ms17-010-check  unknown", "unknown " + serverIP + " check"},
		},
		{
			"reply to another request", func(t *talk) {
				t.ask(pipe(7, 0x23, 0))
				t.ask(pipe(8, 0x26, 0x4000))
				t.tell(fail(0x25, 8, 0xC0000205))
			},
			[]string{"ms17-010-check  unknown", "unknown " + serverIP + " check"},
		},
		{"a pipe that is open", func(t *talk) { t.ask(pipe(7, 0x23, 0x4000)); t.tell(fail(0x25, 7, 0xC0000205)) }, nil},
		{"a pipe that is open, as the server's first file", func(t *talk) {
			t.ask(pipeFor(7, 6, 0xFFFF, 0x23, 0))
			t.tell(message{command: 0x25, mid: 7, reply: true, words: make([]byte, 20)}.encode())
		}, nil},
		{"for less than tells", func(t *talk) { t.ask(pipeFor(7, 6, 1024, 0x23, 0)); t.tell(fail(0x25, 7, 0xC0000008)) }, nil},
		{
			"vulnerable, one setup word, for just enough", func(t *talk) { t.ask(pipeFor(7, 0xFFFF, 0x800, 0x23)); t.tell(fail(0x25, 7, 0xC0000205)) },
			[]string{"ms17-010-check  vulnerable", "vulnerable " + serverIP + " check"},
		},
		{"another pipe request", func(t *talk) { t.ask(pipe(7, 0x26, 0x4000)); t.tell(fail(0x25, 7, 0xC0000008)) }, nil},
		{"a server's own request", func(t *talk) { t.tell(pipe(7, 0x23, 0)) }, nil},
		{"patched since", func(t *talk) {
			t.ask(pipe(7, 0x23, 0))
			t.tell(fail(0x25, 7, 0xC0000205))
			t.ask(pipe(8, 0x23, 0))
			t.tell(fail(0x25, 8, 0xC0000008))
		}, []string{"ms17-010-check  patched", "patched " + serverIP + " check", "vulnerable " + serverIP + " check"}},

		{
			"clean", func(t *talk) { t.ask(order(65, ping)); t.tell(fail(0x32, 65, 0xC0000002)) },
			[]string{"doublepulsar probed clean ping  execs=0", "not-implanted " + serverIP + " ping"},
		},
		{
			"refused", func(t *talk) { t.ask(order(65, ping)); t.tell(fail(0x32, 65, 0xC0000022)) },
			[]string{"doublepulsar probed probed ping  execs=0", "implant-probed " + serverIP + " ping"},
		},
		{"other setup word", func(t *talk) { t.ask(trans(0x32, 65, ping, 0, 0, 5)); t.tell(fail(0x32, 65, 0xC0000002)) }, nil},
		{"no order", func(t *talk) { t.ask(order(65, 0)); t.tell(fail(0x32, 65, 0xC0000002)) }, nil},
		{
			"other MID", func(t *talk) { t.ask(order(1000, ping)); t.tell(implantSays(1000, 0x10, 0x50)) },
			[]string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"},
		},
		{"bad parameters", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
			t.ask(order(66, exec))
			t.tell(implantSays(66, 0x20, 0))
		}, []string{
			"doublepulsar implanted implanted exec bad-parameters execs=0", "implanted " + serverIP + " 0x500000a0 x64",
			"implanted " + serverIP + " 0x500000a0 x64", "wannacry-mark " + clientIP + " exec-timeout",
		}},
		{"executed", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
			for range 3 {
				t.ask(order(66, 0xC8))
				t.tell(implantSays(66, 0x10, 0))
			}
		}, []string{"doublepulsar implanted implanted exec ok execs=3", "implant-executed " + serverIP + " ", "implanted " + serverIP + " 0x500000a0 x64"}},
		{"ordinary Trans2 that fails at an implanted host", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
			t.ask(trans(0x32, 66, 0, 0, 0, 0x10))
			t.tell(fail(0x32, 66, 0xC0000002))
		}, []string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"}},
		{"executed, its request not in the capture", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
			t.ask(trans(0x32, 82, 0, 0, 0, 0x10))
			t.tell(message{command: 0x32, mid: 82, reply: true, words: make([]byte, 20)}.encode())
			t.tell(implantSays(66, 0x10, 0))
			t.tell(implantSays(66, 0x10, 0))
		}, []string{"doublepulsar implanted implanted exec ok execs=2", "implant-executed " + serverIP + " ", "implanted " + serverIP + " 0x500000a0 x64"}},
		{"killed", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
			t.ask(order(66, kill))
			t.tell(implantSays(66, 0x10, 0))
		}, []string{
			"doublepulsar implanted killed kill ok execs=0", "implant-killed " + serverIP + " 0x500000a0 x64",
			"implanted " + serverIP + " 0x500000a0 x64", "implanted " + serverIP + " 0x500000a0 x64",
		}},

		{
			"EternalBlue", func(t *talk) { t.ask(ntTrans(64, 0, 65558, 900)); t.ask(secondary(0x33, 64, 4000)) },
			[]string{"exploit-attempted " + serverIP + " EternalBlue", "exploit-sent " + clientIP + " EternalBlue", "smb-exploit EternalBlue attempted"},
		},
		{"EternalBlue, completed", func(t *talk) {
			t.ask(ntTrans(64, 0, 65558, 900))
			t.tell(fail(0xA0, 64, 0))
			t.ask(secondary(0x33, 64, 4000))
			t.tell(fail(0x32, 64, 0xC000000D))
			t.tell(fail(0x32, 64, 0xC000000D)) // no second one
		}, []string{
			"exploit-attempted " + serverIP + " EternalBlue", "exploit-completed " + serverIP + " EternalBlue",
			"exploit-sent " + clientIP + " EternalBlue", "smb-exploit EternalBlue attempted", "smb-exploit EternalBlue completed",
		}},
		{"EternalBlue, completed behind a reset", func(t *talk) {
			t.ask(ntTrans(64, 0, 65558, 900))
			t.ask(secondary(0x33, 64, 4000))
			t.send(0, packet.RST, nil)
			t.tell(fail(0x32, 64, 0xC000000D))
		}, []string{
			"exploit-attempted " + serverIP + " EternalBlue", "exploit-completed " + serverIP + " EternalBlue",
			"exploit-sent " + clientIP + " EternalBlue", "smb-exploit EternalBlue attempted", "smb-exploit EternalBlue completed",
		}},
		{"EternalBlue, its requests not in the capture", func(t *talk) {
			t.ask(trans(0x32, 3, 0, 0, 0, 5))
			t.ask(ntTrans(64, 0, 65558, 900))
			t.lose()
			t.tell(fail(0xA0, 64, 0))
			t.ask(secondary(0x33, 64, 4000))
			t.lose()
			t.tell(fail(0x32, 64, 0xC000000D))
			t.ask(trans(0x32, 4, 0, 0, 0, 5))
		}, []string{
			"exploit-attempted " + serverIP + " EternalBlue", "exploit-completed " + serverIP + " EternalBlue",
			"exploit-sent " + clientIP + " EternalBlue", "smb-exploit EternalBlue attempted one-way", "smb-exploit EternalBlue completed one-way",
		}},
		{"the MID of an NT_TRANS used again", func(t *talk) {
			t.ask(ntTrans(64, 3, 20_000, 900))
			t.tell(fail(0xA0, 64, 0))
			t.ask(secondary(0xA1, 64, 19_100))
			t.tell(message{command: 0xA0, mid: 64, reply: true, words: make([]byte, 36)}.encode())
			t.ask(trans(0x32, 64, 0, 0, 0, 5))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, nil},
		{"the MID of a large NT_TRANS used again", func(t *talk) {
			t.ask(ntTrans(64, 2, 70_000, 900))
			t.tell(fail(0xA0, 64, 0))
			t.ask(secondary(0xA1, 64, 60_000))
			t.tell(message{command: 0xA0, mid: 64, reply: true, words: make([]byte, 36)}.encode())
			t.ask(trans(0x32, 64, 0, 0, 0, 5))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, nil},
		{"EternalBlue behind the answer to its NT_TRANS", func(t *talk) {
			t.ask(ntTrans(64, 2, 70_000, 900))
			t.tell(fail(0xA0, 64, 0xC0000022))
			t.ask(secondary(0x33, 64, 4000))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, []string{
			"exploit-attempted " + serverIP + " EternalBlue", "exploit-completed " + serverIP + " EternalBlue",
			"exploit-sent " + clientIP + " EternalBlue", "smb-exploit EternalBlue attempted", "smb-exploit EternalBlue completed",
		}},
		{"NT_TRANS that is no larger", func(t *talk) { t.ask(ntTrans(64, 0, 65535, 900)); t.ask(secondary(0x33, 64, 4000)) }, nil},
		{"large NT_TRANS alone", func(t *talk) { t.ask(ntTrans(64, 0, 65558, 900)); t.ask(secondary(0xA1, 64, 4000)) }, nil},
		{"an ordinary error of Trans2", func(t *talk) { t.ask(trans(0x32, 3, 0, 0, 0, 5)); t.tell(fail(0x32, 3, 0xC000000D)) }, nil},

		{
			"EternalRomance", func(t *talk) { t.ask(trans(0x25, 0x4000, 0, 5000, 100)); t.ask(write(0x4000, 0x4000)) },
			[]string{"exploit-attempted " + serverIP + " EternalRomance", "exploit-sent " + clientIP + " EternalRomance", "smb-exploit EternalRomance attempted"},
		},
		{"write to another file during a transaction", func(t *talk) { t.ask(ntTrans(64, 3, 9000, 900)); t.ask(write(65, 0x4007)) }, nil},
		{"write after the transaction", func(t *talk) {
			t.ask(trans(0x25, 7, 0, 5000, 100))
			t.tell(fail(0x25, 7, 0))
			t.ask(secondary(0x26, 7, 4900))
			t.ask(write(8, 0x4000))
		}, nil},
		{"write after its reply", func(t *talk) {
			t.ask(trans(0x25, 7, 0, 5000, 100))
			t.tell(message{command: 0x25, mid: 7, reply: true, words: make([]byte, 20)}.encode())
			t.ask(write(8, 0x4000))
		}, nil},
		{
			"EternalChampion", func(t *talk) { t.ask(ntTrans(64, 5, 440, 440)); t.ask(secondary(0xA1, 64, 264)) },
			[]string{"exploit-attempted " + serverIP + " EternalChampion", "exploit-sent " + clientIP + " EternalChampion", "smb-exploit EternalChampion attempted"},
		},
		{"other NT_TRANS", func(t *talk) { t.ask(ntTrans(64, 2, 440, 400)); t.ask(secondary(0xA1, 64, 40)) }, nil},
		{
			"SMBGhost", func(t *talk) { t.ask(compressed(0xFFFFFFFF, 0x10)) },
			[]string{"exploit-attempted " + serverIP + " SMBGhost", "exploit-sent " + clientIP + " SMBGhost", "smb-exploit SMBGhost attempted"},
		},
		{
			"SMBGhost by a server", func(t *talk) { t.tell(compressed(0xFFFFFFFF, 0x10)) },
			[]string{"exploit-attempted " + clientIP + " SMBGhost", "exploit-sent " + serverIP + " SMBGhost", "smb-exploit SMBGhost attempted"},
		},
		{"compressed", func(t *talk) { t.ask(compressed(4096, 0x10)) }, nil},
	})
}

// TestOneWay: a tap that sees only one direction tells what it can, and says so.
func TestOneWay(t *testing.T) {
	outbreak := func(k *talk) {
		k.ask(pipe(7, 0x23, 0))
		k.tell(fail(0x25, 7, 0xC0000205))
		k.ask(ntTrans(64, 0, 66512, 900))
		k.tell(fail(0xA0, 64, 0))
		k.ask(secondary(0x33, 64, 4000))
		k.tell(fail(0x32, 64, 0xC000000D))
		k.ask(order(65, ping))
		k.tell(implantSays(65, 0x10, 0x50))
		for range 2 * payloadParts {
			k.ask(order(66, 0xC8))
			k.tell(implantSays(66, 0x10, 0))
		}
	}
	for _, c := range []struct {
		only int
		want []string
	}{
		{1, []string{
			"doublepulsar implanted implanted exec  execs=100 one-way", "doublepulsar probed probed exec  execs=0",
			"exploit-attempted " + serverIP + " EternalBlue", "exploit-sent " + clientIP + " EternalBlue",
			"implant-probed " + serverIP + " exec", "implant-probed " + serverIP + " ping", "ms17-010-check  unknown one-way",
			"payload-delivered " + serverIP + " 100 messages, replies not seen", "smb-exploit EternalBlue attempted", "unknown " + serverIP + " check",
		}},
		{2, []string{
			"doublepulsar implanted implanted exec ok execs=200 one-way", "exploit-attempted " + serverIP + " EternalBlue",
			"exploit-completed " + serverIP + " EternalBlue", "exploit-sent " + clientIP + " EternalBlue", "implant-executed " + serverIP + " ",
			"implanted " + serverIP + " 0x500000a0 x64", "ms17-010-check  vulnerable one-way", "payload-delivered " + serverIP + " ",
			"smb-exploit EternalBlue attempted one-way", "smb-exploit EternalBlue completed one-way", "vulnerable " + serverIP + " check",
		}},
	} {
		k := newTalk(2000)
		k.only = c.only
		outbreak(k)
		slices.Sort(c.want)
		if have := found(k.packets); !slices.Equal(have, c.want) {
			t.Errorf("only %d: have %q\nwant %q", c.only, have, c.want)
		}
	}
}

// TestAnswerBeforeLoss: where a lost segment holds the client's messages back
// until after the server's answer, one attack is told, and of both directions.
func TestAnswerBeforeLoss(t *testing.T) {
	k := newTalk(2000).open()
	k.ask(pipe(7, 0x26, 0x4000))
	k.ask(pipe(8, 0x26, 0x4000))
	k.lose()
	k.ask(trans(0x32, 64, 0, 0, 0, 5))
	k.tell(message{command: 0x32, mid: 64, reply: true, words: make([]byte, 20)}.encode())
	k.ask(ntTrans(64, 0, 65558, 900))
	k.tell(fail(0xA0, 64, 0))
	k.ask(secondary(0x33, 64, 4000))
	k.tell(fail(0x32, 64, 0xC000000D))
	want := []string{
		"exploit-attempted " + serverIP + " EternalBlue", "exploit-completed " + serverIP + " EternalBlue",
		"exploit-sent " + clientIP + " EternalBlue", "smb-exploit EternalBlue attempted", "smb-exploit EternalBlue completed",
	}
	if have := found(k.packets); !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

// TestUnansweredInTime: a check without a reply is told after a while, not
// only at the end.
func TestUnansweredInTime(t *testing.T) {
	k := newTalk(2000).open()
	k.ask(pipe(7, 0x23, 0))
	rec := &recorder{}
	d := New(rec, Config{})
	for i := range k.packets {
		d.Packet(&k.packets[i])
	}
	d.Tick(k.now + replyWait/2)
	if len(rec.alerts) != 0 {
		t.Fatal("told too early")
	}
	d.Tick(k.now + replyWait + 1)
	if len(rec.alerts) != 1 || rec.alerts[0].Evidence.SMB.Check.Answered {
		t.Fatalf("%d alerts, want the check without an answer", len(rec.alerts))
	}
	d.Tick(k.now + idleAfter + replyWait)
	if len(rec.alerts) != 2 || rec.alerts[1].Phase != alert.PhaseEnd || rec.alerts[1].ID != rec.alerts[0].ID {
		t.Fatal("the alert is not ended when it grows no more")
	}
}

// TestUnansweredAtTheEnd: it is told when the capture ends, of whatever time that is.
func TestUnansweredAtTheEnd(t *testing.T) {
	for _, now := range []int64{-1_495_000_000e9, 0, 1_495_000_000e9, 6_000_000_000e9, 9_000_000_000e9} {
		k := newTalk(2000)
		k.now = now
		k.open().ask(pipe(7, 0x23, 0))
		if rec := run(k.packets); len(rec.alerts) != 2 || rec.alerts[0].Evidence.SMB.Check.Answered {
			t.Errorf("at %d: %d alerts, want the check without an answer, and its end", now, len(rec.alerts))
		}
	}
}

// TestSamba: Samba never had the flaw.
func TestSamba(t *testing.T) {
	k := newTalk(2000).open()
	k.tell(message{command: 0x73, mid: 1, reply: true, ascii: true, words: []byte{0xFF, 0, 0, 0, 0, 0}, bytes: []byte("Windows 6.1\x00Samba 4.17.12-Debian\x00WORKGROUP\x00")}.encode())
	k.ask(pipe(7, 0x23, 0))
	k.tell(fail(0x25, 7, 0xC0000008))
	rec := run(k.packets)
	if c := rec.alerts[0].Evidence.SMB.Check; c.Patch != alert.PatchPatched || !c.Samba {
		t.Errorf("the check found %+v, want a Samba that is patched", *c)
	}
	a := rec.lastAsset(serverIP)
	if a.Product.Value != "Samba" || a.OutOfSupport || !a.Samba || !a.SMB1 {
		t.Errorf("the server is %+v, want a Samba with SMB1 that is in support", a)
	}
}
