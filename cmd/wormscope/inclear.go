package main

import "fmt"

// warnOfClear warns of what inTheClear finds, and of the same with the joint ledger's
// Kafka.
func (s *settings) warnOfClear(std streams) {
	for _, line := range s.inTheClear() {
		std.report("warning: %s", line)
	}
	s.warnOfClearCentral(std)
}

// warnOfClearCentral is warnOfClear for the joint ledger's Kafka alone.
func (s *settings) warnOfClearCentral(std streams) {
	if s.Central.InTheClear() {
		std.report("warning: central: %s", clearWords)
	}
}

// clearWords says what is wrong with a password that anybody can read.
const clearWords = "its password or token goes over the network as it is, for all on the way to read: use TLS"

// inTheClear returns a line for each sink that sends its password or token without
// encryption. These are warnings and not errors: the network may be a closed one.
func (s *settings) inTheClear() (lines []string) {
	for i := range s.Sinks {
		if k, ok := s.Sinks[i].own.(interface{ InTheClear() bool }); ok && k.InTheClear() {
			lines = append(lines, fmt.Sprintf("sink %s: %s", s.Sinks[i].Name, clearWords))
		}
	}
	return lines
}
