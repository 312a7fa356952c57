package smb

import "testing"

// attack lists what is found where one exploit is tried, or two.
func attack(names ...string) []string {
	var all []string
	for _, n := range names {
		all = append(all, "exploit-attempted "+serverIP+" "+n, "exploit-sent "+clientIP+" "+n, "smb-exploit "+n+" attempted")
	}
	return all
}

// TestGrooming: EternalRomance opens many transactions besides the one whose
// MID is the pipe's FID, as Trans or, for later systems, behind renames.
func TestGrooming(t *testing.T) {
	const fid = 0x4000
	groom := func(t *talk, n int) {
		for i := range uint16(n) {
			t.ask(trans(0x25, 0x300+i, 0, 5000, 100))
		}
	}
	converse(t, []conversation{
		{"before and behind", func(t *talk) {
			groom(t, 8)
			t.ask(trans(0x25, fid, 0, 5000, 100))
			groom(t, 12)
			t.ask(write(90, fid))
		}, attack(eternalRomance)},
		{"with interim replies", func(t *talk) {
			t.ask(trans(0x25, fid, 0, 5000, 100))
			t.tell(fail(0x25, fid, 0))
			groom(t, 12)
			t.ask(write(90, fid))
		}, attack(eternalRomance)},
		{"a rename", func(t *talk) {
			t.ask(ntTrans(fid, 5, 0x4000, 0))
			groom(t, 12)
			t.ask(write(90, fid))
			t.ask(secondary(0xA1, fid, 1))
		}, attack(eternalRomance)},
		{"behind a leak", func(t *talk) {
			t.ask(ntTrans(80, 5, 440, 440))
			t.ask(secondary(0xA1, 80, 276))
			t.ask(ntTrans(fid, 5, 0x4000, 0))
			groom(t, 12)
			t.ask(write(90, fid))
		}, attack(eternalChampion, eternalRomance)},
		{"writes of whole messages, and the first part of one", func(t *talk) {
			t.ask(trans(0x25, fid, 0, 5000, 100))
			for _, mode := range []uint16{0x0000, 0x0001, 0x0008, 0x000C} {
				t.ask(writeAs(90, fid, mode))
			}
		}, nil},
		{"one that was answered", func(t *talk) {
			groom(t, 12)
			t.ask(trans(0x25, fid, 0, 5000, 100))
			t.tell(fail(0x25, fid, 0xC0000022))
			t.ask(write(90, fid))
		}, nil},
	})
}

// TestTransactionsAreBounded: what is given up is counted.
func TestTransactionsAreBounded(t *testing.T) {
	d := New(&recorder{}, Config{})
	k := newTalk(2000).open()
	for i := range uint16(maxTransactions + 3) {
		k.ask(trans(0x25, 0x300+i, 0, 5000, 100))
	}
	for i := range k.packets {
		d.Packet(&k.packets[i])
	}
	if n := d.Stats().RequestsDropped; n != 3 {
		t.Errorf("%d given up, want 3", n)
	}
}

// TestLargeSecurityDescriptor: what goes on as an NT_TRANS is no EternalBlue,
// though a Trans2 with its MID fails while its answer is not in the capture.
func TestLargeSecurityDescriptor(t *testing.T) {
	large := func(t *talk) {
		t.ask(ntTrans(64, 3, 70_000, 900))
		t.tell(fail(0xA0, 64, 0))
		t.ask(secondary(0xA1, 64, 60_000))
	}
	completed := append(attack(eternalBlue), "exploit-completed "+serverIP+" EternalBlue", "smb-exploit EternalBlue completed")
	converse(t, []conversation{
		{"its Trans2 seen", func(t *talk) {
			large(t)
			t.ask(trans(0x32, 64, 0, 0, 0, 5))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, nil},
		{"its Trans2 not seen", func(t *talk) { large(t); t.tell(fail(0x32, 64, 0xC000000D)) }, nil},
		{"EternalBlue with its MID", func(t *talk) {
			large(t)
			t.ask(secondary(0x33, 64, 4000))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, completed},
		{"EternalBlue with the MID of a Trans2 that was not answered", func(t *talk) {
			t.ask(trans(0x32, 64, 0, 0, 0, 5))
			t.ask(ntTrans(64, 0, 70_000, 900))
			t.tell(fail(0xA0, 64, 0))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, completed},
		{"a Trans2 not seen, nor any secondary request", func(t *talk) {
			t.ask(ntTrans(64, 3, 70_000, 900))
			t.ask(trans(0x32, 64, 0, 0, 0, 5))
			t.tell(fail(0x32, 64, 0xC000000D))
		}, nil},
	})
}

// TestPortOfAServersAttack: a server that attacks its clients does so by its own port.
// Theirs differ each time, and are none to close.
func TestPortOfAServersAttack(t *testing.T) {
	rec := &recorder{}
	d := New(rec, Config{})
	for _, client := range []uint16{49739, 55203} {
		k := newTalk(client).open()
		k.tell(compressed(0xFFFFFFFF, 0x10))
		for i := range k.packets {
			d.Packet(&k.packets[i])
		}
	}
	d.Close(0)
	if len(rec.facts) == 0 {
		t.Fatal("no attack is told")
	}
	for _, f := range rec.facts {
		if f.Port != 445 {
			t.Errorf("%s of %s: port %d", f.Kind, f.Host, f.Port)
		}
	}
}
