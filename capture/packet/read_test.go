package packet_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"wormscope/capture"
	"wormscope/internal/corpus"
)

// captures returns the public captures, and checks that they are there.
func captures(t testing.TB, folders ...string) []string {
	t.Helper()
	var files []string
	for _, f := range corpus.Files(t, folders...) {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			files = append(files, f)
		}
	}
	return files
}

// readFrames reads a capture with gopacket's reader, not our own: up to the
// first error, since what is wrong with the file is not the decoder's concern.
func readFrames(t testing.TB, name string) []capture.Frame {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var plain bytes.Buffer
		if _, err := plain.ReadFrom(z); err != nil {
			t.Fatal(err)
		}
		data = plain.Bytes()
	}
	var next func() ([]byte, gopacket.CaptureInfo, error)
	var wide capture.LinkType
	if r, err := pcapgo.NewReader(bytes.NewReader(data)); err == nil {
		r.SetSnaplen(1 << 20)
		next = r.ReadPacketData
		wide = linkOf(data) // gopacket keeps eight bits of it
	} else {
		options := pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true}
		r, err := pcapgo.NewNgReader(bufio.NewReader(bytes.NewReader(data)), options)
		if err != nil {
			return nil
		}
		next = r.ReadPacketData
	}
	var frames []capture.Frame
	for {
		b, info, err := next()
		if err != nil {
			return frames
		}
		if len(info.AncillaryData) > 0 {
			if l, ok := info.AncillaryData[0].(layers.LinkType); ok {
				wide = capture.LinkType(l)
			}
		}
		frames = append(frames, capture.Frame{
			Time: info.Timestamp.UnixNano(), Data: b, Len: info.Length,
			Link: wide, Number: uint64(len(frames) + 1),
		})
	}
}

// linkOf reads the link type of a classic capture file.
func linkOf(file []byte) capture.LinkType {
	if file[0] == 0xa1 {
		return capture.LinkType(binary.BigEndian.Uint16(file[22:]))
	}
	return capture.LinkType(binary.LittleEndian.Uint16(file[20:]))
}
