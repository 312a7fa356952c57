//go:build unix

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkLinks refuses, for root, to follow a link that another user made to something
// that is not that user's: else whoever can write to a folder, such as the service's
// user, could have root write where that user can't. The kernel prevents this in
// folders such as /tmp alone.
func checkLinks(path string) error {
	if path == "" || path == "-" || os.Geteuid() != 0 {
		return nil
	}
	return refuseForeignLink(path, maxLinks)
}

// maxLinks is how many links Linux follows.
const maxLinks = 40

// refuseForeignLink looks at each part of a path, and at what root's own links among
// them lead to. What other users' links lead to in the end is for the kernel to say.
func refuseForeignLink(path string, left int) error {
	at, err := filepath.Abs(path)
	if err != nil || left == 0 {
		return fmt.Errorf("%s: %w", path, cmp.Or(err, error(syscall.ELOOP)))
	}
	for ; at != "/"; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&os.ModeSymlink == 0 {
			continue // what does not exist is made later
		}
		if maker := ownerOf(info); maker != 0 {
			if target, fails := os.Stat(at); fails != nil || ownerOf(target) != maker {
				return fmt.Errorf("%s is a link that user %d made to what is not that user's: root does not follow it", at, maker)
			}
			continue
		}
		to, err := os.Readlink(at)
		if err != nil {
			continue // gone since
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		if err := refuseForeignLink(to, left-1); err != nil {
			return err
		}
	}
	return nil
}

// ownerOf returns the user id of a file's owner; root's where the system does not say.
func ownerOf(info os.FileInfo) uint32 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Uid
	}
	return 0
}

// checkStateLinks does for a state folder, and all that is in it, what checkLinks does
// for a file.
func checkStateLinks(dir string) error {
	err := checkLinks(dir)
	for _, folder := range []string{dir, filepath.Join(dir, outboxFolder)} {
		entries, _ := os.ReadDir(folder) // one that is not there has no links
		for _, e := range entries {
			if err == nil && e.Type()&os.ModeSymlink != 0 {
				err = checkLinks(filepath.Join(folder, e.Name()))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
