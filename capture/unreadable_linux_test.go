package capture_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"wormscope/capture"
)

// nobody is a user without rights, as the kernel knows one.
const nobody = 65534

// asNobody has the superuser, who can read everything, meet files as a user
// without rights does, for the rest of the test.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	runtime.LockOSThread() // whose user it is, alone
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Fatal(err) // and the thread stays locked, and ends with the test
		}
		runtime.UnlockOSThread()
	})
}

func TestUnreadable(t *testing.T) {
	asNobody(t)
	dir := write(t, map[string][]byte{"secret": plainPcap(1, 60, 1e6, 1), "good": plainPcap(1, 61, 1e6, 1)})
	secret := filepath.Join(dir, "secret")
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := capture.Open([]string{secret}, nil); err == nil || err.Error() != "open "+secret+": permission denied" {
		t.Errorf("error is %v", err)
	}
	_, stats := readFiles(t, dir)
	if want := "open " + secret + ": permission denied; left out"; len(stats.Warnings) != 1 || stats.Warnings[0].Text != want {
		t.Errorf("warnings are %q", texts(stats))
	}
}
