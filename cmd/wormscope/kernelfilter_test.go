package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"wormscope/capture"
	"wormscope/capture/kernelfilter"
	"wormscope/capture/packet"
	"wormscope/cmd/pcapgen/capfile"
	"wormscope/internal/corpus"
	"wormscope/internal/needs"
	"wormscope/ioc"
	"wormscope/ioc/feed"
)

// TestKernelFilterHidesNothing replays the captures of testdata/pcaps whole,
// and without what the kernel filter drops: all that is said of them is the
// same.
func TestKernelFilterHidesNothing(t *testing.T) {
	n := 0
	for _, name := range committed(t) {
		t.Run(name, func(t *testing.T) {
			if sameFiltered(t, name, outbreakArgs()[2:]...) {
				n++
			}
		})
	}
	if n < 20 {
		t.Errorf("only %d captures were filtered", n)
	}
}

// TestKernelFilterHidesNothingPublic does so with the public captures, in which
// every address counts as inside.
func TestKernelFilterHidesNothingPublic(t *testing.T) {
	n := 0
	for _, path := range corpus.Files(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if sameFiltered(t, path, everythingInside()...) {
				n++
			}
		})
	}
	if n < 200 {
		t.Errorf("only %d captures were filtered", n)
	}
}

// sameFiltered compares what is said of a capture with what is said of it
// when what the filter drops is blanked out. It reports false of a capture
// that the filter is not for. Some of the capture's addresses are indicators.
func sameFiltered(t *testing.T, path string, flags ...string) bool {
	t.Helper()
	needs.Root(t, "to load a program into the kernel")
	recorded := readFrames(path)
	if len(recorded) == 0 {
		return false
	}
	known := knownOf(t, recorded)
	b := ioc.NewBuilder()
	for _, path := range []string{known, outbreakFeed(t)} {
		if _, err := feed.Load(t.Context(), b, path, feed.Options{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	filter, err := kernelfilter.Load(b.Build().Prefixes(), kernelfilter.Config{Ports: keptPorts(), Room: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	defer filter.Close()
	sameKept(t, recorded, known, filter.Keeps, flags...)
	return true
}

// knownOf writes a feed of some of the addresses in a capture.
func knownOf(t *testing.T, recorded []capture.Frame) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "known.txt")
	if err := os.WriteFile(path, []byte(someAddresses(recorded)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sameKept compares what is said of frames with what is said of them when no more
// than so many bytes of each are kept, which keeps tells. Known is a feed.
func sameKept(t *testing.T, recorded []capture.Frame, known string, keeps func([]byte) (int, error), flags ...string) (want, got result) {
	t.Helper()
	dir := t.TempDir()
	recorded = append(recorded, lastFrame(recorded))
	whole := writeFrames(t, filepath.Join(dir, "capture.pcap"), recorded)
	dropped, cut := 0, 0
	for i := range recorded {
		kept, err := keeps(recorded[i].Data)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case kept == 0: // blank, and not gone, so that frames keep their numbers
			recorded[i].Data, recorded[i].Len = append(make([]byte, 12), 0x08, 0x06), 14
			dropped++
		case kept < len(recorded[i].Data):
			recorded[i].Data = recorded[i].Data[:kept]
			cut++
		}
	}
	flags = append(flags, "--feed", known, "--feed", outbreakFeed(t))
	want = runReplay(t, []string{whole}, flags...)
	filtered := writeFrames(t, whole, recorded)
	got = runReplay(t, []string{filtered}, flags...)
	t.Logf("%d of %d frames dropped, %d cut, %d bytes of events", dropped, len(recorded), cut, len(want.alerts))
	if want.status != exitOK || got.status != exitOK {
		t.Fatalf("exit status %d and %d: %s", want.status, got.status, got.stderr)
	}
	wantEvents, wantEnds := linesOf(want.alerts)
	gotEvents, gotEnds := linesOf(got.alerts)
	if diff := cmp.Diff(wantEvents, gotEvents); diff != "" {
		t.Errorf("events (-whole +filtered):\n%s", diff)
	}
	if diff := cmp.Diff(wantEnds, gotEnds); diff != "" {
		t.Errorf("events that end an alert (-whole +filtered):\n%s", diff)
	}
	if diff := cmp.Diff(hostsOf(t, want.scope), hostsOf(t, got.scope)); diff != "" {
		t.Errorf("scope (-whole +filtered):\n%s", diff)
	}
	return want, got
}

// outbreakFeed is where the feed of the outbreak is.
func outbreakFeed(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "pcaps", "outbreak.feed"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// lastFrame is a frame that the filter keeps and no detector minds, with the
// last time of a capture: an alert that ends with the capture has its time of
// the last packet.
func lastFrame(all []capture.Frame) capture.Frame {
	data := append(make([]byte, 12), 0x08, 0x00, 0x45, 0, 0, 24, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 250, 192, 0, 2, 251, 0, 7, 0, 0)
	data = append(data, make([]byte, 22)...)
	f := capture.Frame{Data: data, Len: len(data), Link: capture.LinkEthernet}
	for i := range all {
		f.Time = max(f.Time, all[i].Time)
	}
	return f
}

// linesOf returns events in their order, and by themselves those that end an
// alert, sorted and without the time at which that was noticed: it is noticed
// with the next packet, which may be one that is not there.
func linesOf(alerts []byte) (events, ends []string) {
	for line := range strings.Lines(string(alerts)) {
		if _, rest, ok := strings.Cut(line, "Z\","); ok && strings.Contains(line, `"phase":"end"`) {
			ends = append(ends, rest)
		} else {
			events = append(events, line)
		}
	}
	slices.Sort(ends)
	return events, ends
}

// hostsOf is a scope document but for what it says of the capture.
func hostsOf(t *testing.T, doc []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "capture")
	return v
}

// readFrames reads the frames of a capture, or none unless all are of Ethernet
// and can be read.
func readFrames(path string) []capture.Frame {
	source, err := capture.Open([]string{path}, nil)
	if err != nil {
		return nil
	}
	defer source.Close()
	var all []capture.Frame
	for {
		var f capture.Frame
		err := source.Next(&f)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil || f.Link != capture.LinkEthernet {
			return nil
		}
		f.Data = bytes.Clone(f.Data)
		all = append(all, f)
	}
}

// writeFrames writes a capture.
func writeFrames(t *testing.T, path string, all []capture.Frame) string {
	t.Helper()
	var out bytes.Buffer
	w := capfile.NewWriter(&out, capfile.Pcap{Nano: true, Link: capfile.LinkEthernet})
	for i := range all {
		w.PacketOf(all[i].Time, all[i].Data, all[i].Len)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// someAddresses is a feed of some of the addresses in a capture.
func someAddresses(all []capture.Frame) string {
	decoder, p := packet.NewDecoder(), packet.Packet{}
	list := []string{"192.0.2.254"}
	for i := range all {
		if decoder.Decode(&all[i], &p) != packet.OK {
			continue
		}
		for _, a := range []netip.Addr{p.Src.Addr.Netip(), p.Dst.Addr.Netip()} {
			b := a.As16()
			if sum := int(b[13]) + int(b[14]) + int(b[15]); sum%8 == 0 && !a.IsMulticast() && !slices.Contains(list, a.String()) {
				list = append(list, a.String())
			}
		}
	}
	return fmt.Sprintln(strings.Join(list, "\n"))
}

// A filteredTap takes a program in until it fails.
type filteredTap struct {
	idleTap
	fails bool
}

func (f *filteredTap) AttachEBPF(program int) error {
	if f.fails && program >= 0 {
		return errors.New("no room")
	}
	return nil
}

// TestKernelFilterThatWasOnIsTold takes the kernel filter away in the middle of a
// run: what it dropped before is missing all the same.
func TestKernelFilterThatWasOnIsTold(t *testing.T) {
	needs.Root(t, "to load a program into the kernel")
	out, err := openEvents(&eventSetting{}, io.Discard, true)
	if err != nil {
		t.Fatal(err)
	}
	l := newLiveRun(&settings{}, streams{err: io.Discard})
	tap := &filteredTap{}
	l.source = tap
	set := ioc.NewBuilder().Build()
	if l.p, err = newPipeline(l.s, set, out, nil, func(int) string { return "small" }); err != nil {
		t.Fatal(err)
	}
	if l.kernel, err = kernelfilter.Load(set.Prefixes(), kernelfilter.Config{Ports: keptPorts(), Room: 1 << 10}); err != nil {
		t.Fatal(err)
	}
	defer l.closeKernelFilter()
	for i, want := range []bool{false, true, true} {
		switch i {
		case 1:
			l.setKernelFilter(set)
		case 2:
			tap.fails = true
			l.setKernelFilter(set)
		}
		seen := l.sight()
		if told := strings.Contains(strings.Join(seen.warnings, "\n"), "the kernel filter was on"); told != want {
			t.Errorf("step %d: told is %v, want %v", i, told, want)
		}
	}
	if l.kernel != nil {
		t.Error("the filter is still there")
	}
}
