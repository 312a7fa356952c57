// Package searchtest gives a test a real OpenSearch on 127.0.0.1, of one node
// and without its security plugin. It is gone when the test ends, however it
// ends. It needs java and mvn, and for the first run Maven's repository.
package searchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"wormscope/internal/needs"
	"wormscope/internal/testnet"
)

const (
	startTime = 3 * time.Minute // on a machine with much to do
	nobody    = 65534           // whom the server runs as: it refuses to be root
)

// A Server is an OpenSearch.
type Server struct {
	URL string

	t     testing.TB
	leash io.Closer // the server dies when it is closed
	done  chan struct{}
	log   *os.File
}

// Start runs a server until the test ends. A test that lacks a tool is
// skipped, or fails where CI is set.
func Start(t testing.TB) *Server {
	t.Helper()
	needs.Tools(t, "java", "mvn", "flock", "bash")
	dir := t.TempDir()
	for _, args := range [][]string{{"get"}, {"home", dir}} {
		if out, err := script(folder(), args...).CombinedOutput(); err != nil {
			t.Fatalf("opensearch.sh %s: %v\n%s", args[0], err, out)
		}
	}
	port := strconv.Itoa(testnet.FreePorts(t, 1)[0])
	cmd := script(dir, "run", dir, port)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		give(t, dir)
	}
	s := &Server{URL: "http://127.0.0.1:" + port, t: t, done: make(chan struct{})}
	s.start(cmd, filepath.Join(dir, "log"))
	return s
}

// folder is where the script of this package is.
func folder() string {
	_, self, _, _ := runtime.Caller(0)
	return filepath.Dir(self)
}

// script runs the script that is in a folder.
func script(dir string, args ...string) *exec.Cmd {
	return exec.Command("bash", append([]string{filepath.Join(dir, "opensearch.sh")}, args...)...) //nolint:noctx // its end is that of its standard input
}

// give makes a folder the server's own.
func give(t testing.TB, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody) //nolint:gosec // nobody else is in the test's folder
	})
	if err == nil {
		err = os.Chmod(filepath.Dir(dir), 0o755) //nolint:gosec // it must be passed through
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Server) start(cmd *exec.Cmd, log string) {
	s.t.Helper()
	var err error
	if s.log, err = os.Create(log); err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if s.leash, err = cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.Stop)
	go func() {
		_ = cmd.Wait() // how it ended says nothing: it was killed
		close(s.done)
	}()
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		select {
		case <-s.done:
			s.t.Fatalf("OpenSearch ended: %s", s.lastLines())
		default:
		}
		if status, _, err := s.ask(http.MethodGet, "/_cluster/health", nil); err == nil && status == http.StatusOK {
			return
		}
	}
	s.t.Fatalf("OpenSearch did not start: %s", s.lastLines())
}

// Stop kills the server and waits for its end.
func (s *Server) Stop() {
	_ = s.leash.Close()
	<-s.done
	_ = s.log.Close()
}

func (s *Server) lastLines() []byte {
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(text, []byte("\n"))
	return bytes.Join(lines[max(len(lines)-30, 0):], []byte("\n"))
}

func (s *Server) ask(method, path string, body []byte) (int, []byte, error) {
	request, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body)) //nolint:noctx // loopback
	if err != nil {
		return 0, nil, err
	}
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// busy reports whether a status says that the server can't answer now.
func busy(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// Do sends a request and decodes the answer into a value, if it is not nil. A
// status other than 200 fails the test. A server that can't answer yet, as for
// an index that was just made and has no shard, is asked again.
func (s *Server) Do(method, path, body string, into any) {
	s.t.Helper()
	status, text, err := s.ask(method, path, []byte(body))
	for end := time.Now().Add(startTime); busy(status) && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		status, text, err = s.ask(method, path, []byte(body))
	}
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, text)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// Documents returns the documents of an index or data stream by their id,
// 10,000 at most.
func (s *Server) Documents(index string) map[string]json.RawMessage {
	s.t.Helper()
	s.Do(http.MethodPost, "/"+index+"/_refresh", "", nil)
	var answer struct {
		Hits struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	s.Do(http.MethodGet, "/"+index+"/_search?size=10000", "", &answer)
	found := map[string]json.RawMessage{}
	for _, h := range answer.Hits.Hits {
		if _, twice := found[h.ID]; twice {
			s.t.Errorf("%s is there twice", h.ID)
		}
		found[h.ID] = h.Source
	}
	return found
}
