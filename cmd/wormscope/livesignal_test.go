//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wormscope/internal/testnet"
)

// TestHangUpIsNotLost: what a hang-up asks for takes the place of what folders
// asked for, and is not dropped for it.
func TestHangUpIsNotLost(t *testing.T) {
	renew := make(chan renewal, 1)
	for _, asked := range []bool{false, true, false, true} {
		ask(renew, renewal{asked})
	}
	if r := <-renew; !r.asked {
		t.Error("the hang-up is lost")
	}
	if len(renew) > 0 {
		t.Error("more than one waits")
	}
}

// TestLiveOutlivesHangUps: a hang-up while the last events are delivered, to a
// sink that can't be reached, ends nothing, and neither does the same signal again.
func TestLiveOutlivesHangUps(t *testing.T) {
	x := newTap(t)
	dir := openDir(t)
	config := filepath.Join(dir, "wormscope.yaml")
	if err := os.WriteFile(config, []byte("sinks:\n  - {name: away, type: syslog, protocol: tcp, address: \"127.0.0.1:9\"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	scope := filepath.Join(dir, "scope.json")
	s := startSensor(t, x.host, "--config", config, "--scope", scope)
	s.Signal(syscall.SIGHUP)
	x.send(t)
	s.await("the look-up", `"action":"ioc-domain"`)
	begin := time.Now()
	s.Signal(syscall.SIGTERM)
	time.Sleep(20 * time.Millisecond)
	if time.Since(begin) < sameSignal/2 {
		s.Signal(syscall.SIGTERM) // as timeout(1) sends it twice
	}
	logs(t, s, 1, "stopping")
	for range 5 {
		s.Signal(syscall.SIGHUP)
		time.Sleep(50 * time.Millisecond)
	}
	if status := s.Wait(testnet.Patience); status < 0 {
		t.Errorf("a signal ended it: %s", s.Output())
	}
	s.unfollow()
	var doc document
	unmarshal(t, slurp(scope), &doc)
	if doc.Totals.Infected+doc.Totals.Suspected != 1 {
		t.Errorf("the scope has %+v", doc.Totals)
	}
}

// TestBehindLinks: what links lead to is in sight of the sandbox, and so is what
// they may lead to in the same folder next.
func TestBehindLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(path string) string { return filepath.Join(dir, path) }
	err = errors.Join(
		os.MkdirAll(in("releases/v1/feeds"), 0o755), os.MkdirAll(in("etc"), 0o755), os.MkdirAll(in("run"), 0o755),
		os.WriteFile(in("releases/v1/feeds/list.txt"), nil, 0o644), os.WriteFile(in("run/resolv.conf"), nil, 0o644),
		os.Symlink("v1", in("releases/current")), os.Symlink("../run/resolv.conf", in("etc/resolv.conf")),
		os.Symlink(in("releases/current/feeds/list.txt"), in("etc/list.txt")), os.Symlink("nowhere", in("etc/broken")),
	)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"run/resolv.conf":                 nil,
		"etc/resolv.conf":                 {"run"},
		"releases/current/feeds/list.txt": {"releases"},
		"releases/current":                {"releases"},
		"etc/list.txt":                    {"releases/v1/feeds"},
		"etc/broken":                      nil,
		"etc/nothing":                     nil,
	} {
		got := behind(in(path))
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], dir+"/")
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestLinkedOutputs: where the event file is a link, the folder that it leads to
// is written to.
func TestLinkedOutputs(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	logs, data := filepath.Join(dir, "logs"), filepath.Join(dir, "data")
	err = errors.Join(
		os.Mkdir(logs, 0o755), os.Mkdir(data, 0o755), os.WriteFile(filepath.Join(data, "alerts.json"), nil, 0o644),
		os.Symlink("../data/alerts.json", filepath.Join(logs, "alerts.json")),
	)
	if err != nil {
		t.Fatal(err)
	}
	var s settings
	s.Alerts.File = filepath.Join(logs, "alerts.json")
	if got, err := s.writtenFolders(); err != nil || !slices.Equal(got, []string{logs, data}) {
		t.Errorf("%q, %v", got, err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none", "alerts.json"):                  "folder " + dir + "/none: stat " + dir + "/none: no such file or directory",
		filepath.Join(data, "alerts.json", "under", "alerts.json"): "folder " + data + "/alerts.json/under: stat " + data + "/alerts.json/under: not a directory",
		filepath.Join(data, "alerts.json", "alerts.json"):          "folder " + data + "/alerts.json: not a directory",
	} {
		s.Alerts.File = path
		if got, err := s.writtenFolders(); err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v, want the error %s", path, got, err, want)
		}
	}
}

// TestLinkedCertificates: what is read later may be a link, too.
func TestLinkedCertificates(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(path string) string { return filepath.Join(dir, path) }
	if err = errors.Join(os.Mkdir(in("conf"), 0o755), os.Mkdir(in("pki"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if err = errors.Join(os.WriteFile(in("pki/"+name), nil, 0o644), os.Symlink("../pki/"+name, in("conf/"+name))); err != nil {
			t.Fatal(err)
		}
	}
	own := &syslogKind{}
	own.TLS.CA = in("conf/ca.pem")
	for what, s := range map[string]settings{
		"sink": {Sinks: []sinkSetting{{Type: "syslog", own: own}}},
		"http": {HTTP: httpSetting{Listen: "1", Cert: in("conf/cert.pem"), Key: in("conf/key.pem")}},
	} {
		if got := s.readFolders(); !slices.Contains(got, in("conf")) || !slices.Contains(got, in("pki")) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestLiveTellsAfterAFault: a run that can't go on tells what it found.
func TestLiveTellsAfterAFault(t *testing.T) {
	x := newTap(t)
	s := startSensor(t, x.host, "--rings", "2")
	x.send(t)
	s.await("the look-up", `"action":"ioc-domain"`)
	for n := 1; !strings.Contains(s.Output(), "was made anew"); n++ {
		x.net.Replug(func() { // one that goes is down first, and may be seen so
			testnet.Until(t, "gone", func() bool {
				return strings.Count(s.Output(), "the interface is gone")+strings.Count(s.Output(), "the interface went down") == n
			})
		})
		testnet.Until(t, "back, or the end", func() bool {
			return strings.Count(s.Output(), "the interface is back") == n || strings.Contains(s.Output(), "was made anew")
		})
	}
	if status := s.Wait(testnet.Patience); status != exitFail {
		t.Errorf("exit status %d: %s", status, s.Output())
	}
	s.unfollow()
	var doc document
	unmarshal(t, slurp(s.scope), &doc)
	if doc.Totals.Infected+doc.Totals.Suspected != 1 {
		t.Errorf("the scope has %+v", doc.Totals)
	}
}
