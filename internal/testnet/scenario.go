package testnet

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// killSwitch is the name that WannaCry asks for.
const killSwitch = "www.iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"

// A Scenario is something that real tools do while it is recorded.
type Scenario struct {
	Name   string // of the capture, without an ending
	Tools  []string
	Record func(t testing.TB, path string)
}

// Scenarios are all recordings of testdata/pcaps. The README there says what
// each shows.
func Scenarios() []Scenario {
	return []Scenario{
		{"nmap-syn-sweep", []string{"nmap"}, sweep("nmap", "-n", "-Pn", "-sS", "-p", "445", "--max-retries", "1", "--min-rate", "100", swept)},
		{"nmap-connect-sweep", []string{"nmap"}, sweep("nmap", "-n", "-Pn", "-sT", "-p", "445", "--max-retries", "1", "--min-rate", "100", swept)},
		{"masscan-sweep", []string{"masscan"}, sweep("masscan", swept, "-p445", "--rate", "100", "--wait", "2", "--seed", "7",
			"--interface", "eth0", "--source-ip", "10.10.1.23", "--router-ip", "10.10.1.1")},
		{"dig-nxdomain", []string{"dig", "unbound"}, dig("local-zone: \"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com.\" static")},
		{"dig-resolved", []string{"dig", "unbound"}, dig("local-data: \"" + killSwitch + ". A 192.0.2.10\"")},
		{"unbound-chain", []string{"dig", "unbound"}, chain},
		{"smbclient-smb3", []string{"smbclient", "smbd"}, share("SMB3")},
		{"smbclient-nt1", []string{"smbclient", "smbd"}, share("NT1")},
		{"nmap-ms17-010", []string{"nmap", "smbd"}, patchCheck},
	}
}

// swept is the network that sweeps go over.
const swept = "10.10.2.0/24"

// sweep has a host sweep port 445 of a network of 256 addresses: six accept,
// twelve refuse, and the others are silent. As many bytes are recorded as the
// headers of each packet have.
func sweep(tool string, args ...string) func(testing.TB, string) {
	return func(t testing.TB, path string) {
		t.Helper()
		n := New(t)
		scanner := n.Host("scanner", "10.10.1.23/24")
		router := n.Host("router", "10.10.1.1/24")
		scanner.Route(swept, "10.10.1.1")
		var live []netip.Addr
		for last := 10; last < 28; last++ {
			live = append(live, netip.AddrFrom4([4]byte{10, 10, 2, byte(last)}))
		}
		router.Behind(swept, live...)
		for _, a := range live[:6] {
			router.Accept(netip.AddrPortFrom(a, 445).String())
		}
		r := n.Record(path, 128)
		stop := router.nudge("10.10.1.23:9")
		scanner.Run(Patience, tool, args...)
		stop()
		r.Stop()
	}
}

// unbound starts a resolver on a host with lines of configuration of its own.
func unbound(t testing.TB, h *Host, address, lines string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "unbound.conf")
	text := fmt.Sprintf(`server:
  interface: %s
  access-control: 0.0.0.0/0 allow
  username: ""
  chroot: ""
  pidfile: ""
  directory: "%s"
  use-syslog: no
  do-ip6: no
  do-daemonize: no
  module-config: "iterator"
  root-hints: ""
  local-data: "www.site1.example. A 192.0.2.201"
  %s
remote-control:
  control-enable: no
`, address, filepath.Dir(conf), lines)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start("start of service", "unbound", "-d", "-v", "-c", conf)
}

// dig has a client ask a resolver that knows the kill switch from its
// configuration, over UDP and TCP, with and without EDNS cookies.
func dig(line string) func(testing.TB, string) {
	return func(t testing.TB, path string) {
		t.Helper()
		n := New(t)
		client := n.Host("client", "10.10.1.23/16")
		resolver := n.Host("resolver", nearest+"/16")
		unbound(t, resolver, nearest, line)
		r := n.Record(path, 0)
		for _, how := range [][]string{{}, {"+nocookie"}, {"+noedns"}, {"+tcp"}, {"+tcp", "+nocookie"}} {
			client.ask(killSwitch, how...)
			client.ask("www.site1.example", how...)
		}
		r.Stop()
	}
}

// nearest is the resolver that clients ask.
const nearest = "10.10.0.53"

// ask has a host ask the resolver for the addresses of a name. It must answer.
func (h *Host) ask(name string, how ...string) {
	h.net.t.Helper()
	args := append([]string{"@" + nearest, name, "A", "+tries=1", "+time=30"}, how...)
	out := h.Run(Patience, "dig", args...)
	if !strings.Contains(out, "status: ") {
		h.net.t.Fatalf("dig %s has no answer: %s", name, out)
	}
}

// chain has three clients ask a resolver that forwards to another one.
func chain(t testing.TB, path string) {
	t.Helper()
	n := New(t)
	near, far := n.Host("near", nearest+"/16"), n.Host("far", "192.0.2.153/24")
	near.Route("192.0.2.0/24", "")
	far.Route("10.10.0.0/16", "")
	unbound(t, far, "192.0.2.153", "local-zone: \"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com.\" static\n"+
		"  local-data: \"www.site2.example. A 192.0.2.202\"\n  local-data: \"www.site3.example. A 192.0.2.203\"")
	unbound(t, near, nearest, "do-not-query-localhost: no\nforward-zone:\n  name: \".\"\n  forward-addr: 192.0.2.153\nserver:")
	var clients [3]*Host
	for k := range clients {
		clients[k] = n.Host(fmt.Sprintf("client%d", k), fmt.Sprintf("10.10.1.%d/16", 21+k))
	}
	r := n.Record(path, 0)
	clients[0].ask("www.site2.example")
	clients[1].ask("www.site3.example")
	clients[2].ask(killSwitch)
	r.Stop()
}

// share has a client read a file from Samba, with one version of SMB at most.
func share(version string) func(testing.TB, string) {
	return func(t testing.TB, path string) {
		t.Helper()
		n := New(t)
		server, client := n.Host("server", "10.10.0.20/16"), n.Host("client", "10.10.1.30/16")
		samba(t, server)
		r := n.Record(path, 0)
		client.Run(Patience, "smbclient", "-N", "-s", os.DevNull, "-U", "clerk", "--option=netbios name=WS30", "--option=client min protocol=NT1", "-m", version,
			"//10.10.0.20/wards", "-c", "ls; get plan.txt "+filepath.Join(t.TempDir(), "got"))
		r.Stop()
	}
}

// patchCheck has nmap check Samba, which never had the flaw, for MS17-010.
func patchCheck(t testing.TB, path string) {
	t.Helper()
	n := New(t)
	server, scanner := n.Host("server", "10.10.0.20/16"), n.Host("scanner", "10.10.1.23/16")
	samba(t, server)
	r := n.Record(path, 0)
	out := scanner.Run(Patience, "nmap", "-n", "-Pn", "-p", "445", "--script", "smb-vuln-ms17-010", "-d", "10.10.0.20")
	r.Stop()
	if !strings.Contains(out, "445/tcp open") || strings.Contains(out, "State: VULNERABLE") {
		t.Fatalf("nmap did not find Samba, or finds it vulnerable: %s", out)
	}
}

// samba starts a file server with one share that anyone may read.
func samba(t testing.TB, h *Host) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.txt"), []byte("Ward 4: beds 12, staff 3\n"), 0o644); err != nil { //nolint:gosec // the share's guest reads it
		t.Fatal(err)
	}
	own := t.TempDir()
	text := fmt.Sprintf(`[global]
  netbios name = FILES01
  workgroup = HOSPITAL
  server min protocol = NT1
  map to guest = Bad User
  guest account = root
  interfaces = 10.10.0.20/16
  bind interfaces only = yes
  disable netbios = yes
  smb ports = 445
  load printers = no
  private dir = %[1]s
  lock directory = %[1]s
  state directory = %[1]s
  cache directory = %[1]s
  pid directory = %[1]s
  ncalrpc dir = %[1]s/ncalrpc
  log file = %[1]s/log
[wards]
  path = %[2]s
  guest ok = yes
  read only = yes
`, own, dir)
	conf := filepath.Join(own, "smb.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start("", "smbd", "--foreground", "--no-process-group", "--configfile", conf)
	h.Await("10.10.0.20:445")
}
