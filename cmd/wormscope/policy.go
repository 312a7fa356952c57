package main

import (
	"fmt"
	"slices"

	"wormscope/detect/alert"
	"wormscope/detect/crossing"
	"wormscope/detect/zone"
)

// policySetting is what must be closed between zones.
type policySetting struct {
	Closed []closedSetting `yaml:"closed"`
}

// closedSetting closes ports from a zone to another; "*" stands for any zone,
// and no ports for all lateral ones. Hosts that may scan are excepted, too.
type closedSetting struct {
	From   string      `yaml:"from"`
	To     string      `yaml:"to"`
	Ports  []uint16    `yaml:"ports"`
	Except networkList `yaml:"except"`
}

// checkPolicy checks that the policy names existing zones: a border with a
// misspelt zone would never be watched.
func (s *settings) checkPolicy() error {
	known := make([]string, 0, 3+len(s.Zones))
	known = append(known, crossing.Any, zone.Internal, zone.Internet)
	for _, z := range s.Zones {
		known = append(known, z.Name)
	}
	for i, c := range s.Policy.Closed {
		for _, name := range []string{c.From, c.To} {
			switch {
			case name == "":
				return fmt.Errorf("policy: closed border %d lacks from or to", i+1)
			case !slices.Contains(known, name):
				return fmt.Errorf("policy: closed border %d: there is no zone %q%s", i+1, name, hint(name, known))
			}
		}
		if slices.Contains(c.Ports, 0) {
			return fmt.Errorf("policy: closed border %d: 0 is no port (leave ports out for all lateral ones)", i+1)
		}
	}
	return nil
}

// crossings returns the policy as the detector takes it.
func (s *settings) crossings() crossing.Config {
	cfg := crossing.Config{Ports: s.Lateral}
	if len(cfg.Ports) == 0 {
		cfg.Ports = alert.LateralPorts()
	}
	for _, c := range s.Policy.Closed {
		cfg.Closed = append(cfg.Closed, crossing.Rule{
			From: c.From, To: c.To, Ports: c.Ports, Except: append(slices.Clone(c.Except), s.Allow.Scanners...),
		})
	}
	return cfg
}
