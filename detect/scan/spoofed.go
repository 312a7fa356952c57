package scan

import "time"

const (
	// floodSample is how many of a suspected target's new sources are looked at
	// again before it is said to be flooded: the latest, one in sampleStep.
	floodSample = 16
	sampleStep  = 16
	// sampleAborted is how many of these may have broken off their handshakes,
	// one in so many, if the others are to have completed theirs.
	sampleAborted = 8
	// sentAgain is when a SYN or SYN-ACK is not a copy, but said again.
	sentAgain = int64(900 * time.Millisecond)
)

// take takes the attempt with this number, that of the latest new source, into
// the sample when it is its turn.
func (c *targetCell) take(number uint64) {
	if c.sources%sampleStep == 0 {
		c.sample[(c.sources/sampleStep-1)%floodSample] = uint32(number) //nolint:gosec // G115: numbers wrap.
	}
}

// spoofed reports whether most of a target's new sources may be spoofed, as far
// as the sample tells. They are not where a server that everybody uses fails,
// or where the capture shows how connections are opened, and nothing else.
func (d *Detector) spoofed(c *targetCell, now tick) bool {
	blind := !d.tap.segments && now.since(c.start) >= floodPatience
	in := d.attempts.window()
	looked, there, broken := 0, 0, 0
	for _, number := range c.sample[:min(c.sources/sampleStep, floodSample)] {
		if !in.has(number) { // there may be no memory at its place
			continue
		}
		a := d.attempts.at(uint64(number))
		if a.dst != c.dst {
			continue
		}
		looked++
		switch {
		case a.has(aborted):
			broken++
		case a.state == answered && blind, a.state != answered && d.real(a):
			there++
		}
	}
	return there*2 <= looked || broken*sampleAborted > looked
}

// real reports whether the source of an attempt is a host inside that another
// attempt of was answered, or that repeats its SYN.
func (d *Detector) real(a *attempt) bool {
	return a.has(inside) && (a.has(repeated) || d.alive.has(clientHash(a.src.Hash())))
}

// clientHash returns the hash under which a host inside is remembered as one that
// was answered, given the hash of its address.
func clientHash(host uint64) uint64 { return mix(host^seedD, seedA) }
