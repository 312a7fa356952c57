package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"

	"wormscope/ioc/feed"
)

// confine gives up the rights that are no longer needed once the interfaces are open: it
// changes the user, drops all capabilities, and has Landlock leave nothing of the file
// system but the folders that the settings need.
func confine(s *settings) error {
	v := &s.Live
	if v.User == "" && os.Geteuid() == 0 {
		if !v.NoSandbox {
			return errors.New("live does not go on as root: say with --user who to become when the interfaces are open, or --no-sandbox to go on as root")
		}
		return nil
	}
	if err := become(v); err != nil {
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if v.NoSandbox {
		return nil
	}
	return restrictFiles(s)
}

// become changes the user and group that the settings name, for all threads.
func become(v *liveSetting) error {
	if v.User == "" {
		return nil
	}
	uid, gid, groups, err := identify(v)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		if os.Geteuid() == uid && os.Getegid() == gid {
			return nil
		}
		return fmt.Errorf("--user %s: only root can become another user", v.User)
	}
	if uid == 0 {
		return fmt.Errorf("--user %s: that is root", v.User)
	}
	if err := dropBounding(); err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return fmt.Errorf("--user %s: %w", v.User, err)
	}
	return nil
}

// identify looks a user and group up.
func identify(v *liveSetting) (uid, gid int, groups []int, err error) {
	who, err := user.Lookup(v.User)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return 0, 0, nil, fmt.Errorf("--user %s: there is no such user: name another, or make it (useradd --system %s)", v.User, v.User)
	}
	if err != nil {
		return 0, 0, nil, fmt.Errorf("--user %s: %w", v.User, err)
	}
	group := who.Gid
	names, err := who.GroupIds()
	if err != nil {
		return 0, 0, nil, fmt.Errorf("--user %s: its groups: %w", v.User, err)
	}
	if v.Group != "" {
		g, failed := user.LookupGroup(v.Group)
		if failed != nil {
			return 0, 0, nil, fmt.Errorf("--group %s: %w", v.Group, failed)
		}
		group, names = g.Gid, []string{g.Gid}
	}
	for _, name := range append(names, group) {
		n, failed := strconv.Atoi(name)
		if failed != nil {
			return 0, 0, nil, fmt.Errorf("--user %s: group %q is no number", v.User, name)
		}
		groups = append(groups, n)
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	uid, err = strconv.Atoi(who.Uid)
	if err == nil {
		gid, err = strconv.Atoi(group)
	}
	return uid, gid, groups, err
}

// allThreads calls prctl on every thread.
func allThreads(option, arg2, arg3 uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, option, arg2, arg3, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// dropBounding empties the bounding set, so that no program that is executed later can
// get capabilities. It needs CAP_SETPCAP, which root has.
func dropBounding() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		err := allThreads(unix.PR_CAPBSET_DROP, c, 0)
		if err != nil && !errors.Is(err, unix.EINVAL) { // a capability that this kernel does not know
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return nil
}

// dropCapabilities drops all capabilities of all threads, for good.
func dropCapabilities() error {
	if err := allThreads(unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := allThreads(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	// Without CAP_SETPCAP the bounding set stays: with no new privileges there is
	// no way to make use of it.
	if err := dropBounding(); err != nil && !errors.Is(err, unix.EPERM) {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0) //nolint:gosec // as capset(2) takes it
	if errno != 0 {
		return fmt.Errorf("drop capabilities: %w", errno)
	}
	return nil
}

// restrictFiles takes away, for good, all of the file system but the folders that the
// run reads or writes. They are folders and not files, since files may be replaced.
func restrictFiles(s *settings) error {
	write, err := s.writtenFolders()
	if err != nil {
		return err
	}
	read := append(s.readFolders(), systemFolders()...)
	rules := []landlock.Rule{
		landlock.RODirs(read...).IgnoreIfMissing(),
		landlock.RWDirs(write...).WithRefer(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	// First with what every version of Landlock can do, which fails without Landlock;
	// then with all that this kernel can do.
	plain := []landlock.Rule{rules[0], landlock.RWDirs(write...), rules[2]}
	if err := landlock.V1.RestrictPaths(plain...); err != nil {
		return fmt.Errorf("can't confine itself to its folders (--no-sandbox goes on without): %w", err)
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("can't confine itself to its folders (--no-sandbox goes on without): %w", err)
	}
	return nil
}

// systemFolders returns the folders that the system's libraries read later, to learn how
// names are looked up (often through a link out of /etc), which certificates are trusted,
// and which interfaces there are.
func systemFolders() []string {
	return slices.Concat([]string{
		"/etc", "/usr/share/zoneinfo", "/usr/share/ca-certificates", "/proc/self", "/sys/class/net", "/sys/devices",
		"/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf", "/run/netconfig", "/run/connman",
	}, behind("/etc/resolv.conf"), behind("/etc/hosts"), behind("/etc/nsswitch.conf"))
}

// readFolders returns the folders of the configuration, of what it names, and of
// the feeds.
func (s *settings) readFolders() []string {
	named := append(s.HTTP.files(), s.sinkFiles()...)
	if s.configFile != "" {
		named = append(named, s.configFile)
	}
	var all []string
	for i := range s.Feeds {
		path := s.Feeds[i].Path
		files, folder, err := feed.Files(path)
		if folder && err == nil {
			all = append(all, path)
			for _, file := range files {
				all = append(all, behind(file)...)
			}
		}
		named = append(named, path)
	}
	for _, path := range named {
		all = append(all, filepath.Dir(path))
		all = append(all, behind(path)...)
	}
	return all
}

// behind returns the folders with the targets of the links on the way to a path: so a
// link may later point to another target in the same folder.
func behind(path string) (folders []string) {
	at, err := filepath.Abs(path)
	if err != nil {
		return nil // as if there were no links: reading it will fail
	}
	for ; at != "/"; at = filepath.Dir(at) {
		if _, err := os.Readlink(at); err != nil {
			continue // no link
		}
		target, err := filepath.EvalSymlinks(at)
		if err != nil {
			continue
		}
		folder := filepath.Dir(target)
		if folder == "/" {
			folder = target
		}
		folders = append(folders, folder)
	}
	return folders
}

// writtenFolders returns the folders that the run writes to. It makes the state folder.
func (s *settings) writtenFolders() ([]string, error) {
	var all []string
	for _, file := range []string{s.Alerts.File, s.Scope, s.Report} {
		if file != "" && file != "-" {
			all = append(all, filepath.Dir(file))
			all = append(all, behind(file)...)
		}
	}
	if s.State != "" {
		if err := os.MkdirAll(s.State, 0o750); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		all = append(all, s.State)
	}
	for _, folder := range all {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("folder %s: %w", folder, cmp.Or(err, error(syscall.ENOTDIR)))
		}
	}
	return all, nil
}
