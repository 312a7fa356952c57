package syslog

// Ended is closed when the sink knows that the receiver has ended the connection
// that is kept open.
func (k *Sink) Ended() <-chan struct{} { return k.conn.ended }
