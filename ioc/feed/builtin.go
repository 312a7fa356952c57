package feed

import (
	"errors"
	"fmt"

	"wormscope/ioc"
)

// BuiltinName is the name of the feed that AddBuiltin adds.
const BuiltinName = "builtin"

// AddBuiltin adds the indicators of WannaCry that everybody needs: its kill
// switches and the hidden services of its ransom module. Independent public
// analyses agree on these names. The one exception says so in its description:
// a kill switch that a single source has is worth naming, since nobody asks
// for such a name by accident.
//
// The hidden services are reached through Tor, which asks no resolver: a
// lookup in DNS is a leak, seen where a Tor client is badly set up or somebody
// tries the name by hand.
func AddBuiltin(b *ioc.Builder) (*Report, error) {
	const (
		microsoft = "https://www.microsoft.com/security/portal/threat/encyclopedia/Entry.aspx?Name=Ransom:Win32/WannaCrypt"
		mandiant  = "https://www.mandiant.com/resources/blog/wannacry-ransomware-campaign"
		factsheet = "https://gist.github.com/rain-1/989428fa5504f378b993ee6efbc0b168"
		// Of the worm that calls its service mssecsvc2.1 and its file mssecsvr.exe.
		later = "https://github.com/geekscrapy/misp-batchobjects/blob/4b18a163b0ced6f636bd0c4389b72b3893590591/wanacry_example.csv"
	)
	b.From("")
	file := FileReport{Path: "(built in)", Feed: BuiltinName}
	add := func(name string, class ioc.Class, sure ioc.Confidence, description, reference string) error {
		err := b.Add(ioc.Indicator{
			Type: ioc.Domain, Value: name, Class: class, Feed: BuiltinName, Description: description,
			Reference: reference, Confidence: sure, TLP: "CLEAR",
		})
		switch {
		case errors.Is(err, ioc.ErrAllowed):
			file.skip(reasonAllowed, 0, name)
		case err != nil:
			return fmt.Errorf("built-in %w", err)
		default:
			file.Names++
		}
		return nil
	}
	for _, k := range []struct{ name, reference string }{
		{"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com", microsoft},
		{"ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.com", mandiant},
		{"ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.test", mandiant},
		{"ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.testing", mandiant},
		{"iuqssfsodp9ifjaposdfjhgosurijfaewrwergwea.com", mandiant},
		{"ayylmaotjhsstasdfasdfasdfasdfasdfasdfasdf.com", mandiant},
		{"iuqerfsodp9ifjaposdfjhgosurijfaewrwergwff.com", later},
	} {
		if err := add(k.name, ioc.KillSwitch, ioc.HighConfidence, "WannaCry kill switch", k.reference); err != nil {
			return nil, err
		}
	}
	if err := add("lazarusse.suiche.sdfjhgosurijfaqwqwqrgwea.com", ioc.KillSwitch, ioc.MediumConfidence,
		"WannaCry kill switch, from one source only", ""); err != nil {
		return nil, err
	}
	for _, name := range []string{
		"57g7spgrzlojinas.onion", "gx7ekbenv2riucmf.onion", "xxlvbrloxvriy2c5.onion",
		"76jdd2ir2embyv47.onion", "cwwnhwhlz52maqm7.onion",
	} {
		if err := add(name, ioc.Malicious, ioc.HighConfidence, "WannaCry hidden service", factsheet); err != nil {
			return nil, err
		}
	}
	return &Report{Files: []FileReport{file}}, nil
}
