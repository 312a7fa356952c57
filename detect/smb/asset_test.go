package smb

import (
	"encoding/binary"
	"testing"
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
