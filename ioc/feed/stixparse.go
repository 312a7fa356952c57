package feed

import "strings"

// parsePattern brings a pattern of STIX into the form "any of these". A reason says why
// that can't be done.
func parsePattern(text string) (pattern, Reason) {
	p := patternParser{lex: patternLexer{text: text}}
	p.step()
	some := p.followed(0)
	switch {
	case p.large:
		return nil, reasonComplex
	case p.failed || p.token.kind != tokenEnd:
		return nil, reasonPattern
	}
	return some, ""
}

// A patternParser reads a pattern, one level of its grammar a method: of observations
// AND binds closest, then OR, then FOLLOWEDBY; of comparisons AND, then OR.
type patternParser struct {
	lex    patternLexer
	token  patternToken // the next one
	failed bool         // the pattern has a mistake
	large  bool         // it stands for too much
}

// maxNested is how deep parentheses may be.
const maxNested = 50

// step goes on to the next token.
func (p *patternParser) step() { p.token = p.lex.next() }

// accept goes on if the next token is a certain word or mark, and reports whether.
func (p *patternParser) accept(text string) bool {
	ok := !p.failed && p.token.kind == tokenWord && p.token.text == text
	if ok {
		p.step()
	}
	return ok
}

// expect is accept for what must come.
func (p *patternParser) expect(text string) {
	if !p.accept(text) {
		p.failed = true
	}
}

func (p *patternParser) followed(depth int) pattern {
	some := p.some(depth, p.allObserved)
	for p.accept("FOLLOWEDBY") {
		some = p.both(some, p.some(depth, p.allObserved)).beyond()
	}
	return some
}

// some reads what is joined with OR: each part is read by one.
func (p *patternParser) some(depth int, one func(depth int) pattern) pattern {
	some := one(depth)
	for p.accept("OR") {
		some = p.either(some, one(depth))
	}
	return some
}

func (p *patternParser) allObserved(depth int) pattern {
	some := p.observed(depth)
	for p.accept("AND") {
		some = p.both(some, p.observed(depth)).beyond()
	}
	return some
}

// observed reads an observation, or several in parentheses, and conditions of when and
// how often it is to be made.
func (p *patternParser) observed(depth int) (some pattern) {
	switch {
	case depth > maxNested:
		p.failed = true
	case p.accept("["):
		some = p.some(depth, p.allCompared)
		p.expect("]")
	case p.accept("("):
		some = p.followed(depth + 1)
		p.expect(")")
	default:
		p.failed = true
	}
	for {
		switch {
		case p.accept("WITHIN"), p.accept("REPEATS"): // so many SECONDS, or TIMES
			p.literal()
			p.step()
		case p.accept("START"):
			p.literal()
			p.expect("STOP")
			p.literal()
		default:
			return some
		}
		some = some.beyond()
	}
}

func (p *patternParser) allCompared(depth int) pattern {
	some := p.compared(depth)
	for p.accept("AND") {
		some = p.both(some, p.compared(depth))
	}
	return some
}

// compared reads one comparison, or several in parentheses.
func (p *patternParser) compared(depth int) pattern {
	if depth > maxNested {
		p.failed = true
		return nil
	}
	if p.accept("(") {
		some := p.some(depth+1, p.allCompared)
		p.expect(")")
		return some
	}
	c := comparison{}
	if p.accept("EXISTS") {
		c.operator = "EXISTS"
	}
	c.path = p.word()
	if c.operator == "" {
		if p.accept("NOT") {
			c.operator = "NOT "
		}
		operator := p.word()
		c.operator += operator
		if operator == "IN" {
			p.expect("(")
			for c.values = append(c.values, p.literal()); p.accept(","); {
				c.values = append(c.values, p.literal())
			}
			p.expect(")")
		} else {
			c.values = []string{p.literal()}
		}
	}
	return pattern{{all: []comparison{c}}}
}

// word reads a word.
func (p *patternParser) word() string {
	text := p.token.text
	p.failed = p.failed || p.token.kind != tokenWord
	p.step()
	return text
}

// literal reads a value.
func (p *patternParser) literal() string {
	text := p.token.text
	p.failed = p.failed || p.token.kind != tokenLiteral
	p.step()
	return text
}

// either is what is asked for by one pattern or another.
func (p *patternParser) either(a, b pattern) pattern {
	p.large = p.large || len(a)+len(b) > maxAlternatives
	if p.large || p.failed {
		return nil
	}
	return append(a, b...)
}

// both is what is asked for by two patterns at once.
func (p *patternParser) both(a, b pattern) pattern {
	p.large = p.large || len(a)*len(b) > maxAlternatives
	if p.large || p.failed {
		return nil
	}
	all := make(pattern, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			if len(x.all)+len(y.all) > maxTogether {
				p.large = true
				return nil
			}
			all = append(all, alternative{
				all:    append(append(make([]comparison, 0, len(x.all)+len(y.all)), x.all...), y.all...),
				beyond: x.beyond || y.beyond,
			})
		}
	}
	return all
}

type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenWord              // a word, a path or a mark
	tokenLiteral           // a text, without its quotes, or a number
)

type patternToken struct {
	kind tokenKind
	text string
}

// A patternLexer cuts a pattern into words, paths, marks and values.
type patternLexer struct{ text string }

func (l *patternLexer) next() patternToken {
	l.text = strings.TrimLeft(l.text, " \t\r\n")
	if l.text == "" {
		return patternToken{}
	}
	switch c := l.text[0]; {
	case c == '\'':
		return l.quoted(1)
	case len(l.text) > 1 && l.text[1] == '\'' && strings.IndexByte("tbh", c) >= 0: // a time, or bytes
		return l.quoted(2)
	case c == '-' || c == '+' || c >= '0' && c <= '9':
		return patternToken{tokenLiteral, l.take(func(c byte) bool { return strings.IndexByte("+-.0123456789eE", c) >= 0 })}
	case isPathByte(c):
		word := l.path()
		if word == "true" || word == "false" {
			return patternToken{tokenLiteral, word}
		}
		return patternToken{tokenWord, word}
	case strings.IndexByte("=!<>", c) >= 0:
		return patternToken{tokenWord, l.take(func(c byte) bool { return strings.IndexByte("=!<>", c) >= 0 })}
	}
	return patternToken{tokenWord, l.cut(1)}
}

// cut takes so many bytes.
func (l *patternLexer) cut(n int) string {
	text := l.text[:n]
	l.text = l.text[n:]
	return text
}

// take takes the bytes that belong to a token.
func (l *patternLexer) take(belongs func(byte) bool) string {
	n := 0
	for n < len(l.text) && belongs(l.text[n]) {
		n++
	}
	return l.cut(n)
}

// quoted takes a text whose first quote is before from. A backslash takes the meaning
// off the next byte.
func (l *patternLexer) quoted(from int) patternToken {
	var text []byte
	for i := from; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\'':
			l.cut(i + 1)
			return patternToken{tokenLiteral, string(text)}
		case c == '\\' && i+1 < len(l.text):
			i++
			text = append(text, l.text[i])
		default:
			text = append(text, c)
		}
	}
	l.text = ""
	return patternToken{tokenWord, "'"} // it is not closed, which no rule allows
}

func isPathByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '-' || c == ':' || c == '.' || c >= '0' && c <= '9'
}

// path takes a word, or a path such as file:hashes.'SHA-256' or a:b[*].c.
func (l *patternLexer) path() string {
	n := 0
	for n < len(l.text) {
		c := l.text[n]
		closing := -1
		switch {
		case isPathByte(c):
			n++
			continue
		case c == '[' && strings.IndexByte(l.text[:n], ':') >= 0:
			closing = strings.IndexByte(l.text[n:], ']')
		case c == '\'' && n > 0 && l.text[n-1] == '.':
			closing = strings.IndexByte(l.text[n+1:], '\'') + 1
		}
		if closing <= 0 {
			break
		}
		n += closing + 1
	}
	return l.cut(n)
}
