package kafkatest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A node is one process of a Kafka.
type node struct {
	id      int
	dir     string
	version string
	ports   []int
	cmd     *exec.Cmd
	leash   io.Closer // the node dies when it is closed
}

func (n *node) address(listener int) string {
	return "127.0.0.1:" + strconv.Itoa(n.ports[listener])
}

// start starts the node on whatever data it has.
func (n *node) start() error {
	if n.leash != nil {
		return fmt.Errorf("kafka node %d runs", n.id)
	}
	for _, old := range []string{"pid", "out.log"} { // what a killed one said
		if err := os.Remove(filepath.Join(n.dir, old)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	cmd := script(n.version, "run", n.dir)
	leash, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("kafka node %d: %w", n.id, err)
	}
	n.cmd, n.leash = cmd, leash
	return nil
}

// startTime is how long a node may take to serve on a machine with much to do.
const startTime = 4 * time.Minute

// ready waits until the node serves.
func (n *node) ready() error {
	var log []byte
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		log, _ = os.ReadFile(filepath.Join(n.dir, "out.log")) // not there yet
		if bytes.Contains(log, []byte("Kafka Server started")) {
			return nil
		}
		if pid, err := n.pid(); err == nil && syscall.Kill(pid, 0) != nil {
			break
		}
	}
	lines := bytes.Split(log, []byte("\n"))
	return fmt.Errorf("kafka node %d did not start:\n%s", n.id, bytes.Join(lines[max(len(lines)-30, 0):], []byte("\n")))
}

// pid returns the process id of the node's java.
func (n *node) pid() (int, error) {
	text, err := os.ReadFile(filepath.Join(n.dir, "pid"))
	if err != nil {
		return 0, fmt.Errorf("kafka node %d: %w", n.id, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// signal sends a signal to the node's java.
func (n *node) signal(s syscall.Signal) error {
	pid, err := n.pid()
	if err != nil {
		return err
	}
	return syscall.Kill(pid, s)
}

func (n *node) pause() error  { return n.signal(syscall.SIGSTOP) }
func (n *node) resume() error { return n.signal(syscall.SIGCONT) }

// kill ends the node at once.
func (n *node) kill() error {
	if n.leash == nil {
		return fmt.Errorf("kafka node %d does not run", n.id)
	}
	err := n.leash.Close()
	n.leash = nil
	if waitErr := n.cmd.Wait(); err == nil {
		err = waitErr
	}
	return err
}

// stop is kill for the end of a test.
func (n *node) stop() {
	if n.leash != nil {
		_ = n.kill() // whatever it says, it is over
	}
}
