package exposure

import (
	"testing"

	"wormscope/capture/packet"
)

// TestDataWithoutAnswer: a segment that opens or refuses a connection may carry
// data, and shows no server.
func TestDataWithoutAnswer(t *testing.T) {
	for what, flags := range map[string]packet.Flags{
		"SYN from source port 445": packet.SYN,
		"RST with its reason":      packet.RST | packet.ACK,
	} {
		b := newBench(t, Config{})
		b.send("10.2.0.1:445", "10.1.0.9:50000", flags, 1, 40)
		b.Close(b.now)
		if len(b.lines) != 0 {
			t.Errorf("%s: %v", what, b.lines)
		}
	}
}
