package report_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// faint returns, of each kind of text that shows, the contrast with what is behind it,
// by the formula of WCAG 2, where that is below the 4.5 that its level AA demands.
const faint = `(() => {
	const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
	const part = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
	const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
	const up = function* (e) { for (; e; e = e.parentElement) yield getComputedStyle(e); };
	const ground = (e) => {
		for (const s of up(e)) {
			const c = numbers(s.backgroundColor);
			if (c.length === 3 || c[3] === 1) return c;
		}
		return [255, 255, 255];
	};
	const found = {};
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())) continue;
		const behind = ground(e);
		let there = 1;
		for (const s of up(e)) there *= s.opacity;
		const ink = numbers(getComputedStyle(e)[e instanceof SVGElement ? 'fill' : 'color']).map((v, i) => v * there + behind[i] * (1 - there));
		const [dark, bright] = [light(ink), light(behind)].sort((a, b) => a - b);
		const contrast = (bright + .05) / (dark + .05);
		if (contrast < 4.5) found[e.tagName + ' ' + e.className + ' in ' + e.parentElement.className + ': ' + contrast.toFixed(1)] = e.textContent;
	}
	return found;
})()`

// TestBrowserContrast: whatever the page says can be read by those who see little, in
// light and dark, also what is filtered out, and evidence.
func TestBrowserContrast(t *testing.T) {
	b := openBrowser(t)
	for _, theme := range []string{"light", "dark"} {
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
		b.open(outbreakOf(24, 6, 60), "")
		b.js(`document.querySelector('#states input').click(); document.querySelector('#rows .toggle').click()`)
		for what, text := range eval[map[string]string](b, faint) {
			t.Errorf("%s: the contrast of %s is too low: %q", theme, what, text)
		}
		b.js(`for (const e of document.querySelectorAll('p')) e.style.color = 'gray'`)
		if len(eval[map[string]string](b, faint)) == 0 {
			t.Error("grey text is not found: the test is blind")
		}
	}
}
