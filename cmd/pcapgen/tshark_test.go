package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wormscope/internal/needs"
)

// Wireshark finds no malformed packet and no wrong checksum in any committed
// capture; in one with a byte changed, it does.
func TestWiresharkFindsNothingWrong(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join(samplesDir(), "*.pcap*"))
	if err != nil {
		t.Fatal(err)
	}
	captures = slices.DeleteFunc(captures, func(c string) bool { return strings.Contains(c, "-cut.") })
	if out := wrong(t, captures...); out != "" {
		t.Errorf("in %v:\n%s", captures, out)
	}
	data, err := os.ReadFile(filepath.Join(samplesDir(), "format.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-20] ^= 1
	changed := filepath.Join(t.TempDir(), "changed.pcap")
	if err := os.WriteFile(changed, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if wrong(t, changed) == "" {
		t.Error("a changed byte was not found")
	}
}

// wrong returns what tshark finds wrong in captures.
func wrong(t *testing.T, captures ...string) string {
	t.Helper()
	all := filepath.Join(t.TempDir(), "all.pcapng")
	if out, err := exec.Command(needs.Tools(t, "mergecap"), append([]string{"-a", "-w", all}, captures...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(needs.Tools(t, "tshark"), "-r", all, "-o", "tcp.desegment_tcp_streams:FALSE",
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-Y", "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || "+
			"icmp.checksum.status == 0 || icmpv6.checksum.status == 0").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
