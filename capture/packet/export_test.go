package packet

import "wormscope/capture"

// Stages decodes a frame as Decode does, without what Decode reads itself.
func (d *Decoder) Stages(f *capture.Frame, p *Packet) Outcome {
	p.Time, p.File, p.Number = f.Time, f.File, f.Number
	p.Fragment, p.Reassembled = false, false
	return d.stages(p, f)
}

// Staged reports whether Decode left a frame with IP in it to the stages.
func (d *Decoder) Staged() bool { return d.frame.layers > 0 }

// Supports reports whether the decoder is to read frames of this link type: what
// link must agree with.
func Supports(l capture.LinkType) bool {
	switch l {
	case capture.LinkNull, capture.LinkEthernet, capture.LinkRawBSD, capture.LinkRawOBSD, capture.LinkRaw,
		capture.LinkLoop, capture.LinkSLL, capture.LinkIPv4, capture.LinkIPv6, capture.LinkSLL2,
		linkPPP, linkPPPSerial, linkPPPoE, linkCHDLC:
		return true
	}
	return false
}
