// Body of gr.HTML's js_on_load: `element` and `trigger` are in scope. Gradio patches the nodes under `element` in place
// when a new value comes, so listeners sit on `element` itself, and after a patch the cell under the focus may have
// become another matrix: focus then goes back to the matrix by its name.
const CELL = '[role="gridcell"][data-name]';
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const GAP = 8;

let held = null; // name of the cell that has the keyboard
let pointed = null; // cell that the tooltip speaks of

const cellOf = (node) => (node && node.closest && element.contains(node) ? node.closest(CELL) : null);
const cells = () => [...element.querySelectorAll(CELL)];
const named = (name) => cells().find((cell) => cell.dataset.name === name);
// On a phone the style sheet may lay layers down and roles across; arrows follow what is seen.
const flipped = () => {
  const grid = element.querySelector('[role="grid"]');
  return grid !== null && getComputedStyle(grid).gridAutoFlow.startsWith('column');
};
const rows = () =>
  [...element.querySelectorAll('[role="row"]')]
    .map((row) => [...row.querySelectorAll('[role="gridcell"]')])
    .filter((row) => row.length);

// The tooltip lives beside `element`, out of reach of the patches, and in the top layer, so nothing clips it.
const tip = document.createElement('div');
tip.className = 'gv-tip';
tip.setAttribute('aria-hidden', 'true'); // the cell's aria-label says the same
tip.popover = 'manual';
const lines = ['where', 'value', 'shape', 'name'].map((key) => {
  const line = document.createElement('span');
  line.className = `gv-tip-${key}`;
  tip.append(line);
  return [key, line];
});
element.parentElement.append(tip);

const onEscape = (event) => {
  if (event.key === 'Escape') hideTip();
};

const hideTip = () => {
  pointed = null;
  document.removeEventListener('keydown', onEscape);
  if (tip.isConnected && tip.matches(':popover-open')) tip.hidePopover();
};

const showTip = (cell) => {
  pointed = cell;
  // The name of a sweep's cell is a number that says nothing.
  for (const [key, line] of lines) line.textContent = (key === 'name' && cell.dataset.place ? '' : cell.dataset[key]) || '';
  if (!tip.matches(':popover-open')) tip.showPopover();
  document.addEventListener('keydown', onEscape);
  const box = cell.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const widest = document.documentElement.clientWidth - own.width - GAP;
  const left = Math.max(GAP, Math.min(box.left + box.width / 2 - own.width / 2, widest));
  const above = box.top - own.height - GAP;
  tip.style.left = `${Math.round(left)}px`;
  tip.style.top = `${Math.round(above >= GAP ? above : box.bottom + GAP)}px`;
};

const rove = (stop) => {
  for (const cell of cells()) {
    const wanted = cell === stop ? '0' : '-1';
    if (cell.getAttribute('tabindex') !== wanted) cell.setAttribute('tabindex', wanted);
  }
};

const focusOn = (cell) => {
  if (!cell) return;
  rove(cell);
  cell.focus();
};

let waiting = 0; // a selection that the arrow keys are about to make

const choose = (cell) => {
  clearTimeout(waiting);
  const data = { name: cell.dataset.name };
  window.gv.send(element.closest('[id^="gv-"]').id, () => trigger('select', data));
};

// Everything follows the arrow keys, but not each cell that a held key runs over; and not where only Enter selects.
const chooseSoon = (cell) => {
  clearTimeout(waiting);
  if (cell && !cell.closest('[data-select="enter"]')) waiting = setTimeout(() => choose(cell), 150);
};

const next = (cell, event) => {
  const grid = rows();
  const y = grid.findIndex((row) => row.includes(cell));
  const x = grid[y].indexOf(cell);
  if (event.key === 'Home' || event.key === 'End') {
    const among = (event.ctrlKey ? grid.flat() : grid[y]).filter((one) => one.dataset.name);
    return event.key === 'Home' ? among[0] : among[among.length - 1];
  }
  // Places without a matrix are stepped over.
  const step = STEPS[event.key];
  const [down, right] = flipped() ? [step[1], step[0]] : step;
  for (let v = y + down, u = x + right; grid[v] && grid[v][u]; v += down, u += right) {
    if (grid[v][u].dataset.name) return grid[v][u];
  }
  return null;
};

element.addEventListener('click', (event) => {
  const cell = cellOf(event.target);
  if (!cell) return;
  focusOn(cell);
  choose(cell);
});

element.addEventListener('keydown', (event) => {
  const cell = cellOf(event.target);
  if (!cell || event.altKey || event.metaKey) return;
  if (event.key === 'Enter' || event.key === ' ') {
    event.preventDefault();
    choose(cell);
  } else if (event.key in STEPS || event.key === 'Home' || event.key === 'End') {
    event.preventDefault();
    const to = next(cell, event);
    focusOn(to);
    chooseSoon(to);
  }
});

element.addEventListener('focusin', (event) => {
  const cell = cellOf(event.target);
  if (!cell) return;
  held = cell.dataset.name;
  if (cell.matches(':focus-visible')) showTip(cell);
});

element.addEventListener('focusout', (event) => {
  hideTip();
  const left = event.target;
  if (event.relatedTarget) {
    if (!cellOf(event.relatedTarget)) held = null;
    return;
  }
  // Either a person clicked on nothing, or a patch is taking the cell away; a moment later the two can be told apart.
  setTimeout(() => {
    if (left.isConnected && !cellOf(document.activeElement)) held = null;
  });
});

element.addEventListener('pointerover', (event) => {
  const cell = cellOf(event.target);
  if (cell && event.pointerType !== 'touch') showTip(cell);
});

element.addEventListener('pointerout', (event) => {
  if (pointed && cellOf(event.relatedTarget) !== pointed) hideTip();
});

const repair = () => {
  const active = document.activeElement;
  const current = cellOf(active);
  const idle = !active || active === document.body;
  if (held !== null && (current || idle) && !(current && current.dataset.name === held)) {
    const again = named(held);
    if (again) again.focus({ preventScroll: true });
    else held = current ? current.dataset.name : null;
  }
  const selected = element.querySelector(`${CELL}[aria-selected="true"]`);
  rove(cellOf(document.activeElement) || selected || cells()[0]);
  if (pointed && element.contains(pointed) && pointed.dataset.name) showTip(pointed);
  else if (pointed) hideTip();
};

new MutationObserver(repair).observe(element, {
  childList: true,
  subtree: true,
  attributes: true,
  attributeFilter: ['data-name', 'data-value', 'tabindex', 'aria-selected'],
});

const onScroll = () => {
  if (!element.isConnected) window.removeEventListener('scroll', onScroll);
  else if (pointed) showTip(pointed);
};
window.addEventListener('scroll', onScroll, { passive: true });
