//go:build linux

package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// tcpdump alone is measured, with itself: again where the machine is so busy that
// the cable loses frames, which is not a measurement.
func TestTable(t *testing.T) {
	testnet.Need(t)
	var out, messages bytes.Buffer
	capture := filepath.Join("..", "..", "..", "testdata", "pcaps", "outbreak.pcap")
	for end := time.Now().Add(time.Minute); ; {
		err := run([]string{"-wormscope", "", "-runs", "1", "-ring-mb", "64", "-rate", "100000", capture}, &out, &messages)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "came out of the cable") || time.Now().After(end) {
			t.Fatal(err, messages.String())
		}
		out.Reset()
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || strings.Join(strings.Fields(lines[1])[3:6], " ") != "38029 38029 0.000" || !strings.HasSuffix(strings.TrimSpace(lines[1]), " 1.00") {
		t.Errorf("got %s", out.String())
	}
}

func TestMedian(t *testing.T) {
	m := median([]result{{lost: 3, cpu: 1, sent: 5}, {lost: 0, cpu: 9, sent: 5}, {lost: 1, cpu: 5, sent: 5}})
	if m.cpu != 5 || m.lost != 1 || m.nsPerFrame() != 1 {
		t.Errorf("got %+v", m)
	}
}

func TestTcpdumpCounts(t *testing.T) {
	received, lost, err := tcpdumpCounts("3 packets captured\n10 packets received by filter\n6 packets dropped by kernel\n")
	if received != 4 || lost != 6 || err != nil {
		t.Errorf("%d, %d, %v", received, lost, err)
	}
	if _, _, err := tcpdumpCounts("tcpdump: no such device"); err == nil {
		t.Error("no error")
	}
}

// A program that ends at once is not a reader.
func TestAProgramThatEnds(t *testing.T) {
	testnet.Need(t)
	c, err := newCable()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if e := c.remove(); e != nil {
			t.Error(e)
		}
	}()
	_, err = c.start(reader{name: "it", command: []string{"true"}})
	if err == nil || !strings.Contains(err.Error(), "it does not capture") || errors.Unwrap(err) == nil { // there is no reason where time was up
		t.Errorf("got %v", err)
	}
}
