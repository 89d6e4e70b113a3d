// Body of gr.HTML's js_on_load: draws the window of a matrix that the server sent, and reports where somebody clicks.
const FRAME = '.gv-inside-frame';
let cursor = [0, 0];
let drawn = null;

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

const read = (frame) => {
  const data = frame.dataset;
  const bytes = Uint8Array.from(atob(data.values), (c) => c.charCodeAt(0));
  const numbers = (text) => text.split(',').map(Number);
  return {
    values: new Float32Array(bytes.buffer),
    rows: numbers(data.rows),
    columns: numbers(data.columns),
    colors: data.colors.split(',').map(rgb),
    unknown: rgb(window.gv.color('unknown')),
    low: Number(data.low),
    high: Number(data.high),
    log: data.log === '1',
    kind: data.kind,
    unit: data.unit,
    exact: data.exact === '1',
  };
};

const colorOf = (grid, value) => {
  const shown = grid.log ? Math.log10(value) : value;
  if (!Number.isFinite(shown)) return grid.unknown;
  const span = grid.high - grid.low;
  const place = span > 0 ? Math.min(1, Math.max(0, (shown - grid.low) / span)) : 0.5;
  const position = place * (grid.colors.length - 1);
  const index = Math.min(Math.floor(position), grid.colors.length - 2);
  const part = position - index;
  return grid.colors[index].map((c, i) => Math.round(c + (grid.colors[index + 1][i] - c) * part));
};

const text = (grid, value) => {
  if (!Number.isFinite(value)) return 'not known';
  if (grid.kind === 'fraction') return `${(100 * value).toFixed(1)} % ${grid.unit}`;
  const size = Math.abs(value);
  const said = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : value.toPrecision(3);
  return `${said.replace('-', '−')} ${grid.unit}`;
};

const shape = (grid) => [grid.rows.length - 1, grid.columns.length - 1];

const span = (edges, index, word) => {
  const [from, to] = [edges[index], edges[index + 1] - 1];
  return from === to ? `${word} ${from}` : `${word}s ${from} to ${to}`;
};

const draw = () => {
  const frame = element.querySelector(FRAME);
  if (!frame || (drawn && drawn.source === frame.dataset.values && drawn.frame === frame && drawn.place === frame.dataset.rows + frame.dataset.columns)) return;
  const grid = read(frame);
  const [height, width] = shape(grid);
  const canvas = frame.querySelector('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  grid.values.forEach((value, i) => image.data.set([...colorOf(grid, value), 255], 4 * i));
  context.putImageData(image, 0, 0);
  drawn = { frame, grid, source: frame.dataset.values, place: frame.dataset.rows + frame.dataset.columns };
  cursor = [Math.min(cursor[0], height - 1), Math.min(cursor[1], width - 1)];
  mark();
};

const mark = () => {
  const { frame, grid } = drawn;
  const [height, width] = shape(grid);
  const box = frame.querySelector('.gv-inside-cursor');
  box.style.left = `${(100 * cursor[1]) / width}%`;
  box.style.top = `${(100 * cursor[0]) / height}%`;
  box.style.width = `${100 / width}%`;
  box.style.height = `${100 / height}%`;
};

const says = ([row, column]) => {
  const { grid } = drawn;
  const value = grid.values[row * shape(grid)[1] + column];
  const place = `${span(grid.rows, row, 'row')}, ${span(grid.columns, column, 'column')}`;
  element.querySelector('.gv-inside-says').textContent = `${place}: ${text(grid, value)}`;
};

const at = (event) => {
  const box = drawn.frame.querySelector('canvas').getBoundingClientRect();
  const [height, width] = shape(drawn.grid);
  const within = (place, size) => Math.min(size - 1, Math.max(0, Math.floor(place * size)));
  return [within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width)];
};

const enter = ([row, column]) => {
  const { grid } = drawn;
  const middle = (edges, i) => Math.floor((edges[i] + edges[i + 1] - 1) / 2);
  trigger('select', {
    act: grid.exact ? 'weight' : 'zoom',
    row: middle(grid.rows, row),
    column: middle(grid.columns, column),
  });
};

element.addEventListener('pointermove', (event) => {
  if (drawn && event.target.closest(FRAME)) says(at(event));
});

element.addEventListener('click', (event) => {
  if (!drawn || !event.target.closest(FRAME)) return;
  cursor = at(event);
  mark();
  says(cursor);
  enter(cursor);
});

element.addEventListener('keydown', (event) => {
  if (!drawn || !event.target.matches(FRAME)) return;
  const [height, width] = shape(drawn.grid);
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (step) {
    cursor = [
      Math.min(height - 1, Math.max(0, cursor[0] + step[0])),
      Math.min(width - 1, Math.max(0, cursor[1] + step[1])),
    ];
    mark();
    says(cursor);
  } else if (event.key === 'Enter' || event.key === ' ') enter(cursor);
  else if (event.key === 'Backspace') trigger('select', { act: 'out' });
  else return;
  event.preventDefault();
});

new MutationObserver(draw).observe(element, {
  childList: true,
  subtree: true,
  attributes: true,
  attributeFilter: ['data-values', 'data-rows', 'data-columns'],
});
draw();
