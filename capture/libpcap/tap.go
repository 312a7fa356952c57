//go:build libpcap

package libpcap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/gopacket/pcap"

	"wormscope/capture"
	"wormscope/capture/ring"
)

// snapLen is libpcap's MAXIMUM_SNAPLEN, so that frames are captured whole.
const snapLen = 262_144

// harvestEvery is after how many frames libpcap is asked for its counts.
const harvestEvery = 4096

// A tap is one interface, by its name.
type tap struct {
	source *Source
	name   string
	number int
	handle *pcap.Handle // nil while the interface is down
	link   capture.LinkType
	held   bool          // head is there
	head   capture.Frame // the next frame
	since  time.Time     // when it was read
	empty  time.Time     // no frame from before this time is missing
	asked  time.Time     // when it was last asked and had no frame
	looked time.Time     // when the interface was looked up
	failed time.Time     // when libpcap first returned an error, zero if it did not
	why    error         // that error
	before uint64        // drops of earlier handles
	state  struct {      // for any goroutine
		frames, bytes, cut, dropped atomic.Uint64
		losses, returns             atomic.Uint64
		last                        atomic.Int64
		down                        atomic.Bool
	}
}

// errDown says that an interface is there and not up.
var errDown = errors.New("the interface is down")

// open makes a handle.
func (t *tap) open() error {
	inactive, err := pcap.NewInactiveHandle(t.name)
	if err != nil {
		return err
	}
	defer inactive.CleanUp()
	o := &t.source.options
	timeout := o.BlockTimeout
	if len(o.Interfaces) > 1 {
		timeout = askFor // a read of one that has nothing keeps the others waiting
	}
	err = errors.Join(inactive.SetSnapLen(snapLen), inactive.SetPromisc(!o.NoPromiscuous),
		inactive.SetTimeout(timeout), inactive.SetBufferSize(o.BlockSize*o.Blocks))
	if err != nil {
		return err
	}
	handle, err := inactive.Activate()
	if err != nil {
		if strings.Contains(strings.ToLower(err.Error()), "not up") {
			return errDown
		}
		return err
	}
	if err := t.prepare(handle); err != nil {
		handle.Close()
		return err
	}
	t.handle, t.failed = handle, time.Time{}
	return nil
}

// prepare sets what can be set on an active handle only.
func (t *tap) prepare(h *pcap.Handle) error {
	t.link = linkType(int(h.LinkType()))
	if t.source.options.NoOutgoing {
		if err := h.SetDirection(pcap.DirectionIn); err != nil {
			return fmt.Errorf("leave out what goes out: %w", err)
		}
	}
	if t.source.expression != "" {
		if err := h.SetBPFFilter(t.source.expression); err != nil {
			return fmt.Errorf("the filter %q: %w", t.source.expression, err)
		}
		return nil
	}
	if len(t.source.options.Filter) == 0 {
		return nil
	}
	program := make([]pcap.BPFInstruction, 0, len(t.source.options.Filter))
	for _, i := range t.source.options.Filter {
		program = append(program, pcap.BPFInstruction{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	if err := h.SetBPFInstructionFilter(program); err != nil {
		return fmt.Errorf("attach the filter: %w", err)
	}
	return nil
}

// linkType turns a DLT_ value into one of the registry: they differ where
// systems could not agree (https://www.tcpdump.org/linktypes.html).
func linkType(dlt int) capture.LinkType {
	l := capture.LinkType(dlt) //nolint:gosec // below 65536
	if l == capture.LinkRawBSD || l == capture.LinkRawOBSD {
		return capture.LinkRaw
	}
	return l
}

// forbidden reports whether libpcap says that privileges are missing.
func forbidden(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "permission") || strings.Contains(text, "not permitted")
}

// explain adds what to do to what libpcap says.
func explain(err error, name string) error {
	text := strings.ToLower(err.Error())
	switch {
	case forbidden(err):
		return fmt.Errorf("capturing needs privileges: run as root, or on Linux give the program CAP_NET_RAW (setcap cap_net_raw+ep FILE): %w", err)
	case strings.Contains(text, "no such device"):
		return fmt.Errorf("there is no interface %q; there are %s", name, strings.Join(names(), ", "))
	}
	return err
}

// names returns the interfaces that libpcap can capture from.
func names() (all []string) {
	devices, err := pcap.FindAllDevs()
	if err != nil {
		return nil
	}
	for _, d := range devices {
		all = append(all, d.Name)
	}
	return all
}

// ask reports whether it is time to look for a frame. While others have some,
// one that has none is asked now and then.
func (t *tap) ask(nobodyWaits bool) bool {
	return nobodyWaits || time.Since(t.asked) >= askEvery
}

// read looks for a frame, and waits a little for one.
func (t *tap) read() error {
	if t.handle == nil {
		return t.find()
	}
	began := time.Now()
	data, info, err := t.handle.ZeroCopyReadPacketData()
	switch {
	case err == nil:
		t.held, t.since = true, time.Now()
		t.head = capture.Frame{Time: info.Timestamp.UnixNano(), Data: data, Len: info.Length, Link: t.link, File: t.number}
		return nil
	case errors.Is(err, pcap.NextErrorTimeoutExpired):
	case t.failed.IsZero():
		t.failed, t.why = time.Now(), err
		if said := t.handle.Error(); said != nil {
			t.why = said // more precise than err
		}
	}
	t.empty, t.asked = began, time.Now()
	// Frames from before the interface went away still come within the hold.
	if !t.failed.IsZero() && time.Since(t.failed) > t.source.hold {
		return t.lose()
	}
	if !errors.Is(err, pcap.NextErrorTimeoutExpired) {
		time.Sleep(askFor) // after an error, reading returns at once
	}
	t.look()
	return nil
}

// look checks once in a while whether the interface is up. Newer versions of
// libpcap report no error when it goes down, and go on when it is up again.
func (t *tap) look() {
	if time.Since(t.looked) < lookEvery {
		return
	}
	t.looked = time.Now()
	i, err := net.InterfaceByName(t.name)
	if err != nil {
		return // it is gone: libpcap will say so
	}
	switch up := i.Flags&net.FlagUp != 0; {
	case up == !t.state.down.Load():
	case up:
		t.isBack()
	default:
		t.isDown("the interface went down: waiting for it")
	}
}

func (t *tap) isBack() {
	t.state.down.Store(false)
	t.state.returns.Add(1)
	t.source.options.Warn(t.name, "the interface is back")
}

func (t *tap) isDown(text string) {
	if !t.state.down.Swap(true) {
		t.state.losses.Add(1)
	}
	t.source.options.Warn(t.name, text)
}

// lose closes the handle of an interface that is down or gone.
func (t *tap) lose() error {
	text := strings.ToLower(t.why.Error())
	switch {
	case strings.Contains(text, "disappeared"), strings.Contains(text, "no such device"):
		text = "the interface is gone: waiting for one of this name"
	case strings.Contains(text, "went down"), strings.Contains(text, "is down"):
		text = "the interface went down: waiting for it"
	case errors.Is(t.why, io.EOF):
		return fmt.Errorf("%s: libpcap ended the capture", t.name)
	default:
		return fmt.Errorf("%s: %w", t.name, t.why)
	}
	t.close()
	t.isDown(text)
	return nil
}

// find looks for an interface of the name.
func (t *tap) find() error {
	time.Sleep(askFor)
	if time.Since(t.asked) < lookEvery || t.source.stopped.Load() {
		return nil
	}
	t.asked = time.Now()
	if err := t.open(); err != nil {
		if i, gone := net.InterfaceByName(t.name); gone == nil && i.Flags&net.FlagUp != 0 && forbidden(err) {
			return fmt.Errorf("%s: the interface is back, but to capture from it anew takes the privileges of the start: start again: %w", t.name, err)
		}
		return nil // Warn was told before that it is down
	}
	t.isBack()
	return nil
}

// count counts the frame that is handed over.
func (t *tap) count(f *capture.Frame) {
	f.Number = t.state.frames.Add(1)
	t.state.bytes.Add(uint64(f.Len)) //nolint:gosec // never negative
	if len(f.Data) < f.Len {
		t.state.cut.Add(1)
	}
	t.state.last.Store(f.Time)
	if f.Number%harvestEvery == 0 {
		t.harvest()
	}
}

// harvest asks libpcap for what it has counted.
func (t *tap) harvest() {
	if t.handle == nil {
		return
	}
	if s, err := t.handle.Stats(); err == nil {
		t.state.dropped.Store(t.before + uint64(s.PacketsDropped)) //nolint:gosec // never negative
	}
}

// close closes the handle and keeps its counts.
func (t *tap) close() {
	if t.handle == nil {
		return
	}
	t.harvest()
	t.before = t.state.dropped.Load()
	t.handle.Close()
	t.handle, t.held = nil, false
}

// stats returns the counts. Any goroutine may call it.
func (t *tap) stats() ring.Interface {
	return ring.Interface{
		Name:      t.name,
		Received:  t.state.frames.Load(),
		Bytes:     t.state.bytes.Load(),
		Truncated: t.state.cut.Load(),
		Dropped:   t.state.dropped.Load(),
		Up:        !t.state.down.Load(),
		Losses:    t.state.losses.Load(),
		Returns:   t.state.returns.Load(),
		Last:      t.state.last.Load(),
	}
}
