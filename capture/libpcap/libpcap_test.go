//go:build libpcap && linux

package libpcap_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"wormscope/capture"
	"wormscope/capture/libpcap"
	"wormscope/capture/ring"
	"wormscope/internal/livetest"
	"wormscope/internal/testnet"
)

func TestLibpcap(t *testing.T) { livetest.Run(t, open("")) }

// open opens sources that read in the namespace in which they were opened,
// where libpcap has to look for an interface that was gone.
func open(expression string) livetest.Opener {
	return func(o ring.Options) (livetest.Source, error) {
		s, err := libpcap.Open(o, expression)
		if err != nil {
			return nil, err
		}
		there, err := namespace()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		return &inside{s, there}, nil
	}
}

func namespace() (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
}

// An inside reads in a namespace.
type inside struct {
	*libpcap.Source
	there *os.File
}

// Next implements livetest.Source.
func (s *inside) Next(f *capture.Frame) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := namespace()
	if err != nil {
		return err
	}
	defer here.Close()
	if err = unix.Setns(int(s.there.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = s.Source.Next(f)
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back) // the thread must not run anything else
	}
	return err
}

// A filter in tcpdump's syntax holds back what does not match.
func TestExpression(t *testing.T) {
	p := testnet.NewPair(t)
	tap := open("greater 100 and not greater 250").Open(t, p, livetest.Small(testnet.Right))
	p.Sender(testnet.Left).Send(livetest.Frame(0, 60), livetest.Frame(1, 200), livetest.Frame(2, 300))
	tap.Stop()
	if n := tap.Rest(); n != 1 {
		t.Errorf("%d frames", n)
	}
	err := p.Inside(func() error { _, err := libpcap.Open(livetest.Small(testnet.Right), "port and"); return err })
	if err == nil || !strings.Contains(err.Error(), `right: the filter "port and": `) {
		t.Errorf("got %v", err)
	}
}
