package smb

import (
	"testing"

	"wormscope/detect/alert"
)

// TestTreeMarks: an address of WannaCry's authors is somebody else's, too: a
// path to it proves the worm when that is what goes on.
func TestTreeMarks(t *testing.T) {
	const theirs = `\\192.168.56.20\IPC$`
	path := func(p string) func(*talk) { return func(t *talk) { t.ask(treeConnect(p)) } }
	blue := func(t *talk) {
		t.ask(ntTrans(64, 0, 65558, 900))
		t.ask(secondary(0x33, 64, 4000))
	}
	header := func(t *talk) {
		m := message{command: 0x72, mid: 0x5EC5, pid: 0x4B2F, ascii: true}.encode()
		m[10], m[11] = 0x01, 0x28
		t.ask(m)
	}
	for _, c := range []struct {
		name       string
		do         []func(*talk)
		mark       string
		confidence float64 // 0 for no mark
	}{
		{"alone", []func(*talk){path(theirs)}, "tree-192.168.56.20", .5},
		{"alone, the other one", []func(*talk){path(`\\172.16.99.5\IPC$`)}, "tree-172.16.99.5", .5},
		{"before an order", []func(*talk){path(theirs), func(t *talk) { t.ask(order(65, ping)) }}, "tree-192.168.56.20", .95},
		{"before EternalBlue", []func(*talk){path(`\\172.16.99.5\IPC$`), blue}, "tree-172.16.99.5", .95},
		{"before a large NT_TRANS", []func(*talk){path(theirs), func(t *talk) { t.ask(ntTrans(64, 3, 70_000, 900)) }}, "tree-192.168.56.20", .5},
		{"behind an order", []func(*talk){func(t *talk) { t.ask(order(65, ping)) }, path(theirs)}, "tree-192.168.56.20", .5},
		{"another share", []func(*talk){path(`\\192.168.56.20\data`), blue}, "tree-192.168.56.20", 0},
		{"no share", []func(*talk){path(`\\192.168.56.20`), blue}, "tree-192.168.56.20", 0},
		{"another address", []func(*talk){path(`\\10.9.9.9\IPC$`), blue}, "tree-other-address", 0},
		{"another address behind the header", []func(*talk){header, path(`\\10.9.9.9\IPC$`)}, "tree-other-address", .5},
		{"another address, which may be cut", []func(*talk){header, path(`\\10.9.9.9`)}, "tree-other-address", 0},
		{"the server's own", []func(*talk){header, path(`\\10.1.0.9\IPC$`)}, "tree-other-address", 0},
	} {
		k := newTalk(2000).open()
		for _, do := range c.do {
			do(k)
		}
		most, times := 0.0, 0
		for _, f := range run(k.packets).facts {
			if f.Kind == alert.FactMark && f.Detail == c.mark {
				most, times = max(most, f.Confidence), times+1
			}
		}
		if most != c.confidence || times > 1 {
			t.Errorf("%s: %d times, %v sure, want %v", c.name, times, most, c.confidence)
		}
	}
}
