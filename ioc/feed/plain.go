package feed

import (
	"errors"
	"io"
	"slices"
	"strings"

	"wormscope/ioc"
)

// readPlain reads a list of one entry a line, or a hosts file.
//
// What follows the entry on its line is its description. The URL in a comment of the
// form "# Reference: URL" is the reference of all entries below it, up to the next
// such comment.
func (c *collector) readPlain(lines *lineReader) error {
	said := c.base
	inReferences := false
	for {
		l, names, err := c.readNames(lines, &said)
		inReferences = inReferences && names == 0
		c.file.Lines = lines.number
		switch {
		case err == nil:
		case errors.Is(err, errLongLine):
			c.skip(reasonLong, l)
			continue
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
		if isCosmetic(l.text) {
			c.skip(reasonCosmetic, l)
			continue
		}
		entry, comment := splitComment(l.text)
		if entry == "" {
			if comment != "" {
				c.file.remarks++
			}
			if url, ok := cutReference(comment); ok && !inReferences {
				said.Reference, inReferences = url, true
			}
			continue
		}
		inReferences = false
		said.Description = comment
		if err := c.readEntry(entry, &said, l); err != nil {
			return err
		}
	}
}

// readNames reads lines that are plain names, as most of a large feed are, up to the
// first that is not one, or that may be a header. It returns that line, or the error
// instead of it, and how many names there were.
func (c *collector) readNames(lines *lineReader, said *ioc.Indicator) (other line, names int, err error) {
	for {
		l, err := lines.next()
		plain := err == nil && l.number > 1 && c.isPlainName(l.text)
		if plain {
			c.batch.Add(l.text, l.number)
			names++
		}
		if plain && !c.batch.Full() {
			continue
		}
		if names > 0 {
			said.Description = ""
			if failed := c.addBatch(said); failed != nil {
				return l, names, failed
			}
		}
		if !plain {
			return l, names, err
		}
	}
}

// cutReference takes the URL out of a comment "Reference: URL".
func cutReference(comment string) (string, bool) {
	const word = "reference:"
	if len(comment) < len(word) || !strings.EqualFold(comment[:len(word)], word) {
		return "", false
	}
	return strings.TrimSpace(comment[len(word):]), true
}

// isCosmetic reports whether a line is a rule for ad blockers that changes pages of
// the sites it names: sites##selector, with #@#, #?#, #$#, #%# and combinations of
// them in the place of ##. A # with a blank before it begins a comment.
func isCosmetic(text string) bool {
	at := strings.IndexByte(text, '#')
	if at <= 0 || text[at-1] == ' ' || text[at-1] == '\t' || strings.Contains(text[:at], "://") {
		return false
	}
	return strings.HasPrefix(strings.TrimLeft(text[at+1:], "@?$%"), "#")
}

// splitComment splits a line into what is before a comment, and the comment.
// A '#' in a URL, or right behind a slash, is no comment unless a blank is before it.
func splitComment(text string) (entry, comment string) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", ""
	case text[0] == '#' || text[0] == ';' || text[0] == '!':
		return "", strings.TrimSpace(strings.TrimLeft(text, "#;! "))
	case strings.HasPrefix(text, "//"):
		return "", strings.TrimSpace(text[2:])
	}
	at := strings.IndexByte(text, '#')
	if at > 0 && (text[at-1] == '/' || strings.Contains(text[:at], "://") && text[at-1] != ' ' && text[at-1] != '\t') {
		at = indexAfterBlank(text, "#")
	}
	if at < 0 {
		if at = indexAfterBlank(text, ";"); at < 0 {
			if at = indexAfterBlank(text, "//"); at < 0 {
				return text, ""
			}
		}
	}
	return strings.TrimSpace(text[:at]), strings.TrimSpace(strings.TrimLeft(text[at:], "#;/"))
}

// indexAfterBlank returns the index of a mark that follows a blank, or -1.
func indexAfterBlank(text, mark string) int {
	at := indexBehind(text, ' ', mark)
	if at < 0 {
		at = indexBehind(text, '\t', mark)
	}
	return at
}

// indexBehind returns the index of a mark that follows a given byte, or -1.
func indexBehind(text string, before byte, mark string) int {
	for at := 1; at < len(text); at++ {
		next := strings.Index(text[at:], mark)
		if next < 0 {
			return -1
		}
		if at += next; text[at-1] == before {
			return at
		}
	}
	return -1
}

// readEntry reads what a line has before its comment.
func (c *collector) readEntry(entry string, said *ioc.Indicator, l line) error {
	end := indexDelimiter(entry)
	if strings.HasPrefix(entry, "||") {
		end = strings.IndexAny(entry, " \t") // its options have commas between them
	}
	if end < 0 {
		if l.number == 1 && isColumnName(entry) {
			c.file.remarks++
			return nil // the header of a CSV file with one column
		}
		return c.add(entry, said, 0, l)
	}
	if first := entry[:end]; isHostsAddress(first) && (entry[end] == ' ' || entry[end] == '\t') {
		return c.readHosts(strings.Fields(entry[end:]), said, l)
	}
	first, rest := cutEntry(entry, end)
	if first == "" {
		c.skip(reasonEmpty, l)
		return nil
	}
	first, rest = joinSpan(first, rest)
	if rest = strings.Trim(rest, " \t,;\"'"); c.beginsWithEntry(rest) {
		c.skip(reasonSecond, l)
	}
	if said.Description == "" {
		said.Description = rest
	}
	return c.add(first, said, 0, l)
}

// beginsWithEntry reports whether a description begins with what could be an entry
// itself. It is not used as one, since it may as well describe the entry before it.
// URLs do not count, since they are references, nor do words with capitals, which are
// names of malware.
func (c *collector) beginsWithEntry(text string) bool {
	word := text
	if end := indexDelimiter(text); end >= 0 {
		word = text[:end]
	}
	if !strings.ContainsAny(word, ".:") || strings.Contains(word, "://") || strings.ToLower(word) != word {
		return false
	}
	_, reason := c.parse(word)
	return reason == ""
}

// cutEntry splits a line into its entry, which is quoted or ends at end, and the rest.
func cutEntry(text string, end int) (first, rest string) {
	if quote := text[0]; quote == '"' || quote == '\'' {
		if closed := strings.IndexByte(text[1:], quote); closed >= 0 {
			return strings.TrimSpace(text[1 : 1+closed]), text[closed+2:]
		}
	}
	return text[:end], text[end:]
}

// indexDelimiter returns where an entry ends before the end of its line, or -1.
func indexDelimiter(text string) int {
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', ',', ';', '"', '\'':
			return i
		}
	}
	return -1
}

// isHostsAddress reports whether a text is what hosts files map unwanted names
// to.
func isHostsAddress(text string) bool {
	return text == "0.0.0.0" || text == "127.0.0.1" || text == "::" || text == "::1" || text == "0"
}

// readHosts reads the names of a line of a hosts file.
func (c *collector) readHosts(names []string, said *ioc.Indicator, l line) error {
	own := []string{
		"localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback",
		"ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "ip6-allhosts", "0.0.0.0",
	}
	for _, name := range names {
		if slices.Contains(own, strings.ToLower(name)) {
			continue
		}
		if err := c.add(name, said, 0, l); err != nil {
			return err
		}
	}
	return nil
}
