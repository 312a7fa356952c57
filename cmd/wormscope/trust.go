package main

import (
	"fmt"
	"strings"

	"wormscope/detect/zone"
	"wormscope/ioc"
	"wormscope/ioc/feed"
	"wormscope/scope"
)

// trust returns what the configuration allows, and the built-in kill switches,
// which count even in a run that does not look for them.
func (s *settings) trust() (scope.Trust, error) {
	b := ioc.NewBuilder()
	if _, err := feed.AddBuiltin(b); err != nil {
		return scope.Trust{}, err
	}
	known := b.Build()
	t := scope.Trust{
		Scanners: s.Allow.Scanners,
		KillSwitch: func(name string) bool {
			m, ok := known.Name([]byte(strings.ToLower(name)), 0)
			return ok && m.Class() == ioc.KillSwitch
		},
	}
	for _, allowed := range s.Allow.Indicators {
		if err := t.Allow(allowed); err != nil {
			return scope.Trust{}, fmt.Errorf("allowed indicator %q: %w", allowed, err)
		}
	}
	return t, nil
}

// newLedger makes an empty ledger for hosts that zones calls inside.
func newLedger(s *settings, zones *zone.Map, onChange func(scope.Change)) (*scope.Ledger, error) {
	trust, err := s.trust()
	if err != nil {
		return nil, err
	}
	return scope.New(zones, scope.Options{Trust: trust, OnChange: onChange}), nil
}
