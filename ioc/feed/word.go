package feed

import (
	"fmt"
	"slices"
	"strings"

	"wormscope/ioc"
)

// ParseClass returns the class of a word: malicious, kill-switch, sinkhole or
// anonymizer, or what feeds call these.
func ParseClass(word string) (ioc.Class, error) {
	class, ok := classOf(word)
	if !ok {
		return class, fmt.Errorf("unknown class %q: malicious, kill-switch, sinkhole or anonymizer", word)
	}
	return class, nil
}

// classOf is ParseClass for words of which many are none.
func classOf(word string) (class ioc.Class, ok bool) {
	for class, names := range [...][]string{
		ioc.Malicious:  {"malicious"},
		ioc.KillSwitch: {"kill-switch", "killswitch", "kill_switch", "kill switch"},
		ioc.Sinkhole:   {"sinkhole"},
		ioc.Anonymizer: {"anonymizer", "anonymiser", "tor"},
	} {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, word) }) {
			return ioc.Class(class), true
		}
	}
	return ioc.Malicious, false
}

// ParseTLP returns a marking of the traffic light protocol in the word that ECS
// has for it, whatever the case and with TLP: before it or not. Nothing stays
// nothing.
func ParseTLP(text string) (string, error) {
	word := strings.ToUpper(strings.TrimSpace(text))
	word = strings.TrimSpace(strings.TrimPrefix(word, "TLP:"))
	switch word {
	case "CLEAR", "WHITE", "GREEN", "AMBER", "AMBER+STRICT", "RED":
		return word, nil
	case "":
		if text == "" {
			return "", nil
		}
	}
	return "", fmt.Errorf("unknown traffic light protocol marking %q: CLEAR, WHITE, GREEN, AMBER, AMBER+STRICT or RED", text)
}
