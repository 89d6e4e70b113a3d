// Play: the sparsity walks up and back by itself. It moves the slider as a hand would, and takes the next step when all
// that follows the last one is on screen: the page says so by `gv.followed`, and no ranking is of other settings.
const gv = window.gv;
const plan = window.gvPlay;
const EVERY = 100; // ms between looks
const GRACE = 3_000; // ms after which an answer that nobody announces is taken for given
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const last = () => Math.round((plan.highest - plan.lowest) / plan.step);
const at = (id) => document.getElementById(id);
const find = (where) => document.querySelector(where);

let state = 'idle'; // or `playing`, `paused`
let place = -1; // the step that the slider stands at
let way = 1;
let rest = 0; // timer of the next step
let under = null; // the step that is not answered yet, as it was sent
const told = { drawn: 0, ranked: 0 };

// What follows a move is on screen: `drawn` what the open tab shows, `ranked` the query on screen.
gv.followed = (what) => {
  told[what] += 1;
  if (what === 'drawn' && gv.moved) gv.moved(false);
};

const valueOf = (step) => Number((plan.lowest + step * plan.step).toFixed(4));
const percent = (step) => `${Math.round(100 * valueOf(step))} %`;
const slider = () => find(`#gv-${plan.walked} input[type=range]`);
const shown = (node) => Boolean(node && node.offsetParent);

const dress = () => {
  const group = find('.gv-play');
  if (!group) return;
  const word = { idle: 'Play', playing: 'Pause', paused: 'Resume' }[state];
  group.dataset.state = state;
  group.style.setProperty('--gv-played', String(Math.max(place, 0) / last()));
  find('.gv-play-word').textContent = word;
  at('gv-play').setAttribute('aria-label', `${word}: ${plan.words}`);
  at('gv-play-stop').setAttribute('aria-disabled', String(state === 'idle'));
};

const become = (next) => {
  state = next;
  gv.playing = state === 'playing';
  clearTimeout(rest);
  if (state !== 'playing') under = null;
  gv.part(plan.part, state === 'idle' ? '' : plan.walked);
  dress();
};

const stop = (words) => {
  if (state === 'idle') return;
  become('idle');
  if (words) gv.say(words);
};

// A ranking of other settings is being made, or should be.
const ranking = () => at('gv-ranking');
const live = () => shown(ranking()) && find('#gv-live input').checked;
const stale = () => live() && ranking().classList.contains('gv-stale');
const trouble = () => find('#gv-headline .gv-error') || (shown(ranking()) && find('#gv-retrieval-progress .gv-error'));
const busy = () => shown(find('#gv-retrieval-progress .gv-progress'));

const answered = () => {
  if (told.drawn === under.drawn || stale()) return false;
  return told.ranked !== under.ranked || Date.now() - under.since > GRACE;
};

// Wait until something is so, as long as anything is at work; then go on.
const when = (ready, next) => {
  const mine = under;
  const look = () => {
    if (state !== 'playing' || under !== mine) return;
    if (busy()) mine.heard = Date.now();
    if (ready()) {
      under = null;
      next();
    } else if (!busy() && trouble() && Date.now() - mine.since > GRACE) {
      stop('Stopped: the page shows what went wrong.');
    } else if (Date.now() - mine.heard > 1000 * plan.longest_seconds) {
      stop('Stopped: the server has not answered. Press Play to try again.');
    } else setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY);
};

const sent = () => ({ ...told, since: Date.now(), heard: Date.now() });

const later = () => {
  rest = setTimeout(forward, 1000 * (calm.matches ? plan.calm_rest_seconds : plan.rest_seconds));
};

const forward = () => {
  if (state !== 'playing') return;
  if (document.hidden) return later();
  const node = slider();
  if (!node) return stop();
  if (place >= 0 && Math.abs(Number(node.value) - valueOf(place)) > 1e-6) return stop('Stopped: other settings were asked for.');
  if (place === last()) way = -1;
  if (place === 0 && way < 0) return stop('Played. Undo brings back the sparsity from before.');
  place += way;
  dress();
  if (Math.abs(Number(node.value) - valueOf(place)) < 1e-6) return later();
  under = sent();
  node.value = String(valueOf(place));
  node.dispatchEvent(new Event('input', { bubbles: true }));
  when(answered, later);
};

// On the Retrieval tab there is something to follow first: the query that is chosen, or else the first one.
const compared = (next) => {
  if (!shown(at('gv-compare')) || find('#gv-ranking .gv-lists')) return next();
  under = sent();
  gv.rank();
  let again = true;
  const ready = () => {
    if (find('#gv-ranking .gv-lists')) return !busy();
    if (again && !busy() && !trouble() && Date.now() - under.since > GRACE) {
      // It was asked for before the server knew of the open tab.
      again = false;
      at('gv-compare').click();
    }
    return false;
  };
  when(ready, next);
};

const begin = () => {
  place = -1;
  way = 1;
  gv.rest();
  become('playing');
  compared(forward);
};

const toggle = () => {
  if (state === 'idle') begin();
  else if (state === 'playing') become('paused');
  else {
    become('playing');
    forward();
  }
};

gv.actions.play = toggle;
gv.actions['play-stop'] = () => {
  stop(`Stopped at ${percent(Math.max(place, 0))}.`);
  at('gv-play').focus();
};

// A hand on any control is stronger.
const hand = (event) => {
  const ours = event.target.closest && event.target.closest('#gv-tuning') && !event.target.closest('.gv-play');
  if (state === 'idle' || !event.isTrusted || !ours) return;
  if (event.type === 'keydown' && ['Tab', 'Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return;
  stop('Stopped: the controls are yours.');
};
for (const kind of ['pointerdown', 'keydown', 'input']) document.addEventListener(kind, hand, true);

document.addEventListener('keydown', (event) => {
  const elsewhere = event.target.closest && event.target.closest('#gv-tour-panel');
  if (event.key === 'Escape' && state !== 'idle' && !elsewhere) stop(`Stopped at ${percent(Math.max(place, 0))}.`);
});

// A link that plays: it begins by itself, unless less motion is asked for; then the button waits for its key.
const asked = new URLSearchParams(location.search).get(plan.part);
const arrive = () => {
  const button = at('gv-play');
  if (!button) return;
  button.scrollIntoView({ block: 'nearest', inline: 'center' });
  button.focus({ preventScroll: true });
  if (calm.matches) return gv.say(`This link plays: ${plan.words}. Press Space to begin.`);
  begin();
  gv.say(`Playing: ${plan.words}. Space pauses, Escape stops.`);
};
if (asked) addEventListener('gv-settled', arrive, { once: true });
