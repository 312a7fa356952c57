'use strict';
// Sorts, filters and unfolds the table of hosts, copies lists, and switches
// between light and dark. Everything from the wire goes into the page as text
// nodes, never as markup.
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  root.classList.add('js');

  // make returns a new element; classes and children are optional.
  function make(tag, classes, ...children) {
    const e = document.createElement(tag);
    if (classes) e.className = classes;
    e.append(...children);
    return e;
  }

  function theme() {
    const button = byId('theme');
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const key = 'wormscope-theme';
    let chosen = null;
    try { chosen = localStorage.getItem(key); } catch { /* not allowed: forget it */ }
    const now = () => chosen || (dark.matches ? 'dark' : 'light');
    function show() {
      if (chosen) root.dataset.theme = chosen;
      button.textContent = now() === 'dark' ? 'Light' : 'Dark';
      button.setAttribute('aria-label', 'Switch to ' + button.textContent.toLowerCase() + ' colours');
    }
    button.hidden = false;
    button.addEventListener('click', () => {
      chosen = now() === 'dark' ? 'light' : 'dark';
      try { localStorage.setItem(key, chosen); } catch { /* as above */ }
      show();
    });
    dark.addEventListener('change', show);
    show();
  }

  // copyButton returns a button that copies what text() returns.
  function copyButton(label, text) {
    const b = make('button', 'copy', label);
    b.type = 'button';
    b.addEventListener('click', async (event) => {
      event.stopPropagation();
      try {
        await navigator.clipboard.writeText(text());
        b.textContent = 'Copied';
      } catch {
        b.textContent = copyOld(text()) ? 'Copied' : 'Not allowed';
      }
      setTimeout(() => { b.textContent = label; }, 1500);
    });
    return b;
  }

  // copyOld copies where the clipboard is not open to files.
  function copyOld(text) {
    const area = make('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }

  for (const list of document.querySelectorAll('.list')) {
    const pre = list.querySelector('pre');
    list.querySelector('.label').after(copyButton('Copy', () => pre.textContent));
  }
  addEventListener('beforeprint', () => {
    for (const d of document.querySelectorAll('.steps details')) d.open = true;
  });
  theme();
  if (byId('data')) hosts(JSON.parse(byId('data').textContent));

  function hosts(data) {
    // The places of values in the rows that data.go writes.
    const [IP, RANK, ZONE, STATE, SURE, SINCE, FIRST, LAST, PATCH, KILL, ROLES, SOURCES, ZERO, LEFT, MAIN, SYSTEM, FACTS, MARKS] = Array(18).keys();
    const [KIND, F_SURE, F_FIRST, F_LASTED, COUNT, PEER, PORT, FRAMES, FILES, RULE, ALERT, INDICATOR, FEED, DETAIL, OWN] = Array(15).keys();
    const text = (i) => data.strings[i];
    const worst = ['infected', 'suspected', 'targeted', 'exposed', 'seen'];
    const chunk = 200; // rows shown at once, and more at the end of the page
    const printed = 2000; // rows on paper, some 25 a page

    const all = data.hosts; // worst first
    const table = byId('table');
    const body = byId('rows');
    const place = new Map(all.map((h, i) => [h[IP], i]));
    const open = new Set(); // addresses whose evidence shows
    let view = [];          // indexes into all, filtered and sorted
    let shown = 0;          // how many of view have rows
    let order = { by: '', down: false };
    let found = '';         // the address that a link led to

    const clock = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
    const number = (n) => n.toLocaleString('en');
    const plural = (n, noun) => number(n) + ' ' + noun + (n === 1 ? '' : 's');

    // searchable returns what a host is found by, made when first asked for.
    const haystack = new Array(all.length);
    function searchable(i) {
      const h = all[i];
      haystack[i] ??= [h[IP], text(h[ZONE]), text(h[STATE]), text(h[PATCH]), text(h[KILL]), text(h[SYSTEM]),
        ...h[ROLES].map(text), ...h[MARKS].map(text), ...h[SOURCES].map((s) => s[0]),
        ...h[FACTS].flatMap((f) => [text(f[KIND]), f[PEER], text(f[RULE]), text(f[INDICATOR]), text(f[FEED]), f[ALERT], f[DETAIL]]),
      ].join('\n').toLowerCase();
      return haystack[i];
    }

    // ---- sorting
    const keys = {
      ip: (h) => h[RANK],
      zone: (h) => text(h[ZONE]),
      state: (h) => worst.indexOf(text(h[STATE])),
      sure: (h) => -h[SURE],
      since: (h) => h[SINCE] || h[FIRST] + 1e14, // those without an act of their own last
      patch: (h) => ['vulnerable', 'unknown', 'patched'].indexOf(text(h[PATCH])),
      source: (h) => (h[SOURCES].length ? h[SOURCES][0][0] : '\uffff'),
      facts: (h) => -h[FACTS].length - h[LEFT],
    };

    function sorted(list) {
      if (!order.by) return list;
      const value = new Map(list.map((i) => [i, keys[order.by](all[i])]));
      const sign = order.down ? -1 : 1;
      return list.sort((a, b) => {
        const x = value.get(a);
        const y = value.get(b);
        return x < y ? -sign : x > y ? sign : a - b;
      });
    }

    for (const th of table.tHead.rows[0].cells) {
      const button = make('button', '', th.textContent);
      button.type = 'button';
      th.replaceChildren(button);
      th.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => {
        const by = th.dataset.sort;
        if (order.by !== by) order = { by, down: false };
        else if (!order.down) order.down = true;
        else order = { by: '', down: false };
        for (const other of table.tHead.rows[0].cells) {
          const is = order.by && other === th;
          other.setAttribute('aria-sort', is ? (order.down ? 'descending' : 'ascending') : 'none');
        }
        refresh();
      });
    }

    // ---- filtering
    const find = byId('find');
    const zone = byId('zone');
    const boxes = new Map();
    function filters() {
      const counts = new Map();
      const zones = new Map();
      for (const h of all) {
        counts.set(text(h[STATE]), (counts.get(text(h[STATE])) || 0) + 1);
        zones.set(text(h[ZONE]), (zones.get(text(h[ZONE])) || 0) + 1);
      }
      for (const s of worst.filter((name) => counts.has(name))) {
        const box = make('input');
        box.type = 'checkbox';
        box.checked = true;
        box.value = s;
        boxes.set(s, box);
        byId('states').append(make('label', 'chip', box, make('span', 'state ' + s, s), make('span', 'soft', number(counts.get(s)))));
        box.addEventListener('change', refresh);
      }
      for (const [name, n] of [...zones].sort()) {
        const o = make('option', '', name + ' (' + number(n) + ')');
        o.value = name;
        zone.append(o);
      }
      byId('zonebox').hidden = zones.size < 2;
      let waiting = 0;
      find.addEventListener('input', () => {
        clearTimeout(waiting);
        waiting = setTimeout(refresh, 80);
      });
      zone.addEventListener('change', refresh);
      byId('reset').addEventListener('click', () => { reset(); refresh(); });
      byId('filters').hidden = false;
    }

    function reset() {
      find.value = '';
      zone.value = '';
      for (const box of boxes.values()) box.checked = true;
    }

    function matching() {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const list = [];
      all.forEach((h, i) => {
        if (!boxes.get(text(h[STATE]))?.checked) return;
        if (zone.value && text(h[ZONE]) !== zone.value) return;
        if (words.length && !words.every((w) => searchable(i).includes(w))) return;
        list.push(i);
      });
      return list;
    }

    // ---- rows
    function refresh() {
      view = sorted(matching());
      body.replaceChildren();
      shown = 0;
      grow();
      const whole = Number(table.dataset.all);
      let words = view.length === whole ? plural(whole, 'host') : number(view.length) + ' of ' + plural(whole, 'host');
      if (!order.by && view.length > 1) words += ', the worst first';
      if (whole > all.length) words += '; the table holds the worst ' + number(all.length);
      byId('count').textContent = words + '.';
    }

    // grow adds rows, as many as one chunk or until n are shown.
    function grow(n = shown + chunk) {
      const end = Math.min(view.length, n);
      const part = document.createDocumentFragment();
      for (; shown < end; shown++) {
        const h = all[view[shown]];
        part.append(hostRow(h));
        if (open.has(h[IP])) part.append(evidenceRow(h));
      }
      body.append(part);
      byId('more').hidden = shown >= view.length;
    }

    function cell(classes, ...children) { return make('td', classes, ...children); }
    function none() { return make('span', 'soft', '–'); }

    // hostLink returns a link to a host of the table, or its bare address.
    function hostLink(ip) {
      const code = make('code', '', ip);
      if (!place.has(ip)) return code;
      const a = make('a', '', code);
      a.href = '#host-' + encodeURIComponent(ip);
      return a;
    }

    // source returns who infected a host most likely, and a doubt.
    function source(ip, sure) {
      if (sure >= 50) return [hostLink(ip)];
      const doubt = make('span', '', '?');
      doubt.title = sure + ' % sure';
      return [hostLink(ip), ' ', doubt];
    }

    function hostRow(h) {
      const tr = make('tr', 'host' + (h[IP] === found ? ' found' : ''));
      tr.id = 'host-' + h[IP];
      const toggle = make('button', 'toggle', make('code', '', h[IP]));
      toggle.type = 'button';
      toggle.setAttribute('aria-expanded', open.has(h[IP]));
      toggle.setAttribute('aria-label', h[IP] + ', evidence');
      const since = h[SINCE] ? clock(h[SINCE]) : make('span', 'soft', '(' + clock(h[FIRST]) + ')');
      const patch = text(h[PATCH]);
      tr.append(
        cell('', toggle, make('span', 'narrow-only soft', text(h[ZONE]))),
        cell('wide-only', text(h[ZONE])),
        cell('', make('span', 'state ' + text(h[STATE]), text(h[STATE])), ...h[MARKS].map((m) => make('span', 'marked', text(m)))),
        cell('num wide-only', h[SURE] + ' %'),
        cell('time', since),
        cell('wide-only', patch === 'unknown' ? make('span', 'soft', patch) : patch),
        cell('wide-only', ...(h[SOURCES].length ? source(...h[SOURCES][0]) : [none()])),
        cell('why', h[MAIN]));
      tr.addEventListener('click', (event) => {
        if (event.target.closest('a') || String(getSelection())) return;
        unfold(tr, h, !open.has(h[IP]));
      });
      return tr;
    }

    function unfold(tr, h, yes) {
      if (yes === open.has(h[IP])) return;
      tr.querySelector('.toggle').setAttribute('aria-expanded', yes);
      if (yes) {
        open.add(h[IP]);
        tr.after(evidenceRow(h));
      } else {
        open.delete(h[IP]);
        tr.nextElementSibling.remove();
      }
    }

    function known(h) {
      const p = make('p', 'known');
      const say = (label, ...what) => p.append(make('span', '', label + ' ', make('b', '', ...what)));
      say('Seen', clock(h[FIRST]) + ' to ' + clock(h[LAST]));
      if (text(h[SYSTEM])) say('System', text(h[SYSTEM]));
      if (h[ROLES].length) say('Role', h[ROLES].map(text).join(', '));
      if (text(h[KILL])) say('Kill switch', text(h[KILL]));
      if (text(h[PATCH]) !== 'unknown') say('MS17-010', text(h[PATCH]));
      if (h[ZERO]) say('Patient-zero candidate:', 'no source seen in this capture');
      h[SOURCES].forEach((s, i) => say(i ? 'or by' : 'Infected by', hostLink(s[0]), ' (' + s[1] + ' % sure)'));
      return p;
    }

    function fileOf(f, i) { return f[FILES].length ? text(f[FILES][i]) : data.file; }

    function frames(f) {
      const files = new Map();
      f[FRAMES].forEach((n, i) => {
        const name = fileOf(f, i);
        files.set(name, [...(files.get(name) || []), n]);
      });
      return [...files].map(([name, list]) =>
        (list.length === 1 ? 'frame ' : 'frames ') + list.join(', ') + (name ? ' of ' + name : '')).join('; ');
    }

    function fact(f) {
      const meta = make('p', 'meta');
      const parts = [];
      let when = clock(f[F_FIRST]);
      if (f[F_LASTED] >= 1000) when += ' to ' + clock(f[F_FIRST] + f[F_LASTED]);
      parts.push(when, text(f[KIND]) + ', ' + f[F_SURE] + ' % sure');
      if (f[COUNT] > 1) parts.push(number(f[COUNT]) + ' times');
      if (f[FRAMES].length) parts.push(frames(f));
      if (f[PEER]) parts.push(['peer ', hostLink(f[PEER]), f[PORT] ? ' port ' + f[PORT] : '']);
      if (text(f[INDICATOR])) parts.push('indicator ' + text(f[INDICATOR]) + (text(f[FEED]) ? ' (feed ' + text(f[FEED]) + ')' : ''));
      if (text(f[RULE])) parts.push('event ' + text(f[RULE]) + (f[ALERT] ? ' ' + f[ALERT] : ''));
      parts.forEach((part, i) => meta.append(...(i ? [' · '] : []), ...[part].flat()));
      if (f[FRAMES].length) {
        meta.append(' ', copyButton('Copy Wireshark filter', () => 'frame.number in {' + f[FRAMES].join(', ') + '}'));
      }
      return make('li', f[OWN] ? 'own' : '', make('p', '', f[DETAIL]), meta);
    }

    function evidenceRow(h) {
      const list = make('ol', 'facts', ...h[FACTS].map(fact));
      if (h[LEFT]) list.append(make('li', 'soft', 'and ' + number(h[LEFT]) + ' more in the scope document'));
      const td = cell('', known(h), list);
      td.colSpan = table.dataset.columns; // one too many would take width from the others
      return make('tr', 'evidence ' + text(h[STATE]), td);
    }

    // ---- links to a host
    function follow() {
      let ip = '';
      try { ip = decodeURIComponent(location.hash).replace(/^#host-/, ''); } catch { return; }
      const i = place.get(ip);
      if (i === undefined || !location.hash.startsWith('#host-')) return;
      found = ip;
      if (!view.includes(i)) reset();
      refresh();
      const at = view.indexOf(i);
      if (at < 2000) {
        if (at >= shown) grow(at + chunk / 4);
      } else { // far down: find it instead of making thousands of rows
        find.value = ip;
        refresh();
        grow(view.indexOf(i) + 1);
      }
      const tr = byId('host-' + ip);
      unfold(tr, all[i], true);
      tr.scrollIntoView({ block: 'center' });
      tr.querySelector('.toggle').focus({ preventScroll: true });
    }
    addEventListener('hashchange', follow);
    document.addEventListener('click', (event) => { // the same link again
      const a = event.target.closest('a');
      const href = a && a.getAttribute('href');
      if (href && href === location.hash && href.startsWith('#host-')) follow();
    });

    byId('more').firstElementChild.addEventListener('click', () => grow());
    new IntersectionObserver((seen) => {
      if (seen.some((s) => s.isIntersecting)) grow();
    }, { rootMargin: '600px' }).observe(byId('more'));
    addEventListener('beforeprint', () => { if (shown < printed) grow(printed); });

    filters();
    refresh();
    // Only after it has loaded the page the browser stops to look for the
    // fragment itself.
    if (document.readyState === 'complete') follow();
    else addEventListener('load', follow);
  }
})();
