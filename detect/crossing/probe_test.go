package crossing

import (
	"strings"
	"testing"

	"wormscope/capture/packet"
)

// TestProbesOpenNothing: a FIN without ACK closes no connection, so a port scan
// that nobody answers does not show a border that is open.
func TestProbesOpenNothing(t *testing.T) {
	const client, server = "10.1.0.9:50000", "10.2.0.1:445"
	for what, flags := range map[string]packet.Flags{"FIN": packet.FIN, "Xmas": packet.FIN | packet.PSH | packet.URG} {
		b := newBench(t, Config{})
		b.send(client, server, packet.SYN, 1)
		b.send(client, server, flags, 2)
		b.now += 30 * second
		b.Tick(b.now)
		b.Close(b.now)
		if got := strings.Join(b.lines, "\n"); strings.Contains(got, "open") || !strings.Contains(got, "blocked") {
			t.Errorf("after a SYN and a %s probe:\n%s", what, got)
		}
	}
}
