package smb

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"wormscope/detect/alert"
)

// setUpReply is a reply to SESSION_SETUP_ANDX with what a server calls itself.
func setUpReply(native, manager string) []byte {
	return message{
		command: 0x73, mid: 1, reply: true, ascii: true,
		words: []byte{0xFF, 0, 0, 0, 0, 0}, bytes: []byte(native + "\x00" + manager + "\x00WARD\x00"),
	}.encode()
}

// challengeReply is one with an NTLM challenge of a version, and no more.
func challengeReply(major, minor byte, build uint16) []byte {
	le := binary.LittleEndian
	blob := make([]byte, 56)
	copy(blob, "NTLMSSP\x00\x02")
	le.PutUint32(blob[20:], 0x02000000) // it has a version
	blob[48], blob[49] = major, minor
	le.PutUint16(blob[50:], build)
	words := []byte{0xFF, 0, 0, 0, 0, 0, byte(len(blob)), 0}
	return message{command: 0x73, status: 0xC0000016, mid: 1, reply: true, ascii: true, words: words, bytes: blob}.encode()
}

// TestAddressGoesToAnotherMachine: what a server said before, that is another
// sort of system now, is no longer said of its address.
func TestAddressGoesToAnotherMachine(t *testing.T) {
	samba := [][]byte{challengeReply(6, 1, 0), setUpReply("Unix", "Samba 4.7.6")}
	windows := [][]byte{challengeReply(6, 1, 7601), setUpReply("Windows 7 Professional 7601 Service Pack 1", "Windows 7 Professional 6.1")}
	for _, c := range []struct {
		what           string
		replies        [][]byte
		product, build string
		samba, over    bool
	}{
		{"Samba", samba, "Samba", "", true, false},
		{"Windows after Samba", append(samba, windows...), "Windows 7", "6.1.7601", false, true},
		{"its challenge alone", append(samba, windows[0]), "Windows 7 or Server 2008 R2", "6.1.7601", false, true},
		{"its strings alone", append(samba, windows[1]), "Windows 7", "6.1.7601", false, true},
		{"Samba after Windows", append(windows, samba...), "Samba", "", true, false},
		{"and back", append(append(samba, windows[0]), samba...), "Samba", "", true, false},
	} {
		k := newTalk(2000).open()
		for _, r := range c.replies {
			k.tell(r)
		}
		a := run(k.packets).lastAsset(serverIP)
		if a.Product.Value != c.product || a.Build.Value != c.build || a.Samba != c.samba || a.OutOfSupport != c.over {
			t.Errorf("%s: %+v", c.what, a)
		}
	}
}

// negotiateReply is a reply to NEGOTIATE that chose NT LM 0.12.
func negotiateReply() []byte {
	words := make([]byte, 34)
	words[2] = 0x07 // signing is enabled
	return message{command: 0x72, mid: 1, reply: true, words: words}.encode()
}

// namesReply is a reply to NEGOTIATE without extended security, with its challenge
// and the names that follow.
func namesReply(capabilities uint32, names string) []byte {
	words := make([]byte, 34)
	binary.LittleEndian.PutUint32(words[19:], capabilities)
	words[33] = 8
	return message{command: 0x72, mid: 1, reply: true, ascii: true, words: words, bytes: []byte("\x08\xab\x1c\x2f\xe1\xec\xe6\xa9" + names)}.encode()
}

// TestNamesOfNegotiation: a server names itself and its domain before there is a
// session, in Unicode if it can, and a challenge says it more surely.
func TestNamesOfNegotiation(t *testing.T) {
	const wide = "W\x00A\x00R\x00D\x00\x00\x00P\x00C\x00-\x007\x00\x00\x00"
	for _, c := range []struct {
		what         string
		reply        []byte
		length       int
		domain, name string
	}{
		{"Unicode", namesReply(0x0001e3fc, wide), 0, "WARD", "PC-7"},
		{"ASCII", namesReply(0, "WARD\x00PC-7\x00"), 0, "WARD", "PC-7"},
		{"no server", namesReply(4, wide[:10]), 0, "WARD", ""},
		{"no names", namesReply(4, ""), 0, "", ""},
		{"cut", namesReply(4, wide), 90, "", ""},
		{"extended security", namesReply(0x80000004, wide), 0, "", ""},
	} {
		k := newTalk(2000).open()
		if k.tell(c.reply); c.length > 0 {
			k = newTalk(2000).open()
			k.tellCut(c.reply, c.length)
		}
		a := run(k.packets).lastAsset(serverIP)
		if a.Domain.Value != c.domain || a.Name.Value != c.name || c.name != "" && a.Name.From != "negotiate" {
			t.Errorf("%s: %+v, %+v", c.what, a.Domain, a.Name)
		}
	}
}

// TestCutReplies: what the capture has of a reply is told, and nothing made up
// from where it ends.
func TestCutReplies(t *testing.T) {
	const server2008 = "Windows Server 2008 R2 Standard 7601 Service Pack 1"
	for _, c := range []struct {
		name   string
		reply  []byte
		length int
		want   alert.Asset
	}{
		{"negotiation", negotiateReply(), short, alert.Asset{SMB1: true, SigningKnown: true, SigningEnabled: true, Dialects: []string{"NT LM 0.12"}}},
		{"negotiation, before the signing", negotiateReply(), 35, alert.Asset{SMB1: true, Dialects: []string{"NT LM 0.12"}}},
		{
			"older dialect", message{command: 0x72, mid: 1, reply: true, words: make([]byte, 26)}.encode(), 61,
			alert.Asset{SMB1: true, Dialects: []string{"before NT LM 0.12"}},
		},
		{"in the edition", setUpReply(server2008, "LM"), 41 + len("Windows Server 2008 "), alert.Asset{SMB1: true}},
		{"behind the edition", setUpReply(server2008, "Windows Server 2008 R2 Standard 6.1"), 41 + len(server2008) + 10, alert.Asset{
			SMB1: true, OS: alert.Attribute{Value: server2008}, Product: alert.Attribute{Value: "Windows Server 2008 R2"}, OutOfSupport: true,
		}},
	} {
		k := newTalk(2000).open()
		k.tellCut(c.reply, c.length)
		a := run(k.packets).lastAsset(serverIP)
		if a.SMB1 != c.want.SMB1 || a.SigningKnown != c.want.SigningKnown || a.SigningEnabled != c.want.SigningEnabled ||
			len(a.Dialects) != len(c.want.Dialects) || len(a.Dialects) > 0 && a.Dialects[0] != c.want.Dialects[0] ||
			a.OS.Value != c.want.OS.Value || a.LAN.Value != "" || a.Product.Value != c.want.Product.Value || a.OutOfSupport != c.want.OutOfSupport {
			t.Errorf("%s: %+v, want %+v", c.name, a, c.want)
		}
	}
}

// TestChainedReply: what follows the reply to a session set-up in its message
// is not what the server calls itself.
func TestChainedReply(t *testing.T) {
	m := message{
		command: 0x73, mid: 1, reply: true, ascii: true,
		words: []byte{0x75, 0, 0, 0, 0, 0}, bytes: []byte("Windows 5.1\x00Windows 2000 LAN Manager\x00"),
	}.encode()
	k := newTalk(2000).open()
	k.tell(append(m, 3, 0xFF, 0, 0, 0, 1, 0, 5, 0, 'I', 'P', 'C', 0, 0))
	if a := run(k.packets).lastAsset(serverIP); a.OS.Value != "Windows 5.1" || a.LAN.Value != "Windows 2000 LAN Manager" || a.Domain.Value != "" {
		t.Errorf("the server is %+v, want its system and software, and no domain", a)
	}
}

// negotiateReply2 is a reply to SMB2 NEGOTIATE of a server that has a clock
// and says when it started.
func negotiateReply2(clock, started time.Time) []byte {
	le := binary.LittleEndian
	b := make([]byte, 128)
	copy(b, "\xfeSMB")
	le.PutUint16(b[4:], 64)
	b[16] = 1 // a reply
	le.PutUint16(b[64:], 65)
	le.PutUint16(b[68:], 0x0210)
	for at, when := range map[int]time.Time{104: clock, 112: started} {
		if !when.IsZero() {
			le.PutUint64(b[at:], uint64(when.Unix()+11_644_473_600)*10_000_000)
		}
	}
	return b
}

// TestServerStart: when a server started is told by how long it has been
// running, and not at all where that can't be.
func TestServerStart(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Unix(0, newTalk(2000).now).UTC().Truncate(time.Second)
	fresh := now.Add(-3 * time.Hour)
	for _, c := range []struct {
		name           string
		clock, started time.Time
		want           time.Time
		unpatched      bool
	}{
		{"since before the fix", now, now.Add(-100 * day), now.Add(-100 * day), true},
		{"since after it", now, now.Add(-day), now.Add(-day), false},
		{"a clock that is a little wrong", now.Add(time.Hour), now.Add(-2 * day), now.Add(-2 * day), false},
		{"a clock at its beginning", now.AddDate(-17, 0, 0), now.AddDate(-17, 0, 0).Add(-3 * time.Hour), fresh, false},
		{"a clock in the future, since before the fix", now.AddDate(3, 0, 0), now.AddDate(3, 0, 0).Add(-100 * day), now.Add(-100 * day), true},
		{"a clock that was set right since", now, now.AddDate(-8, 0, 0), time.Time{}, false},
		{"after its own time", now, now.Add(time.Minute), time.Time{}, false},
		{"no clock", time.Time{}, now.Add(-100 * day), time.Time{}, false},
		{"not said", now, time.Time{}, time.Time{}, false},
	} {
		k := newTalk(2000).open()
		k.tell(negotiateReply2(c.clock, c.started))
		a := run(k.packets).lastAsset(serverIP)
		if !a.Started.Equal(c.want) || a.Unpatched != c.unpatched {
			t.Errorf("%s: %v, unpatched %v, want %v", c.name, a.Started, a.Unpatched, c.want)
		}
	}
}

// TestServerStartWithoutTimes: a capture whose times are none says nothing of when
// a server started. The server's own clock does.
func TestServerStartWithoutTimes(t *testing.T) {
	clock := time.Date(2020, 5, 4, 12, 0, 0, 0, time.UTC)
	k := newTalk(2000)
	k.now = 0
	k.open().tell(negotiateReply2(clock, clock.Add(-time.Hour)))
	a := run(k.packets).lastAsset(serverIP)
	if want := clock.Add(-time.Hour); !a.Started.Equal(want) || a.Unpatched {
		t.Errorf("%v, unpatched %v, want %v", a.Started, a.Unpatched, want)
	}
}

// TestServerOfManyNames: who says another name in each reply is told so often, and no
// more; and what it says later on all the same.
func TestServerOfManyNames(t *testing.T) {
	k := newTalk(2000).open()
	for i := range 500 {
		k.tell(setUpReply(fmt.Sprintf("Server %d", i), "LM"))
	}
	k.now += 2 * changeEvery
	k.tell(setUpReply("Server at last", "LM"))
	rec := &recorder{}
	d := New(rec, Config{})
	for i := range k.packets {
		d.Packet(&k.packets[i])
	}
	told := 0
	for _, f := range rec.facts {
		if f.Kind == alert.FactAsset {
			told++
		}
	}
	if left := d.Stats().ChangesLeftOut; told != manyChanges+1 || left != 500-manyChanges {
		t.Errorf("%d changes told and %d left out, want %d and %d", told, left, manyChanges+1, 500-manyChanges)
	}
	if a := rec.lastAsset(serverIP); a.OS.Value != "Server at last" {
		t.Errorf("told last: %q", a.OS.Value)
	}
	k.now -= 1000 * changeEvery // the clock is set back
	n := len(k.packets)
	k.tell(setUpReply("Server again", "LM"))
	d.Packet(&k.packets[n])
	if a := rec.lastAsset(serverIP); a.OS.Value != "Server again" {
		t.Errorf("told last, after the clock was set back: %q", a.OS.Value)
	}
}
