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
