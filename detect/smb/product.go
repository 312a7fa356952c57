package smb

import "strings"

// product is a system by what its server calls itself, or by its version.
type product struct {
	name  string
	says  string // begins NativeOS, without signs such as (R)
	build string // begins the version, empty where another one is likelier
	// over says that the system gets no more fixes without a contract;
	// affected, that the advisory treats it as affected whenever SMB is on.
	over, affected bool
}

// products returns the systems that are told apart, longer names first.
// Windows 10 and what came later is told by its edition, which decides on its
// support, so that none of them is called over.
func products() [27]product {
	return [...]product{
		{"Windows NT 4.0", "Windows NT 4.0", "4.0.", true, true},
		{"Windows NT 4.0", "Windows 4.0", "", true, true},
		{"Windows 2000", "Windows 2000", "5.0.", true, true},
		{"Windows 2000", "Windows 5.0", "", true, true},
		{"Windows XP", "Windows XP", "5.1.", true, true},
		{"Windows XP", "Windows 2002", "", true, true},
		{"Windows XP", "Windows 5.1", "", true, true},
		{"Windows Server 2003", "Windows Server 2003", "5.2.", true, true},
		{"Windows Server 2003", "Windows 5.2", "", true, true},
		{"Windows Vista", "Windows Vista", "", true, false},
		{"Windows Server 2008 R2", "Windows Server 2008 R2", "", true, false},
		{"Windows Server 2008", "Windows Server 2008", "", true, false},
		{"Windows Vista or Server 2008", "Windows 6.0", "6.0.", true, false},
		{"Windows 7", "Windows 7", "", true, false},
		{"Windows 7 or Server 2008 R2", "Windows 6.1", "6.1.", true, false},
		{"Windows 8.1", "Windows 8.1", "", true, false},
		{"Windows 8", "Windows 8", "", true, false},
		{"Windows Server 2012 R2", "Windows Server 2012 R2", "", true, false},
		{"Windows Server 2012", "Windows Server 2012", "", true, false},
		{"Windows 8 or Server 2012", "Windows 6.2", "6.2.", true, false},
		{"Windows 8.1 or Server 2012 R2", "Windows 6.3", "6.3.", true, false},
		{"Windows 10", "Windows 10", "", false, false},
		{"Windows Server 2016", "Windows Server 2016", "", false, false},
		{"Windows Server 2019", "Windows Server 2019", "", false, false},
		{"Windows Server 2022", "Windows Server 2022", "", false, false},
		{"Windows Server 2025", "Windows Server 2025", "", false, false},
		{"Windows 10, Server 2016 or later", "Windows 10.0", "10.0.", false, false},
	}
}

// productOfName names the system that a NativeOS is of, empty when it is not
// known.
func productOfName(os string) string {
	clean := strings.NewReplacer("(R) ", "", "(TM) ", "", " (R)", "", " (TM)", "", "®", "", "™", "").Replace(os)
	best := product{}
	for _, p := range products() {
		if hasWords(clean, p.says) && len(p.says) > len(best.says) {
			best = p
		}
	}
	return best.name
}

// hasWords reports whether s begins with the words of prefix.
func hasWords(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '.')
}

// productOfBuild names the systems that have a version, empty when it is not
// known.
func productOfBuild(version string) string {
	for _, p := range products() {
		if p.build != "" && strings.HasPrefix(version, p.build) {
			return p.name
		}
	}
	return ""
}

// support tells what is known of a system's support.
func support(name string) (over, affected bool) {
	for _, p := range products() {
		if p.name == name {
			return p.over, p.affected
		}
	}
	return false, false
}

// buildOfName returns the build that a NativeOS names, with the version that
// NativeLanMan ends in before it, such as 6.1.7601; empty when there is none.
func buildOfName(os, lan string) string {
	build := ""
	for word := range strings.FieldsSeq(os) {
		if len(word) >= 4 && strings.Trim(word, "0123456789") == "" && !isYear(word) {
			build = word
		}
	}
	version := lan[strings.LastIndexByte(lan, ' ')+1:]
	switch major, minor, ok := strings.Cut(version, "."); {
	case build == "" || !strings.HasPrefix(lan, "Windows "):
		return ""
	case !ok || strings.Trim(major+minor, "0123456789") != "" || len(version) > 4:
		return build
	case len(build) == 5:
		return "10.0." + build // says 6.3, as all since Windows 8.1 do
	default:
		return version + "." + build
	}
}

// isYear reports whether a number in a system's name is its year.
func isYear(s string) bool {
	return len(s) == 4 && s >= "2000" && s <= "2099"
}
