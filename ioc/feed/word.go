package feed

import (
	"fmt"
	"slices"
	"strings"

	"wormscope/ioc"
)

// ParseClass returns the class that a word stands for: malicious, kill-switch,
// sinkhole or anonymizer, or another name that feeds have for these.
func ParseClass(word string) (ioc.Class, error) {
	class, ok := classOf(word)
	if !ok {
		return class, fmt.Errorf("unknown class %q: malicious, kill-switch, sinkhole or anonymizer", word)
	}
	return class, nil
}

// classOf is ParseClass for words that often are no class.
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

// ParseTLP returns a marking of the traffic light protocol as ECS writes it. The text
// may be in any case, with or without TLP: before it. An empty text gives an empty
// marking.
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
