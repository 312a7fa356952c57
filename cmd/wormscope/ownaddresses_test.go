package main

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"wormscope/capture/ring"
	"wormscope/detect/alert"
)

// An idleTap has no interface, and nothing comes.
type idleTap struct{ memorySource }

func (idleTap) Stats() ring.Stats { return ring.Stats{} }
func (idleTap) Settle()           {}
func (idleTap) Stop()             {}
func (idleTap) Close() error      { return nil }

// TestOwnAddressesChange starts a sensor before it has an address, gives it one, and
// then another. Where they can't be found out the last ones hold.
func TestOwnAddressesChange(t *testing.T) {
	out, err := openEvents(&eventSetting{}, io.Discard, true)
	if err != nil {
		t.Fatal(err)
	}
	l := newLiveRun(&settings{}, streams{err: io.Discard})
	if l.p, err = newPipeline(l.s, nil, out, nil, func(int) string { return "small" }); err != nil {
		t.Fatal(err)
	}
	l.source = &idleTap{}
	first, second := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::2")
	now := time.Unix(1_500_000_000, 0)
	for i, step := range []struct {
		has string
		err error
		own netip.Addr
	}{
		{"127.0.0.1/8", nil, netip.Addr{}},
		{"10.0.0.1/24", nil, first},
		{"fd00::2/64", nil, second},
		{"10.0.0.1/24", errors.New("no more sockets"), second},
	} {
		l.addresses = func() ([]net.Addr, error) {
			ip, network, _ := net.ParseCIDR(step.has)
			network.IP = ip
			return []net.Addr{network}, step.err
		}
		l.heed(now.Add(time.Duration(i) * noteEvery))
		for _, a := range []netip.Addr{first, second, netip.MustParseAddr("127.0.0.1")} {
			if own := l.p.ownTraffic(&alert.Alert{Rule: alert.RuleDomain, Host: a}); own != (a == step.own) {
				t.Errorf("step %d: a look-up of %s is the machine's own: %t", i, a, own)
			}
		}
	}
}
