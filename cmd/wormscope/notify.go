package main

import (
	"errors"
	"net"
	"os"
	"time"

	"go.uber.org/zap"
)

// managerPatience is how long a notice waits for a service manager that takes none: the
// run has to go on, and to end, without it.
const managerPatience = time.Second

// notify tells the service manager, if there is one.
func (l *liveRun) notify(state string) {
	if err := tellManager(state, managerPatience); err != nil {
		l.log.Warn("the service manager can't be told", zap.Error(err))
	}
}

// tellManager sends a notice as sd_notify(3) does, but gives it up when the manager takes
// none for as long as patience. It does nothing where there is no manager.
func tellManager(state string, patience time.Duration) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	err = c.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = c.Write([]byte(state))
	}
	return errors.Join(err, c.Close())
}
