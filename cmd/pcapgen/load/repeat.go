package load

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"time"

	"wormscope/capture"
	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/story"
)

// maxPause is how much time passes between two frames of a repeated capture
// at most: a day without traffic is nothing to measure.
const maxPause = time.Second

// WriteRepeated writes the Ethernet frames of captures, one capture after the
// other and from the first again, until there are so many packets: what is to be
// measured must take longer than what it is measured by, and real captures are
// small. Times go on from one to the next. Captures that can't be read, and parts
// of them, are left out; having no frame at all is an error.
func WriteRepeated(w io.Writer, paths []string, packets int) error {
	var frames []capture.Frame
	for _, path := range paths {
		frames = slices.Concat(frames, ethernet(path))
	}
	if len(frames) == 0 {
		return errors.New("no Ethernet frame in any capture")
	}
	out := capfile.NewWriter(w, capfile.Pcap{Link: capfile.LinkEthernet})
	now := story.Start().UnixNano()
	for i := range packets {
		f := frames[i%len(frames)]
		now += f.Time
		out.Packet(now, f.Data)
	}
	return out.Flush()
}

// ethernet returns the Ethernet frames of a capture, each with the time since the
// one before it.
func ethernet(path string) (frames []capture.Frame) {
	r, err := capture.Open([]string{path}, nil)
	if err != nil {
		return nil
	}
	defer r.Close() //nolint:errcheck // only read
	var f capture.Frame
	last := int64(0)
	for r.Next(&f) == nil {
		if f.Link != capture.LinkEthernet {
			continue
		}
		pause := min(max(f.Time-cmp.Or(last, f.Time), 0), maxPause.Nanoseconds())
		last = f.Time
		frames = append(frames, capture.Frame{Time: pause, Data: bytes.Clone(f.Data)})
	}
	return frames
}
