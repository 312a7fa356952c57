package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"wormscope/cmd/pcapgen/capfile"
	"wormscope/cmd/pcapgen/story"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A sample is one file of testdata/pcaps.
type sample struct {
	name  string
	write func(io.Writer) error
}

// samples lists every file that is made here.
func samples() []sample {
	outbreak := story.Outbreak()
	incident := story.Incident()
	short := story.Kill().Trace.Records()
	out := []sample{
		{"outbreak.pcap", classic(outbreak.Trace.Records())},
		{"outbreak.feed", text(story.Feed())},
		{"outbreak.truth.json", truth(outbreak)},
		{"incident.pcap", classic(incident.Trace.Records())},
		{"halfduplex-c2s.pcap", classic(fromVLAN(incident.Trace.Records(), 101, true))},
		{"halfduplex-s2c.pcap", classic(fromVLAN(incident.Trace.Records(), 101, false))},
		{"span-duplicates.pcap", classic(twice(incident.Trace.Records()))},
		{"ipv6-outbreak.pcap", classic(story.SixOnly().Trace.Records())},
		{"dns-tcp-two-segments.pcap", classic(story.TwoSegments().Trace.Records())},
		{"dns-tcp-pipelined.pcap", classic(story.Pipelined().Trace.Records())},
		{"smb-eternalblue.pcap", classic(story.EternalBlue().Trace.Records())},
		{"smb-doublepulsar.pcap", classic(story.DoublePulsar().Trace.Records())},
		{"smb-ms17-check.pcap", classic(story.PatchCheck().Trace.Records())},
	}
	for _, e := range encapsulations() {
		out = append(out, sample{"encap-" + e.name + ".pcap", encapsulated(e)})
	}
	return append(out, formats(short)...)
}

// formats lists the same capture in every file format.
func formats(records []story.Record) []sample {
	little, big := binary.LittleEndian, binary.BigEndian
	eth := func(resolution uint8) capfile.Interface {
		return capfile.Interface{Link: capfile.LinkEthernet, Name: "span0", Resolution: resolution}
	}
	return []sample{
		{"format.pcap", classic(records)},
		{"format-nano.pcap", pcapOf(capfile.Pcap{Nano: true, Link: capfile.LinkEthernet}, records)},
		{"format-big-endian.pcap", pcapOf(capfile.Pcap{Order: big, Link: capfile.LinkEthernet}, records)},
		{"format-nano-big-endian.pcap", pcapOf(capfile.Pcap{Order: big, Nano: true, Link: capfile.LinkEthernet}, records)},
		{"format.pcapng", ng(records, little, eth(0))},
		{"format-nano.pcapng", ng(records, little, eth(9))},
		{"format-binary-time.pcapng", ng(records, little, eth(0x80|20))},
		{"format-big-endian.pcapng", ng(records, big, eth(6))},
		{"format-two-interfaces.pcapng", ng(records, little, eth(9), eth(0))},
		{"format-two-sections.pcapng", func(w io.Writer) error {
			if err := ng(records[:1], big, eth(9))(w); err != nil {
				return err
			}
			return ng(records[1:], little, eth(6))(w)
		}},
		{"format-cut.pcap", cut(classic(records))},
		{"format-cut.pcapng", cut(ng(records, little, eth(9)))},
		{"format.pcap.gz", packed(classic(records), gz)},
		{"format.pcap.zst", packed(classic(records), zst)},
		{"format.pcap.lz4", packed(classic(records), lz)},
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// truth writes what was planted.
func truth(i *story.Institution) func(io.Writer) error {
	return func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(i.Truth)
	}
}

func classic(records []story.Record) func(io.Writer) error {
	return pcapOf(capfile.Pcap{Link: capfile.LinkEthernet}, records)
}

func pcapOf(p capfile.Pcap, records []story.Record) func(io.Writer) error {
	return func(w io.Writer) error {
		f := capfile.NewWriter(w, p)
		for _, r := range records {
			f.Packet(r.At, r.Frame)
		}
		return f.Flush()
	}
}

// ng writes a section of pcapng whose packets take turns on the interfaces.
func ng(records []story.Record, order binary.AppendByteOrder, ifs ...capfile.Interface) func(io.Writer) error {
	return func(w io.Writer) error {
		f := capfile.NewNG(w)
		f.Section(order, ifs...)
		for k, r := range records {
			f.Packet(k%len(ifs), r.At, r.Frame)
		}
		return f.Err()
	}
}

// cut leaves out the last ten bytes of a file.
func cut(write func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes()[:b.Len()-10])
		return err
	}
}

// packed compresses a file.
func packed(write func(io.Writer) error, compress func(io.Writer) (io.WriteCloser, error)) func(io.Writer) error {
	return func(w io.Writer) error {
		c, err := compress(w)
		if err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		if err := write(c); err != nil {
			return err
		}
		return c.Close()
	}
}

func gz(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) }
func zst(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}
func lz(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil }

// encapsulated writes the lookup in an encapsulation.
func encapsulated(e encapsulation) func(io.Writer) error {
	var records []story.Record
	at := story.Start().UnixNano()
	for _, packet := range e.inner().packets() {
		for _, frame := range e.wrap(packet) {
			records = append(records, story.Record{At: at, Frame: frame})
			at += int64(400 * time.Microsecond)
		}
	}
	return pcapOf(capfile.Pcap{Link: e.link}, records)
}
