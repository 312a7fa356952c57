package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// hint suggests the known word that was likely meant, as text to append to an error
// message. It is empty where none is similar.
func hint(word string, known []string) string {
	best, least := "", 3 // two slips of the finger at most
	for _, k := range known {
		if d := slips(word, k); d < least && 2*d <= len(k) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// slips returns the edit distance of two words: how many letters must be inserted,
// left out or changed to make one of the other.
func slips(one, other string) int {
	row := make([]int, len(other)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(one) {
		before := row[0]
		row[0] = i + 1
		for j := range len(other) {
			cost := before
			if one[i] != other[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, before+1, row[j]+1)
		}
	}
	return row[len(other)]
}

// unknownCommand is the error for a command that does not exist. Users who name a
// file have likely left out the command that reads it.
func unknownCommand(cmd *cobra.Command, word string) error {
	meant := ""
	names := append(make([]string, 0, 1+len(cmd.Commands())), "help")
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
		if c.Name() == "replay" || c.Name() == "check" {
			if _, err := os.Stat(word); err == nil {
				meant = fmt.Sprintf(": did you mean %s %s?", c.CommandPath(), word)
			}
		}
	}
	if meant == "" {
		meant = hint(word, names)
	}
	return usagef("unknown command %q%s (see %s --help)", word, meant, cmd.CommandPath())
}

// flagFault refuses a flag that is wrong.
func flagFault(cmd *cobra.Command, err error) error {
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f := wrong.GetFlag()
		if want := wantedOf(f); want != "" {
			return usagef("--%s %q: want %s (see %s --help)", f.Name, wrong.GetValue(), want, cmd.CommandPath())
		}
	}
	meant := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		short := unknown.GetSpecifiedShortnames()
		meant = hint("--"+unknown.GetSpecifiedName(), names)
		switch {
		case len(short) > 1: // one dash before a whole word
			meant = hint("--"+short, names)
		case short == "r" && cmd.Name() == "replay": // as tcpdump has it
			meant = ": a capture is named without a flag"
		}
	}
	return usagef("%w%s (see %s --help)", err, meant, cmd.CommandPath())
}

// wantedOf says what to give a flag, nothing where package pflag says it well.
func wantedOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return wanted("time.Duration")
	case "float64":
		return "a number"
	case "stringToString":
		return "NAME=VALUE,..., such as indicator=ip,description=malware"
	}
	return wanted(f.Value.Type())
}

// unknownKey refuses a key that the configuration does not have at this place.
func unknownKey(line, key, of string, known []string) string {
	return fmt.Sprintf("line %s: unknown key %q%s%s", line, key, of, hint(key, known))
}

// Errors of package yaml that name Go types.
var (
	goField = regexp.MustCompile(`^line (\d+): field (.+) not found in type (\S+)$`)
	goType  = regexp.MustCompile("(?s)^line (\\d+): cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")
)

// yamlFault rewrites an error of package yaml, which names Go types, into one line
// that speaks of configuration keys.
func yamlFault(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.Replace(text, "unmarshal errors:\n", "", 1)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if m := goField.FindStringSubmatch(line); m != nil {
			line = unknownKey(m[1], m[2], "", keysOf(reflect.TypeFor[settings](), m[3]))
		} else if m := goType.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("line %s: want %s, not %s", m[1], wanted(m[4]), found(m[2], m[3]))
		} else if strings.HasSuffix(line, "found character that cannot start any token") {
			line += " (if it is a tab: indent with spaces)"
		}
		lines[i] = line
	}
	return strings.Join(lines, "; ")
}

// keysOf returns the keys of the type with a name, somewhere in another.
func keysOf(in reflect.Type, name string) []string {
	keys := yamlKeys(in)
	if in.String() == name {
		return slices.Sorted(maps.Keys(keys))
	}
	for _, t := range keys {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		if names := keysOf(t, name); names != nil {
			return names
		}
	}
	return nil
}

// wanted says what to write in a configuration for a Go type.
func wanted(goType string) string {
	switch {
	case goType == "time.Duration":
		return "a time such as 90s, 15m or 24h"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	case strings.HasPrefix(goType, "[]"):
		return "a list such as [one, other]"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number in range"
	}
	return "keys with values of their own, or {}"
}

// found says what the configuration has in its place.
func found(tag, value string) string {
	switch {
	case value != "":
		return fmt.Sprintf("%q", value)
	case tag == "seq":
		return "a list"
	case tag == "map":
		return "keys with values"
	}
	return "nothing"
}
