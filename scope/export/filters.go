package export

import (
	"bytes"
	"fmt"
)

// writeNFTables writes commands for nft -f, which applies a file as a whole or not at
// all. They replace sets that an earlier list made. They make sets only: rules that
// use these are left to the administrator.
func (l *List) writeNFTables(w *bytes.Buffer) {
	l.comments(w, "#")
	v4, v6 := l.split()
	needsRules(w,
		"nft add chain inet wormscope forward '{ type filter hook forward priority -10; }'",
		fmt.Sprintf("nft add rule inet wormscope forward ip saddr @%s4 drop", l.Purpose),
		fmt.Sprintf("nft add rule inet wormscope forward ip daddr @%s4 drop", l.Purpose),
		fmt.Sprintf("nft add rule inet wormscope forward ip6 saddr @%s6 drop", l.Purpose),
		fmt.Sprintf("nft add rule inet wormscope forward ip6 daddr @%s6 drop", l.Purpose))
	fmt.Fprint(w, "add table inet wormscope\n")
	l.nftSet(w, "4", "ipv4_addr", v4)
	l.nftSet(w, "6", "ipv6_addr", v6)
}

// needsRules says what must be done besides, once, where packets go through: with the
// list alone, nobody is isolated and nothing blocked.
func needsRules(w *bytes.Buffer, commands ...string) {
	fmt.Fprint(w, "# sets alone: nothing is dropped until rules name them, for instance:\n")
	for _, c := range commands {
		fmt.Fprintf(w, "#   %s\n", c)
	}
}

// nftSet writes one set.
func (l *List) nftSet(w *bytes.Buffer, family, addrType string, entries []*Entry) {
	name := string(l.Purpose) + family
	fmt.Fprintf(w, "add set inet wormscope %s { type %s; }\nflush set inet wormscope %s\n", name, addrType, name)
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(w, "add element inet wormscope %s {\n", name)
	for _, e := range entries {
		fmt.Fprintf(w, "\t%s, # %s\n", e.Addr, ascii(e.comment(), maxComment))
	}
	fmt.Fprint(w, "}\n")
}

// maxComment is how long a comment on an entry gets, in bytes.
const maxComment = 200

// maxElements is how many elements an ipset has room for: more than a list ever has.
// It is the same for all lists, since ipset refuses to make a set that exists with
// another number.
const maxElements = 1 << 24

// writeIPSet writes commands for ipset restore -exist. They replace sets that an
// earlier list made.
func (l *List) writeIPSet(w *bytes.Buffer) {
	l.comments(w, "#")
	v4, v6 := l.split()
	needsRules(w,
		fmt.Sprintf("iptables -I FORWARD -m set --match-set wormscope-%s4 src -j DROP", l.Purpose),
		fmt.Sprintf("iptables -I FORWARD -m set --match-set wormscope-%s4 dst -j DROP", l.Purpose),
		fmt.Sprintf("ip6tables -I FORWARD -m set --match-set wormscope-%s6 src -j DROP", l.Purpose),
		fmt.Sprintf("ip6tables -I FORWARD -m set --match-set wormscope-%s6 dst -j DROP", l.Purpose))
	l.ipSet(w, "4", "inet", v4)
	l.ipSet(w, "6", "inet6", v6)
}

// ipSet writes one set. It is filled under another name and then swapped in, so that
// no packet meets half a set. A set of that other name, left by an interrupted run, is
// emptied first.
func (l *List) ipSet(w *bytes.Buffer, suffix, family string, entries []*Entry) {
	name := "wormscope-" + string(l.Purpose) + suffix
	filling := name + "-new"
	fmt.Fprintf(w, "create %s hash:ip family %s maxelem %d -exist\n", name, family, maxElements)
	fmt.Fprintf(w, "create %s hash:ip family %s maxelem %d -exist\nflush %s\n", filling, family, maxElements, filling)
	for _, e := range entries {
		fmt.Fprintf(w, "# %s\nadd %s %s\n", ascii(e.comment(), maxComment), filling, e.Addr)
	}
	fmt.Fprintf(w, "swap %s %s\ndestroy %s\n", filling, name, filling)
}

// writeCisco writes named access lists for IOS, one per family. Each denies both
// directions and permits the rest.
func (l *List) writeCisco(w *bytes.Buffer) {
	l.comments(w, "!")
	name := "WORMSCOPE-BLOCK"
	if l.Purpose == ToIsolate {
		name = "WORMSCOPE-ISOLATE"
	}
	v4, v6 := l.split()
	fmt.Fprintf(w, "! a list alone: nothing is dropped until an interface has it (ip access-group %s in)\n", name)
	fmt.Fprintf(w, "no ip access-list extended %s\nip access-list extended %s\n", name, name)
	accessList(w, "ip", v4)
	fmt.Fprintf(w, "no ipv6 access-list %s-V6\nipv6 access-list %s-V6\n", name, name)
	accessList(w, "ipv6", v6)
	fmt.Fprint(w, "end\n")
}

// maxRemark is how long a remark gets: IOS takes 100 characters.
const maxRemark = 100

// accessList writes the lines of one list.
func accessList(w *bytes.Buffer, protocol string, entries []*Entry) {
	for _, e := range entries {
		fmt.Fprintf(w, " remark %s\n deny %s host %s any\n deny %s any host %s\n",
			ascii(e.comment(), maxRemark), protocol, e.Addr, protocol, e.Addr)
	}
	fmt.Fprintf(w, " permit %s any any\n", protocol)
}
