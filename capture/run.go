package capture

import "math"

// MaxRun is how many frames a Run has at most: few enough that they and their
// headers leave most of a core's first-level cache to detection.
const MaxRun = 128

// A Run is a batch of consecutive frames of one file or interface that lie in one
// piece of memory. What they have in common is stored once, so that a frame that
// nobody wants costs little.
type Run struct {
	Block []byte       // what the frames lie in, borrowed as Frame.Data is
	Heads [MaxRun]Head // one per frame; the first N are valid
	N     int          // how many frames there are
	Link  LinkType     // Frame.Link of all
	File  int          // Frame.File of all
	First uint64       // Frame.Number of the first; the others follow it
	Sum   RunSum
}

// A Head is what is known of one frame of a Run and may differ between them.
type Head struct {
	Time         int64  // Frame.Time
	At, Captured uint32 // where in Block the data begin, and how many bytes were captured
	Len          uint32 // Frame.Len
}

// RunSum is the frames of a Run summed up.
type RunSum struct {
	Captured       int   // bytes
	Len            int64 // bytes on the wire
	Cut            int   // frames of which not all bytes were captured that may be wanted
	Oldest, Newest int64 // Frame.Time; valid where there are frames
}

// Frame fills f with the ith frame, counted from 0. Its Data is borrowed as Block
// is.
func (r *Run) Frame(i int, f *Frame) {
	h := &r.Heads[i]
	end := h.At + h.Captured
	f.Time, f.Data, f.Len = h.Time, r.Block[h.At:end:end], asInt(h.Len)
	f.Link, f.File, f.Number = r.Link, r.File, r.First+uint64(i) //nolint:gosec // G115: never negative
}

// One makes r a run of the single frame f.
func (r *Run) One(f *Frame) {
	r.Block, r.Link, r.File, r.First = f.Data, f.Link, f.File, f.Number
	r.Heads[0] = Head{Time: f.Time, Captured: uint32(len(f.Data)), Len: uint32(f.Len)} //nolint:gosec // G115: at most 256 KiB, and as the file has it
	r.End(1)
}

// End completes the run: its first n heads are set, and are summed up here.
func (r *Run) End(n int) {
	captured, length, oldest, newest := 0, int64(0), int64(math.MaxInt64), int64(math.MinInt64)
	heads := r.Heads[:n]
	for i := range heads {
		h := &heads[i]
		captured += int(h.Captured)
		length += int64(h.Len)
		oldest, newest = min(oldest, h.Time), max(newest, h.Time)
	}
	r.end(n, RunSum{Captured: captured, Len: length, Oldest: oldest, Newest: newest})
}

// EndAs is End for a caller who knows the sum.
func (r *Run) EndAs(n int, sum RunSum) { r.N, r.Sum = n, sum }

// end is End for a caller who knows all of the sum except Cut.
func (r *Run) end(n int, sum RunSum) {
	r.EndAs(n, sum)
	if int64(sum.Captured) == sum.Len { // as nearly always
		return
	}
	for i := range r.Heads[:n] {
		if h := &r.Heads[i]; h.Captured < h.Len {
			r.Sum.Cut++
		}
	}
}
