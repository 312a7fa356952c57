package filter

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"wormscope/capture"
	"wormscope/internal/testnet"
)

// expressions that tcpdump takes too.
var expressions = []string{
	"", "ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "sctp",
	"host 10.10.1.23", "src host 10.10.1.23", "dst 10.10.1.23", "src or dst host 10.10.1.23", "src and dst net 10.0.0.0/8",
	"net 10.10.0.0/16", "src net 10.0.0.0/8 and dst net 172.16.0.0/12", "net 10.10.0.0 mask 255.255.0.0", "ip net 0.0.0.0/0",
	"ip6 host fd00:10::23", "host fd00:10::23", "net fd00::/8", "net 2001:db8::/33", "dst net fe80::/10", "ip6 net ::/0",
	"port 53", "tcp port 445", "udp src port 53", "dst port 445 or src port 139", "portrange 1-1023", "tcp portrange 440-450",
	"src or dst 10.10.1.23", "ip src or dst 10.10.1.23", "arp src 10.10.1.1", "src or dst port 445", "src and dst port 53", "sctp port 9",
	"ip proto 47", "ip6 proto 58", "proto 17", `ip proto \udp`, "ip6 proto 44",
	"less 100", "greater 1000", "not tcp", "! udp port 53",
	"tcp and port 445 and host 10.10.1.23", "tcp port 445 or 139 or 3389", "port 80 or port 53 and udp",
	"not (tcp port 445 or udp port 53) and not icmp", "host 10.10.1.23 or 10.10.1.24 and not port 53",
	"ip host 10.10.1.23 && !tcp || arp", "arp host 10.10.1.1", "not not ip", "((ip))",
}

// TestAsTcpdump compares programs with those that tcpdump makes of the same
// expressions, over all frames without a tag: both run in the same machine.
func TestAsTcpdump(t *testing.T) {
	testnet.Need(t)
	frames := read(t)
	for _, e := range expressions {
		t.Run(e, func(t *testing.T) {
			ours, theirs := machine(t, e), tcpdump(t, e)
			matched := 0
			for _, f := range frames {
				if f.Len != len(f.Data) || tagged(f.Data) {
					continue
				}
				got, want := run(t, ours, f.Data), run(t, theirs, f.Data)
				if got != want && !cut(f.Data) {
					t.Fatalf("got %v, tcpdump says %v: %x", got, want, f.Data[:min(len(f.Data), 80)])
				}
				if got {
					matched++
				}
			}
			t.Logf("%d of %d", matched, len(frames))
		})
	}
}

// cut reports whether a frame ends before the headers that it begins: where
// tcpdump gives up depends on the order in which it looks.
func cut(data []byte) bool {
	var v view
	return !v.read(&capture.Frame{Data: data, Len: len(data), Link: capture.LinkEthernet})
}

func tagged(data []byte) bool {
	return len(data) < 14 || isTag(uint32(data[12])<<8|uint32(data[13]))
}

// TestMatchAgrees compares the program with the look at the same frame, and
// both with what tags around it must not change.
func TestMatchAgrees(t *testing.T) {
	frames := read(t)
	for _, e := range expressions {
		f, err := Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		vm := machine(t, e)
		for i := range frames {
			frame := frames[i]
			frame.Len = len(frame.Data)
			want := f.Match(&frame)
			if got := run(t, vm, frame.Data); got != want {
				t.Fatalf("%s: the program says %v, the frame %v: %x", e, got, want, frame.Data)
			}
			if i%16 > 0 || tagged(frame.Data) || strings.Contains(e, "less") || strings.Contains(e, "greater") {
				continue
			}
			for _, tag := range []byte{0x81, 0x91} {
				frame.Data = slices.Concat(frame.Data[:12], []byte{tag, 0, 0, 7}, frame.Data[12:])
				frame.Len = len(frame.Data)
				if f.Match(&frame) != want || run(t, vm, frame.Data) != want {
					t.Fatalf("%s: another answer behind a tag: %x", e, frame.Data)
				}
			}
		}
	}
}

func TestTags(t *testing.T) {
	plain := make([]byte, 64)
	plain[12], plain[13] = 0x88, 0xb5
	in := func(kind byte, id uint16, frame []byte) []byte {
		return slices.Concat(frame[:12], []byte{kind, 0, byte(id >> 8), byte(id)}, frame[12:])
	}
	for _, tt := range []struct {
		name, expression string
		frame            []byte
		want             bool
	}{
		{"none", "vlan", plain, false},
		{"one", "vlan", in(0x81, 5, plain), true},
		{"its number", "vlan 5", in(0x81, 0x6005, plain), true},
		{"another number", "vlan 6", in(0x81, 5, plain), false},
		{"number nought", "vlan 0", in(0x81, 0, plain), true},
		{"the inner one", "vlan 5", in(0x91, 9, in(0x81, 5, plain)), true},
		{"the outer one", "vlan 9 and vlan 5", in(0x91, 9, in(0x81, 5, plain)), true},
		{"not tagged", "not vlan", plain, true},
	} {
		f, err := Parse(tt.expression)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(&capture.Frame{Data: tt.frame, Len: len(tt.frame), Link: capture.LinkEthernet}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if got := run(t, machine(t, tt.expression), tt.frame); got != tt.want {
			t.Errorf("%s: the program says %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestRefused wants the word and its place named.
func TestRefused(t *testing.T) {
	tests := []struct{ expression, want string }{
		{"tcp[13] & 2 != 0", `filter: "[" at position 4: comparisons of bytes are not taken here (live --libpcap takes all of tcpdump's syntax, in a build with -tags libpcap)`},
		{"ether host 00:11:22:33:44:55", `filter: "ether" at position 1: not taken here (live --libpcap takes all of tcpdump's syntax, in a build with -tags libpcap)`},
		{"port 53 and", `filter: at the end of the expression: want a primitive such as host 192.0.2.1`},
		{"port http", `filter: "http" at position 6: no port number, 0 to 65535; names of services are not looked up`},
		{"port 65536", `filter: "65536" at position 6: no port number, 0 to 65535; names of services are not looked up`},
		{"port 0445", `filter: "0445" at position 6: a number that begins with 0; write it out in decimal`},
		{"portrange 1-0x50", `filter: "1-0x50" at position 11: a number that begins with 0; write it out in decimal`},
		{"vlan 010", `filter: "010" at position 6: a number that begins with 0; write it out in decimal`},
		{"proto tcp", `filter: "tcp" at position 7: no protocol: a number, or \icmp, \tcp, \udp, \icmp6, \sctp`},
		{"src or dst proto 6", `filter: "proto" at position 12: it goes with ip and ip6 only`},
		{"10.0.0.1", `filter: "10.0.0.1" at position 1: a value alone: say before it what it is, as in host 192.0.2.1 or port 53`},
		{"port 53 or ip6 or 80", `filter: "80" at position 19: a value alone: say before it what it is, as in host 192.0.2.1 or port 53`},
		{"icmp src 10.0.0.1", `filter: "10.0.0.1" at position 10: icmp has no addresses: say ip or ip6`},
		{"port 1-5", `filter: "1-5" at position 6: a range needs portrange`},
		{"host example.org", `filter: "example.org" at position 6: no address; names of hosts are not looked up`},
		{"net 10.1.2.3/8", `filter: "10.1.2.3/8" at position 5: there are bits set behind the network: 10.0.0.0/8 is meant?`},
		{"net 10", `filter: "10" at position 5: no network; write it out, as in 192.0.2.0/24`},
		{"net 10.0.0.0 mask 255.0.255.0", `filter: "255.0.255.0" at position 19: a mask of IPv4 is wanted, for a network of IPv4`},
		{"net fd00:: mask 255.0.0.0", `filter: "255.0.0.0" at position 17: a mask of IPv4 is wanted, for a network of IPv4`},
		{"ip6 host 10.0.0.1", `filter: "10.0.0.1" at position 10: no address of IPv6`},
		{"ip host fd00::1", `filter: "fd00::1" at position 9: no address of IPv4`},
		{"icmp port 5", `filter: "port" at position 6: icmp has no ports`},
		{"tcp host 10.0.0.1", `filter: "host" at position 5: tcp has no addresses: say ip or ip6`},
		{"(tcp or udp", `filter: at the end of the expression: a parenthesis is not closed`},
		{"tcp udp", `filter: "udp" at position 5: want and, or, or the end`},
		{"foo", `filter: "foo" at position 1: no word of a filter: host, net, port, portrange, proto, src, dst, ip, ip6, tcp, udp, sctp, icmp, icmp6, arp, rarp, vlan, less, greater, and, or, not; names of hosts and services are not looked up`},
		{"vlan 4096", `filter: "4096" at position 6: no VLAN, 0 to 4095`},
		{"less", `filter: at the end of the expression: less needs a number of bytes`},
		{"host (10.0.0.1 or 10.0.0.2)", `filter: "(" at position 6: a list of values in parentheses is not taken here (live --libpcap takes all of tcpdump's syntax, in a build with -tags libpcap)`},
		{"host", `filter: at the end of the expression: host needs a value`},
		{strings.Repeat("(", 200), `filter: "(" at position 101: more than 100 levels`},
		{strings.Repeat("x", 9000), `filter: an expression of 9000 bytes; at most 8192 are taken`},
	}
	for _, tt := range tests {
		_, err := Parse(tt.expression)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%.40s:\n got %v\nwant %s", tt.expression, err, tt.want)
		}
	}
	f, err := Parse("host 192.0.2.0" + strings.Repeat(" or 192.0.2.1", 600))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Compile(nil); err == nil || !strings.Contains(err.Error(), "make it shorter") {
		t.Errorf("a program that is too long: %v", err)
	}
	if e, ok := errors.AsType[*Error](func() error { _, err := Parse("tcp and port x"); return err }()); !ok || e.Position != 14 || e.Word != "x" {
		t.Errorf("%+v", e)
	}
}

// FuzzCompile compares, for any expression that is taken and any frame, the
// program with the look at the frame.
func FuzzCompile(f *testing.F) {
	for i, e := range expressions {
		f.Add(e, slices.Concat(make([]byte, 12), []byte{8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, byte(i), 0, 0, 10, 10, 1, 23, 10, 10, 1, 24, 0, 53, 1, 189}))
	}
	f.Add("vlan 5", slices.Concat(make([]byte, 12), []byte{0x81, 0, 0, 5, 0x86, 0xdd, 0x60}, make([]byte, 50)))
	f.Fuzz(func(t *testing.T, expression string, data []byte) {
		parsed, err := Parse(expression)
		if err != nil {
			return
		}
		program, err := parsed.compile(false, nil)
		if err != nil {
			return
		}
		if _, err = parsed.Compile(nil); err != nil && len(program) < maxInstructions-20 {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		want := parsed.Match(&capture.Frame{Data: data, Len: len(data), Link: capture.LinkEthernet})
		if got := run(t, vm, data); got != want {
			t.Errorf("%q: the program says %v, the frame %v", expression, got, want)
		}
	})
}

// machine compiles an expression for frames whose tags are all in them.
func machine(t testing.TB, expression string) *bpf.VM {
	t.Helper()
	f, err := Parse(expression)
	if err != nil {
		t.Fatal(err)
	}
	program, err := f.compile(false, nil)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func run(t testing.TB, vm *bpf.VM, data []byte) bool {
	t.Helper()
	n, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// tcpdump compiles an expression, as it stands: where its optimizer finds that
// nothing can match, tcpdump would refuse it.
func tcpdump(t *testing.T, expression string) *bpf.VM {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "tcpdump", "-O", "-ddd", "-y", "EN10MB", expression).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%s: tcpdump says: %s", expression, e.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var program []bpf.Instruction
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) != 4 {
			continue // their number
		}
		var v [4]uint64
		for i := range v {
			if v[i], err = strconv.ParseUint(fields[i], 10, 32); err != nil {
				t.Fatal(err)
			}
		}
		program = append(program, bpf.RawInstruction{Op: uint16(v[0]), Jt: uint8(v[1]), Jf: uint8(v[2]), K: uint32(v[3])}.Disassemble())
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// read reads some frames of each Ethernet capture of the project.
func read(t testing.TB) []capture.Frame {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/pcaps/*.pcap")
	if err != nil || len(paths) < 40 {
		t.Fatal("no captures", err)
	}
	var out []capture.Frame
	for _, path := range paths {
		source, err := capture.Open([]string{path}, nil)
		if err != nil {
			continue
		}
		var f capture.Frame
		for range 300 {
			if source.Next(&f) != nil {
				break
			}
			if f.Link == capture.LinkEthernet {
				f.Data = slices.Clone(f.Data)
				out = append(out, f)
			}
		}
		if err := source.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 3000 {
		t.Fatal(fmt.Sprint(len(out), " frames"))
	}
	return out
}
