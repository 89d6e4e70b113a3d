// Every chart gets a bar: its picture (PNG, SVG), itself as a page (HTML), its numbers (CSV, JSON) and a table of them.
// Points that carry an address are links: a click goes there.
const gv = window.gv;
// A colour with a meaning, by its name in the style sheet.
gv.color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--gv-c-${name}`).trim();
const MOST_ROWS = 300; // in the table on the page; files hold all

const plain = (values) => {
  if (values === undefined || values === null) return [];
  if (Array.isArray(values)) return values;
  if (ArrayBuffer.isView(values)) return Array.from(values);
  if (values.bdata) {
    const bytes = Uint8Array.from(atob(values.bdata), (c) => c.charCodeAt(0));
    const kinds = { f8: Float64Array, f4: Float32Array, i4: Int32Array, i2: Int16Array, i1: Int8Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };
    const flat = Array.from(new (kinds[values.dtype] || Float64Array)(bytes.buffer));
    if (!values.shape) return flat;
    const width = Number(String(values.shape).split(',')[1]);
    return Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));
  }
  return [];
};

// Chart texts hold <b>, <br>, <i> and <span>, and entities.
const bare = (text) => {
  const holder = document.createElement('textarea');
  holder.innerHTML = String(text)
    .replace(/<br\s*\/?>/g, ' · ')
    .replace(/<[^>]*>/g, '');
  return holder.value;
};

const titleOf = (plot) => {
  const title = plot.layout && plot.layout.title;
  return bare((title && (title.text || title)) || 'chart').split(' · ')[0];
};

// One row per point or cell. The words of the hover text go with it where they are words.
const rowsOf = (plot) => {
  const rows = [];
  for (const trace of plot.data) {
    const [x, y, z] = [plain(trace.x), plain(trace.y), plain(trace.z)];
    const name = bare(trace.name || '');
    const note = (custom) => (typeof custom === 'string' ? bare(custom) : Array.isArray(custom) && !String(custom[0]).startsWith('at=') ? bare(custom[0]) : '');
    if (trace.type === 'heatmap') {
      z.forEach((line, i) =>
        plain(line).forEach((value, j) => {
          const custom = trace.customdata && trace.customdata[i] && trace.customdata[i][j];
          rows.push({ series: name, x: x[j] ?? j, y: y[i] ?? i, value, note: note(custom) });
        }),
      );
    } else if (trace.hoverinfo !== 'skip' || name) {
      y.forEach((value, i) => {
        if (value === null) return;
        rows.push({ series: name, x: x[i] ?? i, y: value, value: '', note: note(trace.customdata && trace.customdata[i]) });
      });
    }
  }
  const used = ['series', 'x', 'y', 'value', 'note'].filter((key) => rows.some((row) => row[key] !== ''));
  return { columns: used, rows };
};

const save = (text, name, kind) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

const quoted = (value) => {
  // A spreadsheet must not run what a file of triplets says: words that begin like a formula get an apostrophe.
  const risky = typeof value === 'string' && /^ *[=+\-@\t\r\n＝＋－＠]/.test(value) && !Number.isFinite(Number(value));
  const text = value === null || value === undefined ? '' : `${risky ? "'" : ''}${value}`;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
};
const csv = (columns, lines) => [columns, ...lines].map((line) => line.map(quoted).join(',')).join('\n') + '\n';

const fileName = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'chart';

const deep = (value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  if (Array.isArray(value)) return value.map(deep);
  if (value && typeof value === 'object') {
    if (value.bdata) return plain(value);
    return Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('_')).map(([k, v]) => [k, deep(v)]));
  }
  return value;
};

const picture = (plot, format) => {
  const words = (button) => button.getAttribute('data-title') || button.getAttribute('aria-label') || '';
  const chosen = [...plot.querySelectorAll('.modebar-btn')].find((button) => /download/i.test(words(button)));
  if (!chosen) return gv.say('This chart cannot be saved as a picture here.');
  plot._context.toImageButtonOptions = { format, filename: fileName(titleOf(plot)), scale: format === 'png' ? 2 : 1 };
  chosen.click();
};

const page = async (plot) => {
  if (!gv.plotly) return gv.say('The chart library is not ready yet.');
  const source = await gv.plotly();
  const title = titleOf(plot);
  const figure = JSON.stringify({ data: deep(plot.data), layout: { ...deep(plot.layout), paper_bgcolor: gv.color('paper'), width: undefined } });
  const safe = (text) => text.replace(/<\//g, '<\\/');
  const holder = document.createElement('i');
  holder.textContent = title;
  save(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${holder.innerHTML}</title><div id="chart"></div>` +
      `<script>${safe(source)}</script><script>const f = ${safe(figure)};Plotly.newPlot('chart', f.data, f.layout, {responsive: true});</script></html>`,
    `${fileName(title)}.html`,
    'text/html',
  );
};

const table = (block, plot) => {
  const open = block.querySelector('.gv-chart-table');
  if (open) return open.remove();
  const { columns, rows } = rowsOf(plot);
  const holder = document.createElement('div');
  holder.className = 'gv-chart-table gv-scroll';
  holder.tabIndex = 0;
  holder.setAttribute('role', 'region');
  holder.setAttribute('aria-label', `${titleOf(plot)}, as a table`);
  const made = document.createElement('table');
  const add = (parent, tag, text, scope) => {
    const cell = document.createElement(tag);
    if (scope) cell.scope = scope;
    cell.textContent = text;
    parent.append(cell);
  };
  const short = (value) => (typeof value === 'number' ? Number(value.toPrecision(5)).toString() : String(value ?? ''));
  const head = made.createTHead().insertRow();
  columns.forEach((column) => add(head, 'th', column, 'col'));
  const body = made.createTBody();
  rows.slice(0, MOST_ROWS).forEach((row) => {
    const line = body.insertRow();
    columns.forEach((column) => add(line, 'td', short(row[column])));
  });
  holder.append(made);
  if (rows.length > MOST_ROWS) add(holder, 'p', `The first ${MOST_ROWS} of ${rows.length} rows; CSV and JSON hold all.`);
  block.append(holder);
};

const ACTS = {
  PNG: (block, plot) => picture(plot, 'png'),
  SVG: (block, plot) => picture(plot, 'svg'),
  HTML: (block, plot) => page(plot),
  CSV: (block, plot) => {
    const { columns, rows } = rowsOf(plot);
    save(csv(columns, rows.map((row) => columns.map((c) => row[c]))), `${fileName(titleOf(plot))}.csv`, 'text/csv');
  },
  JSON: (block, plot) => {
    const text = JSON.stringify({ title: titleOf(plot), rows: rowsOf(plot).rows }, null, 1);
    save(text, `${fileName(titleOf(plot))}.json`, 'application/json');
  },
  Table: (block, plot) => table(block, plot),
};

const bar = (block) => {
  const made = document.createElement('div');
  made.className = 'gv-chart-bar';
  made.setAttribute('role', 'group');
  for (const [name, act] of Object.entries(ACTS)) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.addEventListener('click', () => {
      const plot = block.querySelector('.js-plotly-plot');
      if (plot) act(block, plot);
    });
    made.append(button);
  }
  block.append(made);
  return made;
};

// What a point carries beside its words: an address, or a query of a collection; and where its score is drawn.
const carried = (event) => {
  const custom = event.points && event.points[0] && event.points[0].customdata;
  return Array.isArray(custom) ? custom : [];
};

const follow = ([first, second, third]) => {
  if (typeof first === 'string' && first.startsWith('at=')) gv.go(`${first}&tab=inside`);
  else if (typeof second === 'string' && second.startsWith('query=') && gv.openQuery) {
    gv.send('gv-open', () => gv.openQuery({ source: third, query: second.slice(6) }));
    const place = document.getElementById('gv-retrieval-progress');
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (place) scrollTo({ top: place.getBoundingClientRect().top + scrollY - 240, behavior: calm ? 'auto' : 'smooth' });
  }
};

// A weight that is pointed at in the scatter is shown where its score lies in its layer's density.
const show = (plot, [first, score, row]) => {
  const density = document.querySelector('#gv-score-density .js-plotly-plot');
  if (!plot.closest('#gv-scatter') || !density || !density.layout || !window.Plotly) return;
  const others = (density.layout.shapes || []).filter((shape) => shape.name !== 'gv-linked');
  const at = { type: 'line', name: 'gv-linked', x0: score, x1: score, y0: row - 0.5, y1: row + 0.5, line: { color: gv.color('linked'), width: 4 } };
  const linked = typeof first === 'string' && Number.isFinite(score) ? [at] : [];
  window.Plotly.relayout(density, { shapes: [...others, ...linked] });
};

const watched = new WeakSet();

// Plotly follows the window only: a sidebar that opens or closes changes the charts' width too.
let settling = 0;
const sizes = new WeakMap();
const widths = new ResizeObserver((entries) => {
  let moved = false;
  for (const { target, contentRect } of entries) {
    const width = Math.round(contentRect.width);
    moved = moved || (width > 0 && sizes.has(target) && sizes.get(target) !== width);
    sizes.set(target, width);
  }
  if (!moved) return;
  clearTimeout(settling);
  settling = setTimeout(() => dispatchEvent(new Event('resize')), 120);
});

const attend = () => {
  for (const plot of document.querySelectorAll('.js-plotly-plot')) {
    const block = plot.closest('[id^="gv-"]');
    if (!block || !plot.layout) continue;
    const title = titleOf(plot);
    widths.observe(block);
    const own = block.querySelector(':scope > .gv-chart-bar') || bar(block);
    if (own.getAttribute('aria-label') !== `Save: ${title}`) {
      own.setAttribute('aria-label', `Save: ${title}`);
      plot.setAttribute('role', 'figure');
      plot.setAttribute('aria-label', `${title}. The button Table below gives its numbers.`);
    }
    if (!watched.has(plot) && plot.on) {
      watched.add(plot);
      plot.setAttribute('role', 'figure');
      plot.setAttribute('aria-label', `${title}. The button Table below gives its numbers.`);
      plot.on('plotly_click', (event) => follow(carried(event)));
      plot.on('plotly_hover', (event) => show(plot, carried(event)));
      plot.on('plotly_unhover', () => show(plot, []));
    }
  }
};

let due = 0;
new MutationObserver(() => {
  if (due) return;
  due = setTimeout(() => {
    due = 0;
    attend();
  }, 250);
}).observe(document.documentElement, { childList: true, subtree: true });

// Tables: the value of gradio's data frame, as the browser holds it.
gv.frame = (value, name, kind) => {
  if (!value || !value.data || !value.data.length) return gv.say('The table is empty.');
  const columns = value.headers;
  if (kind === 'csv') return save(csv(columns, value.data), `${name}.csv`, 'text/csv');
  const rows = value.data.map((line) => Object.fromEntries(columns.map((c, i) => [c, line[i]])));
  save(JSON.stringify(rows, null, 1), `${name}.json`, 'application/json');
};
