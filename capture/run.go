package capture

import "math"

// MaxRun is how many frames a Run has at the most. They and their headers leave
// most of a core's smallest cache to detection.
const MaxRun = 128

// A Run is frames that follow each other in one file, or on one interface, and lie
// in one piece of memory. What they have in common it has once, so that a frame
// that nobody wants costs little.
type Run struct {
	Block []byte       // what the frames lie in, borrowed as Frame.Data is
	Heads [MaxRun]Head // of the frames, as far as N
	N     int          // how many frames there are
	Link  LinkType     // Frame.Link of all
	File  int          // Frame.File of all
	First uint64       // Frame.Number of the first; the others follow it
	Sum   RunSum
}

// A Head is what frames of a Run differ in.
type Head struct {
	Time         int64  // Frame.Time
	At, Captured uint32 // where in Block the data are, and how many bytes
	Len          uint32 // Frame.Len
}

// RunSum is what the frames of a Run come to.
type RunSum struct {
	Captured, Len  int   // bytes, captured and on the wire
	Cut            int   // frames of which not all bytes were captured
	Oldest, Newest int64 // Frame.Time; valid where there are frames
}

// Frame makes f the ith frame, borrowed as Block is.
func (r *Run) Frame(i int, f *Frame) {
	h := &r.Heads[i]
	end := h.At + h.Captured
	f.Time, f.Data, f.Len = h.Time, r.Block[h.At:end:end], int(h.Len)
	f.Link, f.File, f.Number = r.Link, r.File, r.First+uint64(i) //nolint:gosec // G115: never negative
}

// One makes the run one of a single frame.
func (r *Run) One(f *Frame) {
	r.Block, r.Link, r.File, r.First = f.Data, f.Link, f.File, f.Number
	r.Heads[0] = Head{Time: f.Time, Captured: uint32(len(f.Data)), Len: uint32(f.Len)} //nolint:gosec // G115: at most 256 KiB, and as the file has it
	r.End(1)
}

// End ends the run after n frames, whose heads are there, and sums them up.
func (r *Run) End(n int) {
	captured, length, oldest, newest := 0, 0, int64(math.MaxInt64), int64(math.MinInt64)
	heads := r.Heads[:n]
	for i := range heads {
		h := &heads[i]
		captured += int(h.Captured)
		length += int(h.Len)
		oldest, newest = min(oldest, h.Time), max(newest, h.Time)
	}
	r.end(n, RunSum{Captured: captured, Len: length, Oldest: oldest, Newest: newest})
}

// end does the same where the sums are known but for how many frames were cut.
func (r *Run) end(n int, sum RunSum) {
	r.N, r.Sum = n, sum
	if sum.Captured == sum.Len { // as nearly always
		return
	}
	for i := range r.Heads[:n] {
		if h := &r.Heads[i]; h.Captured < h.Len {
			r.Sum.Cut++
		}
	}
}
