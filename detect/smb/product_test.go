package smb

import "testing"

func TestProducts(t *testing.T) {
	for _, c := range []struct {
		os, lan, product, build string
		over, affected          bool
	}{
		{"Windows 7 Enterprise 7601 Service Pack 1", "Windows 7 Enterprise 6.1", "Windows 7", "6.1.7601", true, false},
		{"Windows 5.1", "Windows 2000 LAN Manager", "Windows XP", "", true, true},
		{"Windows Server 2003 R2 3790 Service Pack 2", "Windows Server 2003 R2 5.2", "Windows Server 2003", "5.2.3790", true, true},
		{"Windows Vista (TM) Business 6002 Service Pack 2", "Windows Vista (TM) Business 6.0", "Windows Vista", "6.0.6002", true, false},
		{"Windows Server (R) 2008 Standard 6001 Service Pack 1", "Windows Server (R) 2008 Standard 6.0", "Windows Server 2008", "6.0.6001", true, false},
		{"Windows Server 2008 R2 Standard 7600", "Windows Server 2008 R2 Standard 6.1", "Windows Server 2008 R2", "6.1.7600", true, false},
		{"Windows 8.1 Pro 9600", "Windows 8.1 Pro 6.3", "Windows 8.1", "6.3.9600", true, false},
		{"Windows Server 2012 R2 Datacenter Evaluation 9600", "Windows Server 2012 R2 Datacenter Evaluation 6.3", "Windows Server 2012 R2", "6.3.9600", true, false},
		{"Windows 10 Enterprise Evaluation 10586", "Windows 10 Enterprise Evaluation 6.3", "Windows 10", "10.0.10586", false, false},
		{"Windows Server 2016 Datacenter 14393", "Windows Server 2016 Datacenter 6.3", "Windows Server 2016", "10.0.14393", false, false},
		{"Windows Server 2019 Standard 17763", "Windows Server 2019 Standard 6.3", "Windows Server 2019", "10.0.17763", false, false},
		{"Windows Server 2022 Datacenter 20348", "Windows Server 2022 Datacenter 6.3", "Windows Server 2022", "10.0.20348", false, false},
		{"Windows 2000 2195", "Windows 2000 5.0", "Windows 2000", "5.0.2195", true, true},
		{"Windows 7up", "", "", "", false, false},
		{"Unix", "Samba 3.0.2", "", "", false, false},
		{"", "", "", "", false, false},
	} {
		product := productOfName(c.os)
		over, affected := support(product)
		if build := buildOfName(c.os, c.lan); product != c.product || build != c.build || over != c.over || affected != c.affected {
			t.Errorf("%q: %q %q %v %v", c.os, product, build, over, affected)
		}
	}
}

func TestProductOfBuild(t *testing.T) {
	for version, want := range map[string]string{
		"5.1.2600": "Windows XP", "6.1.7601": "Windows 7 or Server 2008 R2", "10.0.17763": "Windows 10, Server 2016 or later", "9.9.9": "",
	} {
		if have := productOfBuild(version); have != want {
			t.Errorf("%s: %q, want %q", version, have, want)
		}
	}
}

func TestFileTime(t *testing.T) {
	for ft, want := range map[uint64]string{
		0: "", 1: "", 1 << 63: "",
		116444736000000000: "1970-01-01T00:00:00Z",
		131339232000000000: "2017-03-14T00:00:00Z",
	} {
		at, ok := fileTime(ft)
		if have := at.Format("2006-01-02T15:04:05Z07:00"); ok != (want != "") || ok && have != want {
			t.Errorf("%d: %s, %v, want %q", ft, have, ok, want)
		}
	}
	if at, _ := fileTime(131339232000000000); at.Unix() != fixed {
		t.Error("the day of the fix is another")
	}
}
