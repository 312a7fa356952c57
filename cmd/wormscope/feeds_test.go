package main

import (
	"testing"

	"wormscope/ioc"
)

// TestFeedOptions has settings in words that are not those of events.
func TestFeedOptions(t *testing.T) {
	f := feedSetting{Path: "list.txt", Class: "Kill_Switch", TLP: "tlp:amber+strict"}
	o, err := f.options()
	if err != nil || o.Class != ioc.KillSwitch || o.TLP != "AMBER+STRICT" {
		t.Errorf("%+v, %v", o, err)
	}
	for _, f := range []feedSetting{{TLP: "PINK"}, {Class: "bad"}} {
		if _, err := f.options(); err == nil {
			t.Errorf("%+v is no error", f)
		}
	}
}
