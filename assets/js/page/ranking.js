// A ranking says which settings it was made under. Where the page's are others by now, it is marked: what is on screen
// stays until the next is whole, and is never taken for it.
const gv = window.gv;
let moving = false; // somebody moves a control, and the server has not answered yet

const mark = () => {
  const block = document.getElementById('gv-ranking');
  const made = block && block.querySelector('[data-made-for]');
  if (!block) return;
  const stale = Boolean(made) && (moving || made.dataset.madeFor !== (gv.settings || ''));
  if (block.classList.contains('gv-stale') !== stale) block.classList.toggle('gv-stale', stale);
  if (made) made.setAttribute('aria-busy', String(stale));
};

gv.moved = (now) => {
  moving = now;
  mark();
};
gv.marked = mark;

// Have the chosen query, or the first, ranked: at once where live mode is on, and else by a whole comparison.
gv.rank = () => {
  const live = document.querySelector('#gv-live input');
  if (live && live.checked && gv.ask) return gv.ask();
  const chosen = document.querySelector('#gv-pick input').value || document.querySelector('#gv-query textarea, #gv-query input').value;
  document.getElementById(chosen ? 'gv-compare' : 'gv-query-next').click();
};

document.addEventListener(
  'input',
  (event) => {
    if (event.target.closest && event.target.closest('#gv-tuning')) gv.moved(true);
  },
  true,
);

new MutationObserver((_, watcher) => {
  const block = document.getElementById('gv-ranking');
  if (!block) return;
  watcher.disconnect();
  // A ranking that differs in words only is not put in anew: its attributes change.
  new MutationObserver(mark).observe(block, { childList: true, subtree: true, attributeFilter: ['data-made-for'] });
}).observe(document.documentElement, { childList: true, subtree: true });
