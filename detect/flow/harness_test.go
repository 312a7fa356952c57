package flow

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"wormscope/capture/packet"
	"wormscope/internal/ip"
)

const (
	second = int64(time.Second)
	ms     = int64(time.Millisecond)
)

// transcript writes down what a consumer is told.
type transcript struct {
	info  Info
	lines []string
}

func (c *transcript) Data(dir Dir, b []byte, at Segment) {
	c.lines = append(c.lines, fmt.Sprintf("%d:%s@%d", dir, b, at.Frame.Number))
}

func (c *transcript) Gap(dir Dir, n int) { c.lines = append(c.lines, fmt.Sprintf("%d:gap %d", dir, n)) }

func (c *transcript) Close() { c.lines = append(c.lines, "close") }

// bench is a table whose consumers write transcripts, and a hand that makes
// segments for it.
type bench struct {
	*Table
	opened []*transcript
	number uint64
	now    int64
}

func newBench(cfg Config) *bench {
	b := &bench{now: 1000 * second}
	b.Table = New(cfg, func(i Info) Consumer {
		c := &transcript{info: i}
		b.opened = append(b.opened, c)
		return c
	})
	return b
}

var (
	client = netip.MustParseAddrPort("10.0.0.9:40000")
	server = netip.MustParseAddrPort("10.0.0.2:445")
)

// send gives the table a segment a millisecond after the last; server says
// who sends it.
func (b *bench) send(fromServer bool, flags packet.Flags, seq, ack uint32, data string) {
	b.number++
	b.now += ms
	p := packet.Packet{
		Time: b.now, Src: ip.FromPort(client), Dst: ip.FromPort(server), Proto: packet.ProtoTCP, Flags: flags, Seq: seq, Ack: ack,
		Payload: []byte(data), PayloadLen: len(data), Number: b.number,
	}
	if fromServer {
		p.Src, p.Dst = p.Dst, p.Src
	}
	b.Packet(&p)
}

// wait lets time pass.
func (b *bench) wait(d int64) {
	b.now += d
	b.Tick(b.now)
}

func (b *bench) transcript() string {
	var all []string
	for _, c := range b.opened {
		all = append(all, strings.Join(c.lines, " "))
	}
	return strings.Join(all, " | ")
}
