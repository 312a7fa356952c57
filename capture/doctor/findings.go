package doctor

import (
	"fmt"
	"strings"
	"time"

	"wormscope/capture/packet"
	"wormscope/internal/plural"
)

// With fewer frames, or connections, nothing can be said.
const (
	fewestFrames = 20
	fewestFlows  = 10
)

// Loss is what the kernel counted while frames were captured.
type Loss struct {
	Dropped uint64
	Freezes uint64
	Losses  uint64 // of the interface
	Ring    int    // bytes of the ring
	// NoPromiscuous is why the interface takes in only what is sent to it; nil
	// when it takes in everything.
	NoPromiscuous error
}

// Findings says what of the traffic needs attention.
func (t *Traffic) Findings(name string, loss Loss) []Finding {
	return []Finding{
		loss.promiscuous(), t.rate(name, loss), t.drops(loss), t.mirror(), t.directions(), t.duplicates(), t.tags(), t.tunnels(), t.undecoded(), t.cut(), t.insidersSeen(),
	}
}

func (l *Loss) promiscuous() Finding {
	f := Finding{Check: "promiscuous", Status: OK, Text: "the interface takes in frames for others"}
	if l.NoPromiscuous != nil {
		f.Status, f.Text = Warning, "the interface takes in only frames sent to itself: "+l.NoPromiscuous.Error()
		f.Do = "let the virtual switch, or whoever owns the card, allow promiscuous mode"
	}
	return f
}

func (t *Traffic) seconds() float64 { return time.Duration(t.last - t.first).Seconds() }

// rate says how much traffic there is, and how long the ring lasts at that rate.
func (t *Traffic) rate(name string, loss Loss) Finding {
	const overhead = 131 // bytes that a frame takes in the ring besides itself
	f := Finding{Check: "traffic", Status: OK, Counts: map[string]uint64{"frames": t.frames, "bytes": t.bytes}}
	if t.frames == 0 {
		f.Status, f.Text = Warning, "nothing was received"
		f.Do = "set up the mirror on the switch (see span.md); tcpdump -i " + name + " shows the same"
		return f
	}
	f.Text = fmt.Sprintf("%s, %d bytes", plural.Count(t.frames, "frame", "frames"), t.bytes)
	seconds := t.seconds()
	if t.frames < fewestFrames || seconds < 0.1 {
		return f
	}
	f.Text = fmt.Sprintf("%.0f frames and %.2f Mbit a second", float64(t.frames)/seconds, float64(t.bytes)*8/1e6/seconds)
	filled := float64(t.bytes+overhead*t.frames) / seconds
	if loss.Ring > 0 {
		lasts := float64(loss.Ring) / filled
		f.Counts["ring_lasts_ms"] = uint64(lasts * 1000)
		f.Text += fmt.Sprintf("; a ring of %d MiB lasts %s of it", loss.Ring>>20, time.Duration(min(lasts, 3600)*1e9).Round(time.Millisecond))
		if lasts < 0.05 {
			f.Status = Warning
			f.Do = "give live a larger ring (--ring-mb)"
		}
	}
	return f
}

func (t *Traffic) drops(loss Loss) Finding {
	f := Finding{
		Check: "drops", Status: OK, Text: "nothing was lost between the kernel and here",
		Counts: map[string]uint64{"dropped": loss.Dropped, "freezes": loss.Freezes},
	}
	if loss.Dropped > 0 {
		f.Status = Warning
		f.Text = fmt.Sprintf("%s lost, %.2f%%: the ring was full", plural.Count(loss.Dropped, "frame was", "frames were"), share(loss.Dropped, loss.Dropped+t.frames))
		f.Do = "give live a larger ring (--ring-mb), a core of its own, or --kernel-filter"
	}
	return f
}

// mirror tells a mirror port from any other: it shows frames between others.
func (t *Traffic) mirror() Finding {
	f := Finding{Check: "mirror", Status: OK, Counts: map[string]uint64{"between_others": t.foreign, "to_all": t.group}}
	switch {
	case t.frames < fewestFrames:
		f.Status, f.Text = Unknown, "too little traffic to tell"
	case share(t.foreign, t.frames) < 1:
		f.Status = Warning
		f.Text = "only broadcasts and this machine's own frames are seen: this is no mirror port"
		f.Do = "set up the mirror on the switch (see span.md), with this port as its destination"
	default:
		f.Text = fmt.Sprintf("%.0f%% of the frames are between other hosts", share(t.foreign, t.frames))
	}
	return f
}

// directions finds a tap that shows one direction of connections only.
func (t *Traffic) directions() Finding {
	var whole, oneSided uint64
	for _, s := range t.flows {
		switch {
		case s.low && s.high:
			whole++
		case s.segments > 1:
			oneSided++
		}
	}
	f := Finding{Check: "directions", Status: OK, Counts: map[string]uint64{"both": whole, "one": oneSided}}
	part := share(oneSided, whole+oneSided)
	switch {
	case whole+oneSided < fewestFlows:
		f.Status, f.Text = Unknown, "too few TCP connections to tell"
	case part > 98:
		f.Status = Warning
		f.Text = fmt.Sprintf("%.0f%% of %d TCP connections show one direction only", part, whole+oneSided)
		f.Do = "mirror both directions (rx and tx, or both), and connect both lines of a tap: what scans come to and whether a check was answered can't be told otherwise"
	case part > 30:
		f.Status = Warning
		f.Text = fmt.Sprintf("%.0f%% of %d TCP connections show one direction only: part of the traffic takes another way", part, whole+oneSided)
		f.Do = "mirror the other way, too: the other link of a bundle, the other router of a pair; live takes several interfaces (-i)"
	default:
		f.Text = fmt.Sprintf("both directions are seen of %.0f%% of %d TCP connections", 100-part, whole+oneSided)
	}
	return f
}

// duplicates finds a span that copies a packet on the way in and on the way out.
func (t *Traffic) duplicates() Finding {
	c := &t.copies
	all := c.same + c.routed + c.moved
	f := Finding{
		Check: "duplicates", Status: OK, Text: fmt.Sprintf("%.1f%% of the packets come twice", share(all, t.packets)),
		Counts: map[string]uint64{"same_frame": c.same, "other_ttl": c.routed, "other_frame": c.moved},
	}
	switch {
	case t.packets < fewestFrames:
		f.Status, f.Text = Unknown, "too little traffic to tell"
	case share(all, t.packets) >= 2:
		f.Status = Warning
		f.Text = fmt.Sprintf("%.0f%% of the packets come twice (%d the same frame, %d with another time to live, %d in another frame)", share(all, t.packets), c.same, c.routed, c.moved)
		f.Do = "results are right all the same, but the load is higher: mirror each port or VLAN in one direction only (rx), or leave out one side of the router"
	}
	return f
}

// tunnels says what encapsulations were looked into.
func (t *Traffic) tunnels() Finding {
	f := Finding{Check: "tunnels", Status: OK, Text: "no tunnels", Counts: map[string]uint64{}}
	if t.frames == 0 {
		f.Status, f.Text = Unknown, "too little traffic to tell"
	}
	var names []string
	stats := t.decoder.Stats()
	for e, n := range stats.Encaps {
		if e := packet.Encap(e); n > 0 && e != packet.VLAN {
			f.Counts[e.String()] = n
			names = append(names, fmt.Sprintf("%s (%d)", e, n))
		}
	}
	if len(names) > 0 {
		f.Text = "looked into " + strings.Join(names, ", ")
	}
	return f
}

// undecoded says how many frames could not be decoded, and why. Frames that are no
// IP do not count.
func (t *Traffic) undecoded() Finding {
	f := Finding{Check: "undecoded", Status: OK, Counts: map[string]uint64{}}
	stats := t.decoder.Stats()
	var all uint64
	var reasons []string
	for reason, n := range stats.Undecoded() {
		f.Counts[reason] = n
		all += n
		reasons = append(reasons, fmt.Sprintf("%s (%d)", reason, n))
	}
	part := share(all, t.frames)
	f.Text = fmt.Sprintf("%.1f%% of the frames can't be read", part)
	if len(reasons) > 0 {
		f.Text += ": " + strings.Join(reasons, ", ")
	}
	switch {
	case t.frames < fewestFrames:
		f.Status = Unknown
	case part >= 1:
		f.Status = Warning
		f.Do = "see capturing.md for what is read; a mirror that truncates, or a tunnel of another kind, shows here"
	}
	return f
}

func (t *Traffic) cut() Finding {
	f := Finding{
		Check: "whole", Status: OK, Text: fmt.Sprintf("frames come whole, the largest has %d bytes", t.largest),
		Counts: map[string]uint64{"cut": t.truncated, "largest": uint64(max(t.largest, 0))},
	}
	switch {
	case t.frames == 0:
		f.Status, f.Text = Unknown, "too little traffic to tell"
	case t.truncated > 0:
		f.Status = Warning
		f.Text = fmt.Sprintf("%.1f%% of the frames are cut short", share(t.truncated, t.frames))
		f.Do = "let the mirror copy whole frames: names and SMB can't be read otherwise"
	}
	return f
}

// insidersSeen says whether inside addresses are in the traffic.
func (t *Traffic) insidersSeen() Finding {
	f := Finding{Check: "inside", Status: OK, Counts: map[string]uint64{"inside": t.insiders, "packets": t.packets}}
	f.Text = fmt.Sprintf("%.0f%% of the packets have an end that counts as inside", share(t.insiders, t.packets))
	switch {
	case t.packets < fewestFrames:
		f.Status, f.Text = Unknown, "too little traffic to tell"
	case share(t.insiders, t.packets) < 1:
		f.Status = Warning
		f.Text = "hardly any packet has an end that counts as inside"
		f.Do = "say with --internal which addresses are yours, or look whether the right network is mirrored"
	}
	return f
}

// A Clock is what is known of the clocks of the system and of frames' time stamps.
type Clock struct {
	Known        bool          // the system says whether its clock is synchronised
	Synchronised bool          // what it says
	Behind       time.Duration // how far time stamps are behind the wall clock when frames are read, the median
	Ahead        uint64        // frames whose time stamp is more than 10 ms ahead of it
	Frames       uint64        // frames that were looked at
}

// Finding says whether times can be compared with those of other machines.
func (c *Clock) Finding() Finding {
	f := Finding{Check: "clock", Status: OK, Counts: map[string]uint64{"behind_us": uint64(max(c.Behind, 0) / time.Microsecond), "ahead": c.Ahead}}
	f.Text = "the clock is synchronised"
	switch {
	case !c.Known:
		f.Status, f.Text = Unknown, "the system does not tell whether its clock is synchronised"
	case !c.Synchronised:
		f.Status, f.Text = Warning, "the clock is not synchronised: times can't be compared with those of other machines"
		f.Do = "timedatectl set-ntp true, or start chrony"
	}
	switch {
	case c.Frames == 0:
		return f
	case c.Ahead > 0 || c.Behind > 2*time.Second:
		f.Status = Warning
		f.Text += fmt.Sprintf("; frames are %v behind the clock, %d of them ahead of it: the card stamps them by a clock of its own", c.Behind.Round(time.Millisecond), c.Ahead)
		f.Do = strings.TrimPrefix(f.Do+"; turn off time stamps of the card, or let phc2sys set its clock", "; ")
	default:
		f.Text += fmt.Sprintf("; frames are read %v after their time stamp", c.Behind.Round(100*time.Microsecond))
	}
	return f
}
