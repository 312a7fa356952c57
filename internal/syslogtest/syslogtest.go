// Package syslogtest runs a real rsyslogd for tests, on loopback, with a
// configuration and files of its own.
package syslogtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wormscope/internal/needs"
	"wormscope/internal/testca"
	"wormscope/internal/testnet"
)

// A Server is an rsyslogd that writes what it receives, as it came, to a file.
// It takes messages over UDP, over TCP, over TLS, and over TLS from clients
// with a certificate of the authority. It escapes control characters, as it
// does unless it is told otherwise.
type Server struct {
	UDP, TCP, TLS, Mutual string // its addresses; they stay the same when it is started again

	t       testing.TB
	program string
	dir     string
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
}

// Start runs the server until the test ends. It needs rsyslogd with its
// gnutls driver; a test that lacks it is skipped, or fails where CI is set.
func Start(t testing.TB, ca *testca.CA, server testca.Pair) *Server {
	t.Helper()
	s := &Server{t: t, program: needs.Tools(t, "rsyslogd"), dir: t.TempDir()}
	addresses := []*string{&s.UDP, &s.TCP, &s.TLS, &s.Mutual}
	for i, port := range testnet.FreePorts(t, len(addresses)) {
		*addresses[i] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	text := fmt.Sprintf(configuration, ca.File, server.Cert, server.Key, s.dir,
		port(s.UDP), port(s.TCP), port(s.TLS), port(s.Mutual), s.out())
	if err := os.WriteFile(filepath.Join(s.dir, "rsyslog.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Run()
	return s
}

// The main queue is direct: what a connection brings is in the file before
// more of it is read.
const configuration = `global(
  defaultNetstreamDriverCAFile="%s" defaultNetstreamDriverCertFile="%s" defaultNetstreamDriverKeyFile="%s"
  workDirectory="%s" maxMessageSize="64k" internalmsg.ratelimit.burst="10000")
main_queue(queue.type="Direct")
module(load="imudp")
module(load="imtcp")
template(name="raw" type="string" string="%%rawmsg%%\n")
input(type="imudp" address="127.0.0.1" port="%s" rcvbufSize="4m")
input(type="imtcp" address="127.0.0.1" port="%s")
input(type="imtcp" address="127.0.0.1" port="%s" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="%s" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid" gnutlsPriorityString="NORMAL")
if $inputname == "rsyslogd" then action(type="omfile" file="%[4]s/messages" template="raw")
else action(type="omfile" file="%[9]s" template="raw")
`

func (s *Server) out() string { return filepath.Join(s.dir, "received") }

// Run starts the process, again if it has ended, and waits until it listens.
func (s *Server) Run() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the process has it
	if err := os.RemoveAll(filepath.Join(s.dir, "pid")); err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(s.program, "-n", "-f", filepath.Join(s.dir, "rsyslog.conf"), "-i", filepath.Join(s.dir, "pid")) //nolint:noctx // it is ended by Kill
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.done = done
	cmd := s.cmd
	go func() {
		_ = cmd.Wait() // how it ended says nothing: it was told to
		close(done)
	}()
	s.Eventually("it listens", s.listens)
}

// listens connects to each port; of UDP the kernel knows.
func (s *Server) listens() error {
	for _, addr := range []string{s.TCP, s.TLS, s.Mutual} {
		c, err := net.Dial("tcp", addr) //nolint:noctx // loopback
		if err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	table, err := os.ReadFile("/proc/thread-self/net/udp")
	if err != nil {
		return err
	}
	addr, err := net.ResolveUDPAddr("udp", s.UDP)
	if err != nil {
		return err
	}
	if !bytes.Contains(table, fmt.Appendf(nil, " 0100007F:%04X ", addr.Port)) {
		return fmt.Errorf("nothing has UDP port %d", addr.Port)
	}
	return nil
}

// Kill ends the process at once, as a crash would, and waits for its end.
func (s *Server) Kill() { s.signal(syscall.SIGKILL); <-s.done }

// Stop ends the process in order and waits for its end.
func (s *Server) Stop() { s.signal(syscall.SIGTERM); <-s.done }

// Pause stops the process where it is: it hangs. It waits until all of its threads
// have stopped, which a busy machine takes a while for.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	s.Eventually("it stops", s.stopped)
}

// stopped says which thread of the process runs (proc(5)).
func (s *Server) stopped() error {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid)) // the pattern is well formed
	for _, path := range threads {
		stat, _ := os.ReadFile(path) // a thread that has ended no longer runs
		if _, after, ok := strings.Cut(string(stat), ") "); ok && !strings.HasPrefix(after, "T") {
			return fmt.Errorf("%s: %s", path, stat)
		}
	}
	return nil
}

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig) // it may have ended before
}

// Received returns the messages that are in the file so far, in order. A line
// that is not whole yet is left out.
func (s *Server) Received() []string {
	s.t.Helper()
	text, err := os.ReadFile(s.out())
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// Log is what the process said.
func (s *Server) Log() string {
	var all []byte
	for _, name := range []string{"log", "messages"} {
		if text, err := os.ReadFile(filepath.Join(s.dir, name)); err == nil {
			all = append(all, text...)
		}
	}
	return string(all)
}

// Eventually is testnet.Eventually that also says what the process logged.
func (s *Server) Eventually(what string, check func() error) {
	s.t.Helper()
	testnet.Eventually(s.t, what, func() error {
		if err := check(); err != nil {
			return fmt.Errorf("%w\nrsyslogd: %s", err, s.Log())
		}
		return nil
	})
}

func port(addr string) string {
	_, p, _ := strings.Cut(addr, ":")
	return p
}
