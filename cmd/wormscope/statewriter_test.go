package main

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"wormscope/detect/alert"
	"wormscope/scope/store"
)

// counter counts what a store knows.
type counter struct{ alerts, facts int }

func (c *counter) Alert(alert.Alert) { c.alerts++ }
func (c *counter) Fact(alert.Fact)   { c.facts++ }

// TestStateWriterWritesAll hands over words in many batches, of which some
// come while the last one is being written.
func TestStateWriterWritesAll(t *testing.T) {
	db, err := store.Open(t.TempDir(), time.Now(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db.Begin(func(int) string { return "eth0" }, nil)
	k := &state{store: db}
	k.startWriter()
	const n = 5000
	for i := range n {
		at := time.Unix(int64(i), 0).UTC()
		host := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		k.alert(alert.Alert{ID: strconv.Itoa(i), Rule: alert.RuleScan, Host: host, Time: at, First: at, Last: at}, 0)
		k.fact(alert.Fact{Kind: alert.FactResolver, Host: host, Time: at}, 0)
		if i%100 == 0 {
			k.flushed = time.Time{} // as if a second had passed
			if err := k.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	k.stopWriter()
	var found counter
	if err := db.Load(&found); err != nil {
		t.Fatal(err)
	}
	if found.alerts != n || found.facts != n {
		t.Errorf("%+v of %d each", found, n)
	}
	if err := k.close(); err != nil {
		t.Error(err)
	}
}
