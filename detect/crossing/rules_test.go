package crossing

import (
	"fmt"
	"testing"
)

// TestManyRules: of the rules of a policy that closes each of many zones to each
// other one, and to all, few are looked at for a connection.
func TestManyRules(t *testing.T) {
	const zones = 100
	name := func(i int) string { return fmt.Sprint("zone", i) }
	var closed []Rule
	for i := range zones {
		closed = append(closed, Rule{From: Any, To: name(i), Ports: []uint16{139}})
		for j := range zones {
			if i != j {
				closed = append(closed, Rule{From: name(i), To: name(j), Ports: []uint16{445}})
			}
		}
	}
	closed = append(closed, Rule{From: Any, To: Any, Ports: []uint16{23}})
	x := newRules(closed)
	for _, from := range []int{0, 7, zones - 1} {
		n := 0
		for _, list := range x.about(name(from), name(8)) {
			n += len(list)
		}
		if n > zones+1 {
			t.Errorf("%d of %d rules are looked at", n, len(closed))
		}
		for _, port := range []uint16{445, 139, 23} {
			if !x.close(name(from), name(8), pair{port: port}) {
				t.Errorf("port %d is open from zone %d to zone 8", port, from)
			}
			if x.close(name(8), name(8), pair{port: port}) {
				t.Errorf("port %d is closed within zone 8", port)
			}
		}
		if x.close("other", name(8), pair{port: 445}) || x.close(name(from), name(8), pair{port: 22}) {
			t.Error("what no rule closes is closed")
		}
	}
}
