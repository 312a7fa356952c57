package smb

import "testing"

// notPetyaSays is the reply of NotPetya's implant: the result is in Reserved.
func notPetyaSays(mid, result uint16, signature uint32) []byte {
	return message{command: 0x32, mid: mid, status: 0xC0000002, reply: true, signature: signature, reserved: result}.encode()
}

// TestNotPetya: its implant is DoublePulsar with other opcodes, which answers
// at another place.
func TestNotPetya(t *testing.T) {
	const ping, kill, exec = 0x0000F000, 0x000000F1, 0x01F10000
	here := []string{"implanted " + serverIP + " 0x500000a0 x86 of NotPetya"}
	converse(t, []conversation{
		{
			"implanted", func(t *talk) { t.ask(order(65, ping)); t.tell(notPetyaSays(65, 0x11, 0x50)) },
			append(here, "doublepulsar implanted implanted ping ok execs=0"),
		},
		{
			"clean", func(t *talk) { t.ask(order(65, ping)); t.tell(fail(0x32, 65, 0xC0000002)) },
			[]string{"doublepulsar probed clean ping  execs=0", "not-implanted " + serverIP + " ping"},
		},
		{"ran a payload, killed", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(notPetyaSays(65, 0x11, 0x50))
			for range payloadParts {
				t.ask(order(66, exec))
				t.tell(notPetyaSays(66, 0x11, 0))
			}
			t.ask(order(67, kill))
			t.tell(notPetyaSays(67, 0x11, 0))
		}, append(here, here[0], "implant-killed "+serverIP+" 0x500000a0 x86 of NotPetya", "payload-delivered "+serverIP+" ",
			"implant-executed "+serverIP+" ", "doublepulsar implanted killed kill ok execs=100")},
		{"bad parameters", func(t *talk) {
			t.ask(order(65, ping))
			t.tell(notPetyaSays(65, 0x11, 0x50))
			t.ask(order(66, exec))
			t.tell(notPetyaSays(66, 0x21, 0))
		}, append(here, here[0], "doublepulsar implanted implanted exec bad-parameters execs=0")},
		{"requests cut", func(t *talk) {
			t.askCut(order(65, ping), short)
			t.tell(notPetyaSays(65, 0x11, 0x50))
			for range payloadParts {
				t.askCut(order(66, exec), short)
				t.tell(notPetyaSays(66, 0x11, 0))
			}
		}, append(here, "payload-delivered "+serverIP+" ", "implant-executed "+serverIP+" ",
			"doublepulsar implanted implanted exec ok execs=100 one-way")},
		{
			"the original's answer, without a key", func(t *talk) { t.ask(order(65, ping)); t.tell(fail(0x32, 81, 0xC0000002)) },
			[]string{"doublepulsar probed probed ping  execs=0", "implant-probed " + serverIP + " ping"},
		},
	})
}

// TestOrdersForDOSErrors: an implant's reply has its key, whatever errors the client
// has asked for.
func TestOrdersForDOSErrors(t *testing.T) {
	says := func(mid uint16, signature, machine uint32) []byte {
		m := message{command: 0x32, mid: mid, status: 0x00010001, dos: true, reply: true, signature: signature, machine: machine}
		return m.encode()
	}
	probed := []string{"doublepulsar probed probed ping  execs=0", "implant-probed " + serverIP + " ping"}
	converse(t, []conversation{
		{
			"implanted", func(t *talk) { t.ask(order(65, ping)); t.tell(says(81, 0x50, 1)) },
			[]string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"},
		},
		{
			"implanted, the reply first", func(t *talk) { t.tell(says(81, 0x50, 1)); t.ask(order(65, ping)) },
			[]string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"},
		},
		{"not implanted", func(t *talk) { t.ask(order(65, ping)); t.tell(says(65, 0, 0)) }, probed},
		{"another's reply", func(t *talk) { t.ask(order(65, ping)); t.tell(says(81, 0, 0)) }, probed},
		{"another's reply, signed", func(t *talk) { t.ask(order(65, ping)); t.tell(says(81, 0x50, 0x70000)) }, probed},
		{"requests not seen", func(t *talk) { t.tell(says(81, 0x50, 1)) }, nil},
	})
}

// TestUnknownDialect: an order with another opcode is one, and what the server
// says to it tells nothing.
func TestUnknownDialect(t *testing.T) {
	want := []string{"doublepulsar probed probed unknown  execs=0", "implant-probed " + serverIP + " unknown"}
	converse(t, []conversation{
		{"answered", func(t *talk) { t.ask(order(65, 0x42)); t.tell(fail(0x32, 65, 0xC0000002)) }, want},
		{
			"answered as by an implant", func(t *talk) { t.ask(order(65, 0x42)); t.tell(implantSays(65, 0x10, 0x50)) },
			[]string{"doublepulsar implanted implanted unknown ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"},
		},
		{"many", func(t *talk) {
			for range payloadParts {
				t.ask(order(65, 0x42))
				t.tell(fail(0x32, 65, 0xC0000002))
			}
		}, want},
		{"no order", func(t *talk) { t.ask(order(65, 0)); t.tell(fail(0x32, 65, 0xC0000002)) }, nil},
	})
}
