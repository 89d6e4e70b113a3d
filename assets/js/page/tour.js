// The guided tour: a small panel that goes through `window.gvTour`, sets the real page to each step and points at a part.
const gv = window.gv;
let step = 0;
let panel = null;
let before = null;
let ranks = false; // whether the step still has to have its query ranked

const make = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

const build = () => {
  const title = make('h2', { id: 'gv-tour-title', tabindex: '-1' });
  const text = make('p', {});
  const count = make('span', { class: 'gv-tour-count' });
  const button = (label, action, look = '') => {
    const made = make('button', { type: 'button', class: `gv-tool ${look}` }, label);
    made.addEventListener('click', action);
    return made;
  };
  const back = button('Back', () => show(step - 1));
  const next = button('Next', () => (step + 1 < window.gvTour.length ? show(step + 1) : close()), 'gv-tool-main');
  const end = button('Close', () => close());
  const foot = make('div', { class: 'gv-tour-foot' }, count, end, back, next);
  panel = make('section', { id: 'gv-tour-panel', role: 'dialog', 'aria-labelledby': 'gv-tour-title' }, title, text, foot);
  panel.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') close();
  });
  (document.querySelector('.gradio-container') || document.body).append(panel);
  Object.assign(panel, { parts: { title, text, count, back, next } });
};

const unmark = () => document.querySelectorAll('.gv-pointed').forEach((node) => node.classList.remove('gv-pointed'));

// A step that is left no longer looks for its part: it would unmark that of the next.
const point = (id, of = step, tries = 40) => {
  if (!panel || of !== step) return;
  unmark();
  const target = document.getElementById(id);
  if (!target || !target.offsetParent) {
    if (tries) setTimeout(() => point(id, of, tries - 1), 150);
    return;
  }
  target.classList.add('gv-pointed');
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const bar = document.getElementById('gv-tuning');
  const covered = bar && getComputedStyle(bar).position === 'sticky' ? bar.offsetHeight : 0;
  const top = target.getBoundingClientRect().top + scrollY - covered - 16;
  scrollTo({ top, behavior: calm ? 'auto' : 'smooth' });
};

const show = (to) => {
  step = Math.max(0, Math.min(window.gvTour.length - 1, to));
  const { title, text, query, target, rank } = window.gvTour[step];
  panel.parts.title.textContent = title;
  panel.parts.text.textContent = text;
  panel.parts.count.textContent = `${step + 1} of ${window.gvTour.length}`;
  panel.parts.back.disabled = step === 0;
  panel.parts.next.textContent = step + 1 < window.gvTour.length ? 'Next' : 'Done';
  gv.go(query, true);
  ranks = rank;
  panel.parts.title.focus({ preventScroll: true });
  setTimeout(point, 350, target, step);
};

// The state of a step is on the page: its query is ranked, where it is not there already.
addEventListener('gv-settled', () => {
  const picked = document.querySelector('#gv-pick input');
  if (!panel || !ranks || !picked || !picked.offsetParent || !picked.value) return;
  ranks = false;
  const asked = document.querySelector('#gv-ranking .gv-asked');
  if (!asked || asked.textContent !== picked.value || asked.closest('.gv-stale')) gv.rank();
});

const close = () => {
  unmark();
  panel.remove();
  panel = null;
  if (before && before.isConnected) before.focus();
};

gv.actions.tour = () => {
  if (panel) return close();
  before = document.activeElement;
  build();
  show(0);
};
gv.actions.load = (button) => gv.go(button.dataset.query, true);
