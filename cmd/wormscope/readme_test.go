package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A consoleBlock is a command of a document and the output shown under it.
type consoleBlock struct {
	command string
	output  []string
}

// consoleBlocks returns the commands in the console blocks of a document.
func consoleBlocks(t *testing.T, path string) []consoleBlock {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []consoleBlock
	for _, m := range regexp.MustCompile("(?s)```console\n\\$ (.*?)\n(.*?)```").FindAllSubmatch(text, -1) {
		blocks = append(blocks, consoleBlock{string(m[1]), strings.Split(strings.TrimSuffix(string(m[2]), "\n"), "\n")})
	}
	return blocks
}

// TestReadmeCommands runs the first command of the README and compares what it
// prints with what the README shows: every line, in order, where a line that
// is "…" stands for any number of lines. The second command runs this test.
func TestReadmeCommands(t *testing.T) {
	blocks := consoleBlocks(t, filepath.Join("..", "..", "README.md"))
	if len(blocks) != 2 {
		t.Fatalf("the README has %d commands, want the main job and the tests", len(blocks))
	}
	if blocks[1].command != "make test" {
		t.Errorf("the second command is %q, want make test", blocks[1].command)
	}
	words := strings.Fields(blocks[0].command)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", blocks[0].command, err)
	}
	matchShown(t, blocks[0].output, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"))
}

// matchShown compares an output with what a document shows of it.
func matchShown(t *testing.T, shown, got []string) {
	t.Helper()
	skip := false
	for _, want := range shown {
		if want == "…" {
			skip = true
			continue
		}
		for skip && len(got) > 0 && got[0] != want {
			got = got[1:]
		}
		if len(got) == 0 || got[0] != want {
			t.Fatalf("the README shows a line that is not there: %q", want)
		}
		got, skip = got[1:], false
	}
	if !skip && len(got) > 0 {
		t.Errorf("the README leaves out %d lines at the end without saying so, the first: %q", len(got), got[0])
	}
}

// TestReadmeNamesWhatThereIs checks that the flags and files that the
// documents name exist.
func TestReadmeNamesWhatThereIs(t *testing.T) {
	root := filepath.Join("..", "..")
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	flag := regexp.MustCompile(`--[a-z][a-z-]+`)
	noteFlags(newRoot(streams{}), flag, known)
	links := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	flags := regexp.MustCompile("wormscope[^`\n]*|`--[^`\n]*`")
	for _, doc := range append(docs, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range links.FindAllSubmatch(text, -1) {
			target := string(m[1])
			if strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", filepath.Base(doc), target)
			}
		}
		for _, use := range flags.FindAllString(string(text), -1) {
			for _, f := range flag.FindAllString(use, -1) {
				if !known[f] && f != "--help" {
					t.Errorf("%s names %s, which no command has: %s", filepath.Base(doc), f, use)
				}
			}
		}
	}
}

// noteFlags notes the flags of a command and of all below it.
func noteFlags(cmd *cobra.Command, flag *regexp.Regexp, known map[string]bool) {
	for _, m := range flag.FindAllString(cmd.UsageString(), -1) {
		known[m] = true
	}
	for _, c := range cmd.Commands() {
		noteFlags(c, flag, known)
	}
}
