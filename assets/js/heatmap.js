// Body of js_on_load: `element` and `trigger` are in scope. Listeners sit on `element`, so they outlive new values.
const cellOf = (node) => (node && node.closest ? node.closest('[role="gridcell"][data-name]') : null);
const cells = () => Array.from(element.querySelectorAll('[role="gridcell"][data-name]'));
let focused = null;

const tip = () => element.querySelector('.gv-tip');
const hideTip = () => { const t = tip(); if (t) t.hidden = true; };
const showTip = (cell) => {
  const t = tip();
  if (!t || !cell) return;
  t.textContent = cell.dataset.tip || '';
  t.hidden = false;
  const box = cell.getBoundingClientRect();
  const own = t.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - own.width / 2), window.innerWidth - own.width - 8);
  const above = box.top - own.height - 8;
  t.style.left = `${left}px`;
  t.style.top = `${above > 8 ? above : box.bottom + 8}px`;
};

const choose = (cell) => { if (cell) trigger('select', { name: cell.dataset.name }); };

const move = (cell, key) => {
  const rows = Array.from(element.querySelectorAll('[role="row"]'))
    .map((row) => Array.from(row.querySelectorAll('[role="gridcell"]')))
    .filter((row) => row.length);
  const y = rows.findIndex((row) => row.includes(cell));
  const x = rows[y].indexOf(cell);
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (key === 'Home') return rows[y].find((c) => c.dataset.name);
  if (key === 'End') return rows[y].slice().reverse().find((c) => c.dataset.name);
  let [v, u] = [y, x];
  const [dy, dx] = steps[key];
  do { v += dy; u += dx; } while (rows[v] && rows[v][u] && !rows[v][u].dataset.name);
  return rows[v] && rows[v][u];
};

const focusOn = (cell) => {
  cells().forEach((c) => { c.tabIndex = c === cell ? 0 : -1; });
  focused = cell.dataset.name;
  cell.focus({ preventScroll: false });
};

element.addEventListener('click', (event) => {
  const cell = cellOf(event.target);
  if (cell) { focusOn(cell); choose(cell); }
});
element.addEventListener('keydown', (event) => {
  const cell = cellOf(event.target);
  if (!cell) return;
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(cell); return; }
  if (event.key === 'Escape') { hideTip(); return; }
  if (['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'].includes(event.key)) {
    event.preventDefault();
    const next = move(cell, event.key);
    if (next) focusOn(next);
  }
});
element.addEventListener('focusin', (event) => { const c = cellOf(event.target); if (c) { focused = c.dataset.name; showTip(c); } });
element.addEventListener('focusout', (event) => {
  hideTip();
  // A new value takes the focused cell away and the browser moves focus to nothing; a person moves it to something.
  if (event.relatedTarget) focused = null;
});
element.addEventListener('mouseover', (event) => { const c = cellOf(event.target); if (c) showTip(c); });
element.addEventListener('mouseout', (event) => { if (cellOf(event.target)) hideTip(); });

new MutationObserver(() => {
  if (!focused) return;
  const active = document.activeElement;
  if (active && active !== document.body && !element.contains(active)) { focused = null; return; }
  if (cellOf(active)) return;
  const cell = cells().find((c) => c.dataset.name === focused);
  if (cell) { cells().forEach((c) => { c.tabIndex = c === cell ? 0 : -1; }); cell.focus({ preventScroll: true }); }
}).observe(element, { childList: true, subtree: true });
