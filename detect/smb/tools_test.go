package smb

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"wormscope/capture/packet"
	"wormscope/detect/alert"
)

// A tool is how a public tool asks: what differs from one to the next.
type tool struct {
	name       string
	pid, mid   uint16
	ascii, dos bool // what its Flags2 lack
	setup      []uint16
	parameters uint16 // most that it takes in reply
	data       uint16
	timeout    uint32
}

// tools are those that check for MS17-010.
func tools() []tool {
	peek := []uint16{0x23, 0}
	return []tool{
		{"Metasploit's scanner", 0x1C55, 0x7711, true, true, peek, 0xFFFF, 0xFFFF, 0},
		{"nmap's script", 0x3C10, 4, false, false, peek, 0xFFFF, 0xFFFF, 0},
		{"checker.py", 4242, 15_000, false, false, []uint16{0x23}, 0xFFFF, 0x0800, 0xFFFFFFFF},
		{"the first scanner in Python, and all that have it from there", 0x4B2F, 0x5EC5, true, true, peek, 0xFFFF, 0xFFFF, 0},
		{"those in Go", 0xA38E, 0x9852, true, true, peek, 0xFFFF, 0xFFFF, 0},
		{"PingCastle", 0x6D44, 0xC142, true, true, peek, 0xFFFF, 0xFFFF, 0},
		{"one without a process", 0, 4, true, false, peek, 0xFFFF, 0xFFFF, 0},
	}
}

// ask returns the tool's request.
func (x *tool) ask() []byte {
	b := trans(0x25, x.mid, x.timeout, 0, 0, x.setup...)
	le := binary.LittleEndian
	le.PutUint16(b[37:], x.parameters)
	le.PutUint16(b[39:], x.data)
	le.PutUint16(b[26:], x.pid)
	flags2 := le.Uint16(b[10:])
	if x.ascii {
		flags2 &^= 0x8000
	}
	if x.dos {
		flags2 &^= 0x4000
	}
	le.PutUint16(b[10:], flags2)
	return b
}

// tell returns a server's reply to it.
func (x *tool) tell(status uint32) []byte {
	b := fail(0x25, x.mid, status)
	binary.LittleEndian.PutUint16(b[26:], x.pid)
	return b
}

// TestTools: a check is one whoever sends it, over NetBIOS as well, and in
// segments of any size.
func TestTools(t *testing.T) {
	verdicts := map[uint32]string{
		0xC0000205: "vulnerable", 0xC0000008: "patched", 0xC0000022: "patched", 0xC00000BB: "unknown", 0xC000000D: "unknown",
	}
	for _, x := range tools() {
		for status, verdict := range verdicts {
			for _, port := range []uint16{alert.PortSMB, alert.PortNetBIOS} {
				for _, size := range []int{1, 36, 1460} {
					k := newTalk(2000)
					k.server = netip.AddrPortFrom(k.server.Addr(), port)
					k.open()
					if port == alert.PortNetBIOS {
						k.send(0, packet.ACK, append([]byte{0x81, 0, 0, 68}, make([]byte, 68)...))
						k.send(1, packet.ACK, []byte{0x82, 0, 0, 0})
					}
					for from, m := range [][]byte{x.ask(), x.tell(status)} {
						for part := range slices.Chunk(frame(m), size) {
							k.send(from, packet.ACK, part)
						}
					}
					want := []string{"ms17-010-check  " + verdict, verdict + " " + serverIP + " check"}
					if have := found(k.packets); !slices.Equal(have, want) {
						t.Fatalf("%s, port %d, %d bytes at a time: have %q\nwant %q", x.name, port, size, have, want)
					}
				}
			}
		}
	}
}

// TestToolsForTheImplant: each has a way of its own to make the sum of the
// Timeout's bytes, and some a MID by chance, near the end of the numbers as well.
func TestToolsForTheImplant(t *testing.T) {
	for _, x := range []struct {
		name    string
		mid     uint16
		timeout uint32
	}{
		{"the first detection script, nmap's and Metasploit's scanners", 65, 0x00A4D9A6},
		{"Metasploit's module", 0xFFF8, 0x00F1B57D},
		{"the least", 0, 0x00000023},
		{"overflowing", 300, 0xFFFFFF26},
	} {
		k := newTalk(2000).open()
		k.ask(order(x.mid, x.timeout))
		k.tell(implantSays(x.mid, 0x10, 0x50))
		want := []string{"doublepulsar implanted implanted ping ok execs=0", "implanted " + serverIP + " 0x500000a0 x64"}
		if have := found(k.packets); !slices.Equal(have, want) {
			t.Errorf("%s: have %q\nwant %q", x.name, have, want)
		}
	}
}

// TestSambaAttacked: Samba refuses what EternalBlue goes on with by the status that
// tells a completed one, but says to which message.
func TestSambaAttacked(t *testing.T) {
	converse(t, []conversation{{"refused", func(t *talk) {
		t.ask(ntTrans(64, 0, 66512, 900))
		t.tell(fail(0xA0, 64, 0))
		for range 3 {
			t.ask(secondary(0x33, 64, 4000))
			t.tell(fail(0x33, 64, 0xC000000D))
		}
	}, attack(eternalBlue)}})
}
