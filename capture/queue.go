package capture

// A queue is the files that wait for their turn: a heap (container/heap) of
// those whose next frame is earliest, and of equal ones the first named.
type queue []*file

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return !q[i].after(&q[i].head, q[j].head.Time, q[j].number) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push is for container/heap.
func (q *queue) Push(x any) { *q = append(*q, x.(*file)) } //nolint:errcheck,forcetypeassert // heap.Push gets files only

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	*q = (*q)[:last]
	return f
}

// after reports whether frame, the file's next one, comes after a frame of the given
// time in another file.
func (f *file) after(frame *Frame, time int64, other int) bool {
	return frame.Time > time || frame.Time == time && f.number > other
}
