//go:build !libpcap

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLibpcapIsRefused asks a build without libpcap for it.
func TestLibpcapIsRefused(t *testing.T) {
	config := filepath.Join(t.TempDir(), "wormscope.yaml")
	if err := os.WriteFile(config, []byte("live: {libpcap: true, interfaces: [nosuch0]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		status int
		args   []string
	}{
		{exitUsage, []string{"live", "--libpcap", "-i", "nosuch0", "--filter", "tcp[13] & 2 != 0"}},
		{exitFail, []string{"live", "--config", config}},
		{exitFail, []string{"config", "check", config}},
	} {
		var stdout, stderr bytes.Buffer
		status := run(tt.args, nil, &stdout, &stderr)
		if status != tt.status || !strings.Contains(stderr.String(), "this build has no libpcap: build with -tags libpcap") {
			t.Errorf("%q: exit status %d: %s", tt.args, status, &stderr)
		}
	}
}
