package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wormscope/scope"
)

func newMark(std streams) *cobra.Command {
	var flags flagValues
	var at, note string
	cmd := &cobra.Command{
		Use:   "mark --state DIR isolated|cleaned|false-positive ADDRESS...",
		Short: "Note in a state folder what was done about hosts",
		Long: `Mark notes what analysts found out or did: the host was taken off the network
(isolated), made anew (cleaned), or is well after all (false-positive). What a
cleaned host did before counts no more, nor what a false positive had begun.
An isolated host that is seen active later is a warning in every report.`,
		Example: `  wormscope mark --state incident isolated 10.10.1.23 --note "port shut, ticket 4711"
  wormscope mark --state incident cleaned 10.10.1.23 --at 2017-05-13T09:00:00Z`,
		Args: markArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			now := time.Now()
			when := now
			if at != "" {
				var err error
				if when, err = parseTime(at); err != nil {
					return err
				}
			}
			if when.After(now) {
				std.report("warning: %s is yet to come: what the hosts do until then counts as done before the mark (a time that does not say otherwise is UTC)",
					when.UTC().Format(time.RFC3339))
			}
			s, err := flags.settings()
			if err != nil {
				return err
			}
			return mark(&s, args, when, note, std)
		},
	}
	flags.addStateFlags(cmd)
	cmd.Flags().StringVar(&at, "at", "", "since when it holds, `TIME` such as 2017-05-12T16:30:00Z; UTC unless it says otherwise (default now)")
	cmd.Flags().StringVar(&note, "note", "", "`TEXT` to keep with the mark: who, why, the ticket")
	return cmd
}

func newUnmark(std streams) *cobra.Command {
	var flags flagValues
	cmd := &cobra.Command{
		Use:   "unmark --state DIR isolated|cleaned|false-positive ADDRESS...",
		Short: "Take a mark back",
		Args:  markArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := flags.settings()
			if err != nil {
				return err
			}
			return unmark(&s, args, std)
		},
	}
	flags.addStateFlags(cmd)
	return cmd
}

// markArgs checks a kind of mark and the addresses after it.
func markArgs(_ *cobra.Command, args []string) error {
	if len(args) < 2 {
		return usagef("want a mark (isolated, cleaned or false-positive) and the addresses of hosts")
	}
	if !slices.Contains(scope.MarkKinds(), scope.MarkKind(args[0])) {
		return usagef("unknown mark %q: isolated, cleaned or false-positive", args[0])
	}
	for _, text := range args[1:] {
		if _, err := netip.ParseAddr(text); err != nil {
			return usagef("%q is no address", text)
		}
	}
	return nil
}

// hosts returns the addresses that markArgs has checked.
func hosts(args []string) []netip.Addr {
	list := make([]netip.Addr, 0, len(args))
	for _, text := range args {
		list = append(list, netip.MustParseAddr(text).Unmap().WithZone(""))
	}
	return list
}

// parseTime reads a time as people write it, in UTC if it names no zone. It refuses
// years that Unix nanoseconds can't hold, which are typing errors.
func parseTime(text string) (time.Time, error) {
	const oldest, newest = 1970, 2261
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if at = at.UTC(); at.Year() < oldest || at.Year() > newest {
			return at, usagef("--at %q is out of range: want a time from %d to %d", text, oldest, newest)
		}
		return at, nil
	}
	return time.Time{}, usagef("--at %q is no time: want one such as 2017-05-12T16:30:00Z", text)
}

// mark sets a mark for each host: for all of them, or for none if one can't be
// marked.
func mark(s *settings, args []string, at time.Time, note string, std streams) (err error) {
	db, zones, err := attachState(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	list := hosts(args[1:])
	for _, host := range list {
		if !zones.Inside(host) {
			return fmt.Errorf("%s is not inside: only hosts of the institution have a state to mark", host)
		}
	}
	for _, host := range list {
		m := scope.Mark{Host: host, Kind: scope.MarkKind(args[0]), Time: at, Note: note}
		if err = db.Mark(m); err != nil {
			return err
		}
		if _, err = fmt.Fprintf(std.out, "%s is marked %s since %s\n", host, m.Kind, at.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	unknown, err := db.Unknown(list)
	for _, host := range unknown {
		std.report("warning: nothing was seen of %s so far: see whether the address is right (unmark takes it back)", host)
	}
	return err
}

// unmark takes a mark of each host back.
func unmark(s *settings, args []string, std streams) (err error) {
	db, _, err := attachState(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, host := range hosts(args[1:]) {
		found, err := db.Unmark(host, scope.MarkKind(args[0]))
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%s is not marked %s", host, args[0])
		}
		if _, err := fmt.Fprintf(std.out, "%s is no longer marked %s\n", host, args[0]); err != nil {
			return err
		}
	}
	return nil
}
