// Package needs ends tests that lack something: root, a program, a file. They are
// skipped, but fail where CI is set: there everything is installed, and what was left
// out must not look as if it had passed.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Root gives the test up unless it runs as root. why goes on from "needs root, ".
func Root(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		GiveUp(t)("needs root, %s", why)
	}
}

// Tools gives the test up if one of these programs is not installed. It returns the
// path of the first.
func Tools(t testing.TB, tools ...string) string {
	t.Helper()
	for _, tool := range tools {
		if Find(tool) == "" {
			GiveUp(t)("needs %s: .ci/deps installs it", tool)
		}
	}
	return Find(tools[0])
}

// Find returns the path of a program, or nothing. Servers are often on no one's PATH.
func Find(tool string) string {
	for _, name := range []string{tool, "/usr/sbin/" + tool, "/sbin/" + tool} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// GiveUp returns the method by which a test ends that lacks something: t.Skipf, or
// t.Fatalf where CI is set.
func GiveUp(t testing.TB) func(format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		return t.Fatalf
	}
	return t.Skipf
}
