package smb

import (
	"slices"
	"testing"
)

// short is how many bytes of a message a snapshot length of 96 leaves: all of
// a reply without words, and too few of a request to tell what it asks.
const short = 38

// payload has the implant run n messages, which all have one MID.
func payload(t *talk, mid uint16, n int) {
	for range n {
		t.ask(order(mid, 0xC8))
		t.tell(implantSays(mid, 0x10, 0))
	}
}

// TestCheckNotSeen: a vulnerable server's reply counts when its request is
// lost, or cut, and no longer when that is known to be another one.
func TestCheckNotSeen(t *testing.T) {
	vulnerable := []string{"ms17-010-check  vulnerable one-way", "vulnerable " + serverIP + " check"}
	converse(t, []conversation{
		{"lost", func(t *talk) {
			t.ask(trans(0x32, 3, 0, 0, 0, 5))
			t.ask(pipe(7, 0x23, 0))
			t.lose()
			t.tell(fail(0x25, 7, 0xC0000205))
		}, vulnerable},
		{"cut", func(t *talk) { t.askCut(pipe(7, 0x23, 0), short); t.tell(fail(0x25, 7, 0xC0000205)) }, vulnerable},
		{"cut before its FID", func(t *talk) { t.askCut(pipe(7, 0x23, 0x4000), 63); t.tell(fail(0x25, 7, 0xC0000008)) }, nil},
		{"cut, with the MID of one that was not answered", func(t *talk) {
			t.ask(pipe(7, 0x26, 0x4000))
			t.askCut(pipe(7, 0x23, 0), short)
			t.tell(fail(0x25, 7, 0xC0000205))
		}, vulnerable},
		{"another", func(t *talk) { t.ask(pipe(7, 0x26, 0x4000)); t.tell(fail(0x25, 7, 0xC0000205)) }, nil},
		{"another, behind its reply", func(t *talk) { t.tell(fail(0x25, 7, 0xC0000205)); t.ask(pipe(7, 0x26, 0x4000)) }, nil},
		{"patched", func(t *talk) { t.askCut(pipe(7, 0x23, 0), short); t.tell(fail(0x25, 7, 0xC0000008)) }, nil},
	})
}

// TestServerNotSeen: that no reply to a check is seen says nothing of a server
// of which nothing is.
func TestServerNotSeen(t *testing.T) {
	k := newTalk(2000)
	k.ask(pipe(7, 0x23, 0))
	want := []string{"ms17-010-check  unknown one-way", "unknown " + serverIP + " check"}
	if have := found(k.packets); !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

// TestLateReplies: a reply counts even if nothing waits for it.
func TestLateReplies(t *testing.T) {
	late := func(t *talk) {
		t.now += replyWait + 1e9
		t.send(0, 0, nil) // so that time passes
		t.now += 3e9
	}
	converse(t, []conversation{
		{"check", func(t *talk) {
			t.tell(fail(0x73, 6, 0))
			t.ask(pipe(7, 0x23, 0))
			late(t)
			t.tell(fail(0x25, 7, 0xC0000205))
		}, []string{"ms17-010-check  vulnerable", "unknown " + serverIP + " check", "vulnerable " + serverIP + " check"}},
		{"ping", func(t *talk) {
			t.ask(order(65, ping))
			late(t)
			t.tell(implantSays(65, 0x10, 0x50))
		}, []string{
			"doublepulsar implanted implanted ping ok execs=0", "doublepulsar probed probed ping  execs=0",
			"implant-probed " + serverIP + " ping", "implanted " + serverIP + " 0x500000a0 x64",
		}},
	})
}

// TestTwoProcesses: a reply is its process's, though another one's request has
// the same MID.
func TestTwoProcesses(t *testing.T) {
	other := message{command: 0x25, mid: 7, pid: 9, words: make([]byte, 28)}
	denied := message{command: 0x25, mid: 7, pid: 9, status: 0xC0000022, reply: true}
	vulnerable := []string{"ms17-010-check  vulnerable", "vulnerable " + serverIP + " check"}
	converse(t, []conversation{
		{"check and another", func(t *talk) {
			t.ask(other.encode())
			t.ask(pipe(7, 0x23, 0))
			t.tell(denied.encode())
			t.tell(fail(0x25, 7, 0xC0000205))
		}, vulnerable},
		{"the other one is cut", func(t *talk) {
			t.askCut(other.encode(), short)
			t.ask(pipe(7, 0x23, 0))
			t.tell(denied.encode())
			t.tell(fail(0x25, 7, 0xC0000205))
		}, vulnerable},
	})
}

// TestTrans2ThatFails: what a server does not implement it says as often as it
// is asked, with one MID where the client has one. It is no implant.
func TestTrans2ThatFails(t *testing.T) {
	many := func(do func(*talk)) func(*talk) {
		return func(t *talk) {
			for range payloadParts + 1 {
				do(t)
			}
		}
	}
	ordinary, fails := trans(0x32, 64, 0, 0, 0, 5), fail(0x32, 64, 0xC0000002)
	converse(t, []conversation{
		{"requests seen", many(func(t *talk) { t.ask(ordinary); t.tell(fails) }), nil},
		{"requests cut", many(func(t *talk) { t.askCut(ordinary, short); t.tell(fails) }), nil},
		{"requests behind the replies", many(func(t *talk) { t.tell(fails); t.ask(ordinary) }), nil},
		{"requests not seen", many(func(t *talk) { t.tell(fails) }), nil},
		{"requests cut, of a host that is implanted", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
			t.askCut(ordinary, short)
			t.tell(fails)
		}, []string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"}},
		{"requests behind the replies, of a host that is implanted", func(t *talk) {
			t.tell(fails)
			t.ask(ordinary)
			t.ask(order(65, ping))
			t.tell(implantSays(65, 0x10, 0x50))
		}, []string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"}},
		{"behind a ping", func(t *talk) {
			t.ask(order(64, ping))
			t.ask(trans(0x32, 80, 0, 0, 0, 5))
			t.tell(fail(0x32, 80, 0xC0000002))
		}, []string{"doublepulsar probed probed ping  execs=0", "implant-probed " + serverIP + " ping"}},
		{"behind a ping, not seen", func(t *talk) {
			t.ask(order(64, ping))
			t.tell(fail(0x32, 80, 0xC0000002))
		}, []string{"doublepulsar probed probed ping  execs=0", "implant-probed " + serverIP + " ping"}},
		{"behind a ping, with its MID", func(t *talk) {
			t.ask(order(64, ping))
			t.ask(ordinary)
			t.tell(fails)
		}, []string{"doublepulsar probed probed ping  execs=0", "implant-probed " + serverIP + " ping"}},
		{"a ping behind one that was not answered", func(t *talk) {
			t.ask(ordinary)
			t.ask(order(64, ping))
			t.tell(fails)
		}, []string{"doublepulsar probed clean ping  execs=0", "not-implanted " + serverIP + " ping"}},
	})
}

// TestPayloadNotAsked: where only replies are seen, a payload is one whatever
// MID its messages have, and however long after the ping they come.
func TestPayloadNotAsked(t *testing.T) {
	want := []string{
		"doublepulsar implanted implanted exec ok execs=150 one-way", "implant-executed " + serverIP + " ",
		"implanted " + serverIP + " 0x500000a0 x64", "payload-delivered " + serverIP + " ",
	}
	for _, mid := range []uint16{65, 66} {
		for _, wait := range []int64{0, 2 * earlyWait} {
			k := newTalk(2000)
			k.only = 2
			k.ask(order(65, ping))
			k.tell(implantSays(65, 0x10, 0x50))
			k.now += wait
			k.send(1, 0, nil) // so that time passes
			k.now += 2e9
			payload(k, mid, 150)
			if have := found(k.packets); !slices.Equal(have, want) {
				t.Errorf("MID %d after %d ns: have %q\nwant %q", mid, wait, have, want)
			}
		}
	}
}

// TestRepliesBeforeRequests: what an implant answers is the answer to what was
// asked, though a span port gives the answer first.
func TestRepliesBeforeRequests(t *testing.T) {
	const here = "implanted " + serverIP + " 0x500000a0 x64"
	known := func(t *talk) { t.ask(order(65, ping)); t.tell(implantSays(65, 0x10, 0x50)) }
	converse(t, []conversation{
		{"kill", func(t *talk) {
			known(t)
			t.tell(implantSays(66, 0x10, 0))
			t.ask(order(66, kill))
		}, []string{here, here, "doublepulsar implanted killed kill ok execs=0", "implant-killed " + serverIP + " 0x500000a0 x64"}},
		{"ping", func(t *talk) {
			known(t)
			t.tell(implantSays(66, 0x10, 0x50))
			t.ask(order(66, ping))
		}, []string{here, here, "doublepulsar implanted implanted ping ok execs=0"}},
		{"ping and kill", func(t *talk) {
			t.tell(implantSays(65, 0x10, 0x50))
			t.tell(implantSays(66, 0x10, 0))
			t.ask(order(65, ping))
			t.ask(order(66, kill))
		}, []string{here, here, "doublepulsar implanted killed kill ok execs=0", "implant-killed " + serverIP + " 0x500000a0 x64"}},
		{"ordinary Trans2 that fails", func(t *talk) {
			known(t)
			t.tell(fail(0x32, 70, 0xC0000002))
			t.ask(trans(0x32, 70, 0, 0, 0, 5))
		}, []string{here, "doublepulsar implanted implanted ping ok execs=0"}},
		{"exec", func(t *talk) {
			known(t)
			for range 3 {
				t.tell(implantSays(66, 0x10, 0))
				t.ask(order(66, 0xC8))
			}
		}, []string{here, "doublepulsar implanted implanted exec ok execs=3", "implant-executed " + serverIP + " "}},
		{"exec, many at a time", func(t *talk) {
			known(t)
			for range payloadParts {
				t.tell(implantSays(66, 0x10, 0))
			}
			for range payloadParts {
				t.ask(order(66, 0xC8))
			}
		}, []string{
			here, "doublepulsar implanted implanted exec ok execs=100",
			"implant-executed " + serverIP + " ", "payload-delivered " + serverIP + " ",
		}},
	})
}

// TestOrderNotSeen: a single reply of an implant to what is not in the capture
// may be to a kill, by those who clean up, as well as to a program.
func TestOrderNotSeen(t *testing.T) {
	for _, c := range []struct {
		only int
		want []string
	}{
		{0, []string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"}},
		{2, []string{"doublepulsar implanted implanted ping ok execs=0 one-way", "implanted " + serverIP + " 0x500000a0 x64"}},
	} {
		k := newTalk(2000)
		k.only = c.only
		k.ask(order(65, ping))
		k.tell(implantSays(65, 0x10, 0x50))
		k.ask(order(66, kill))
		if c.only == 0 {
			k.lose()
		}
		k.tell(implantSays(66, 0x10, 0))
		if have := found(k.packets); !slices.Equal(have, c.want) {
			t.Errorf("only %d: have %q\nwant %q", c.only, have, c.want)
		}
	}
}
