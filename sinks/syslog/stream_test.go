package syslog

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestResetIsSaid: of a connection that the receiver has reset, that is said, and
// not that this side can no longer be closed, however late the reset is read.
func TestResetIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	raw := conn.(*net.TCPConn)
	s := &stream{conn: conn, raw: raw, timeout: time.Minute, ended: make(chan struct{})}
	if err = other.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err = other.Close(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, s.listen)
	if err = s.finish(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}
