package doctor

import (
	"fmt"
	"net"
	"strings"

	"wormscope/internal/plural"
)

// A Link is what the system says of an interface.
type Link struct {
	Name      string
	Up        bool             // it is set up
	Carrier   bool             // it has a link
	Losses    uint64           // how often it went down or away while it was listened to
	Loopback  bool             // it is the loopback interface
	MTU       int              // bytes
	MAC       net.HardwareAddr // empty where there is none
	Addresses []string         // IP addresses with the length of their prefix
	Offloads  Offloads
	RxRing    RingSize
}

// Offloads are what the card, or the kernel in its place, does with frames before
// they are captured. Known is false where the driver does not say.
type Offloads struct {
	Known              bool
	GRO, LRO, TSO, GSO bool
}

// RingSize is how many frames the card's receive ring holds now and can hold at
// most; 0 where the driver does not let it be set.
type RingSize struct{ Now, Most uint32 }

// Findings says what of the link needs attention.
func (l *Link) Findings() []Finding {
	return []Finding{l.state(), l.offloads(), l.ring(), l.mtu(), l.addresses()}
}

func (l *Link) state() Finding {
	f := Finding{Check: "link", Status: OK, Text: "the interface is up and has a link"}
	switch {
	case !l.Up:
		f.Status, f.Text = Warning, "the interface is down"
		f.Do = "ip link set " + l.Name + " up"
	case !l.Carrier:
		f.Status, f.Text = Warning, "the interface has no link"
		f.Do = "look at the cable and at the port of the switch: a mirror port must be enabled like any other"
	case l.Losses > 0:
		f.Status, f.Text = Warning, "the interface went down or away, or lost its link, "+plural.Count(l.Losses, "time", "times")+" meanwhile"
		f.Do = "find out why: the system's log, the cable, the port of the switch; then look again"
	}
	return f
}

// offloads warns where received segments are put together: they are read whole,
// but are not what was on the wire.
func (l *Link) offloads() Finding {
	f := Finding{Check: "offloads", Status: OK, Text: "received segments are not put together (GRO and LRO are off)"}
	var on []string
	for _, o := range []struct {
		name string
		on   bool
	}{{"gro", l.Offloads.GRO}, {"lro", l.Offloads.LRO}} {
		if o.on {
			on = append(on, o.name)
		}
	}
	switch {
	case !l.Offloads.Known:
		f.Status, f.Text = Unknown, "the driver does not tell about offloads"
	case len(on) > 0:
		f.Status = Warning
		puts := strings.ToUpper(on[0]) + " puts"
		if len(on) > 1 {
			puts = "GRO and LRO put"
		}
		f.Text = puts + " received segments together: all of them are read, but packets are fewer and larger than on the wire, and time stamps are later"
		f.Do = "ethtool -K " + l.Name + " " + strings.Join(on, " off ") + " off"
	}
	f.Counts = map[string]uint64{"gro": flag(l.Offloads.GRO), "lro": flag(l.Offloads.LRO), "tso": flag(l.Offloads.TSO), "gso": flag(l.Offloads.GSO)}
	return f
}

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

func (l *Link) ring() Finding {
	f := Finding{
		Check: "card-ring", Status: OK, Text: fmt.Sprintf("the card's ring holds %d frames, the most it can", l.RxRing.Now),
		Counts: map[string]uint64{"now": uint64(l.RxRing.Now), "most": uint64(l.RxRing.Most)},
	}
	switch {
	case l.RxRing.Most == 0:
		f.Status, f.Text = Unknown, "the driver has no ring to set"
	case l.RxRing.Now < l.RxRing.Most:
		f.Status = Warning
		f.Text = fmt.Sprintf("the card's ring holds %d frames and could hold %d: bursts are lost before the kernel sees them", l.RxRing.Now, l.RxRing.Most)
		f.Do = fmt.Sprintf("ethtool -G %s rx %d", l.Name, l.RxRing.Most)
	}
	return f
}

// mtu warns of a small MTU: a mirrored frame is as large as on the port it comes
// from, and larger with the tag or tunnel of the mirror.
func (l *Link) mtu() Finding {
	const plain, roomy = 1500, 1600
	f := Finding{Check: "mtu", Status: OK, Text: fmt.Sprintf("the MTU is %d", l.MTU), Counts: map[string]uint64{"mtu": uint64(max(l.MTU, 0))}}
	switch {
	case l.MTU < plain:
		f.Status = Warning
		f.Text = fmt.Sprintf("the MTU is %d: many cards drop larger frames", l.MTU)
		f.Do = fmt.Sprintf("ip link set %s mtu 9000", l.Name)
	case l.MTU < roomy:
		f.Text += ", enough for plain Ethernet; give it 9000 where the mirror uses jumbo frames or ERSPAN"
	}
	return f
}

// addresses warns of IP addresses: a sensor only listens and needs none, and with
// one the system may send on the interface.
func (l *Link) addresses() Finding {
	f := Finding{Check: "silent", Status: OK, Text: "the interface has no IP address: nothing is sent from it"}
	switch {
	case l.Loopback:
		f.Status, f.Text = Unknown, "the loopback interface shows this machine's own traffic only"
	case len(l.Addresses) > 0:
		f.Status = Warning
		f.Text = "the interface has addresses (" + strings.Join(l.Addresses, ", ") + "): this machine may speak on it, and its own traffic is seen"
		f.Do = fmt.Sprintf("ip addr flush dev %s; sysctl -w net.ipv6.conf.%s.disable_ipv6=1", l.Name, l.Name)
	}
	return f
}
