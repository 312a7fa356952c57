package filter

import "strings"

// A token is a word of an expression. at is its position, counted in bytes
// from 1.
type token struct {
	text string
	at   int
}

// lex splits an expression into words: the signs of pcap-filter(7) that stand
// for themselves, and what is between them and white space.
func lex(s string) []token {
	var out []token
	for at := 0; at < len(s); {
		switch c := s[at]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			at++
			continue
		case strings.HasPrefix(s[at:], "&&"), strings.HasPrefix(s[at:], "||"),
			strings.HasPrefix(s[at:], "!="), strings.HasPrefix(s[at:], ">="),
			strings.HasPrefix(s[at:], "<="), strings.HasPrefix(s[at:], "=="):
			out = append(out, token{s[at : at+2], at + 1})
			at += 2
		case strings.IndexByte(signs, c) >= 0:
			out = append(out, token{s[at : at+1], at + 1})
			at++
		default:
			end := at
			for end < len(s) && strings.IndexByte(signs+" \t\r\n", s[end]) < 0 {
				end++
			}
			out = append(out, token{s[at:end], at + 1})
			at = end
		}
	}
	return out
}

const signs = "()!&|=<>[]+*%^"
