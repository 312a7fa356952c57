package doctor_test

import (
	"testing"

	"wormscope/capture/doctor"
	"wormscope/internal/testnet"
)

// TestInspectAlternativeName asks about an interface by an alternative name.
func TestInspectAlternativeName(t *testing.T) {
	p := testnet.NewPair(t)
	p.IP("link", "property", "add", "dev", testnet.Right, "altname", "beside")
	p.IP("link", "set", testnet.Right, "mtu", "1234")
	var l *doctor.Link
	if err := p.Inside(func() (err error) { l, err = doctor.Inspect("beside"); return err }); err != nil {
		t.Fatal(err)
	}
	if l.Name != "beside" || l.MTU != 1234 || !l.Up {
		t.Errorf("got %+v", l)
	}
}
