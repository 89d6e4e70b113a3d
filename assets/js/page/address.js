// The address, undo and redo. The server writes what it knows of the page's state as a query; `gv.go(query)` asks the
// server to restore one: undo, redo, the tour, pins and the list of runs all use it. The open tab and the search field
// belong to the browser, which adds them.
const gv = (window.gv = window.gv || {});

const LOOKING = ['run', 'metric', 'scale', 'group', 'at']; // what is looked at, not what is set
const OURS = ['tab', ...(window.gvParts || [])]; // the tabs say which (gaprune_viz/app/serving.py)
const KEPT = ['__theme'];
const TOGETHER = 1500; // ms: moves of one slider without a longer rest are one step back

const steps = [];
let at = -1;
let touched = 0; // when somebody last moved something
let paused = false; // whether that came after a rest
let asked = []; // states that were asked for and have not been answered yet
let stepping = false; // whether undo or redo came last: nobody has touched anything since

const settingsOf = (query) => {
  const parts = new URLSearchParams(query);
  for (const key of [...LOOKING, ...OURS, ...KEPT]) parts.delete(key);
  return parts.toString();
};

// Names of the parts that two queries do not share, joined by `&`.
const changed = (one, other) => {
  const [a, b] = [new URLSearchParams(one), new URLSearchParams(other)];
  const names = new Set([...a.keys(), ...b.keys()]);
  return [...names].filter((name) => a.get(name) !== b.get(name)).join('&');
};

const lookingOf = (query) => {
  const parts = new URLSearchParams(query);
  return new URLSearchParams(LOOKING.filter((key) => parts.has(key)).map((key) => [key, parts.get(key)]));
};

gv.record = (query) => {
  const now = settingsOf(query);
  const answer = asked.indexOf(now);
  if (answer >= 0) {
    asked = asked.slice(answer + 1);
    return;
  }
  if (at >= 0 && steps[at] === now) return;
  // Parts of the page that tell late of a state which was stepped over meanwhile.
  if (stepping && steps.includes(now)) return;
  const moved = at > 0 ? changed(steps[at - 1], steps[at]) : '';
  const drag = moved && !moved.includes('&') && moved === changed(steps[at], now) && !paused;
  if (at === steps.length - 1 && drag) steps[at] = now;
  else {
    steps.length = at + 1;
    steps.push(now);
    at = steps.length - 1;
  }
  paused = false;
  asked = [];
  mark();
};

const mark = () => {
  for (const [id, possible] of [['gv-undo', at > 0], ['gv-redo', at < steps.length - 1]]) {
    const button = document.getElementById(id);
    if (button) button.setAttribute('aria-disabled', String(!possible));
  }
};

const step = (by) => {
  const to = at + by;
  if (to < 0 || to >= steps.length) return;
  at = to;
  asked.push(steps[at]);
  paused = true;
  stepping = true;
  const parts = new URLSearchParams(steps[at]);
  lookingOf(location.search).forEach((value, key) => parts.set(key, value));
  mark();
  gv.go(parts.toString(), true);
};
// What comes next is a step of its own, however little time has passed.
gv.rest = () => {
  paused = true;
};

gv.undo = () => step(-1);
gv.redo = () => step(1);

// What carries data goes to the server one at a time, by lanes: answers that crossed would leave the page at neither.
// Of what is asked for meanwhile the last is sent when the answer has come, so that quick people end where they went.
const LOST = 20_000; // ms after which an answer is no longer waited for
const lanes = {};

const depart = (lane) => {
  if (!lane.wanted) return;
  const send = lane.wanted;
  lane.left = Date.now();
  lane.wanted = null;
  send();
};

gv.send = (name, send) => {
  const lane = (lanes[name] = lanes[name] || { left: 0, wanted: null });
  lane.wanted = send;
  if (!lane.left || Date.now() - lane.left > LOST) depart(lane);
};

gv.arrived = (name) => {
  const lane = lanes[name];
  if (!lane) return;
  lane.left = 0;
  depart(lane);
};

// Ask the server for a state; `exact` means that settings it does not name are the paper's. `gv.ring` is the bell's.
gv.go = (query, exact = false) => {
  const text = `${exact ? 'exact&' : ''}${query}`;
  gv.send('gv-bell', () => gv.ring && gv.ring({ query: text }));
};

const show = (parts) => {
  const text = parts.toString();
  history.replaceState(history.state, '', text ? '?' + text : location.pathname);
};

// The server's two halves of the address, `settings` and `look`: the other half, and what is not the server's, stays.
gv.write = (query, half) => {
  const old = new URLSearchParams(location.search);
  const next = half === 'settings' ? new URLSearchParams(query) : new URLSearchParams(settingsOf(location.search));
  const look = half === 'look' ? new URLSearchParams(query) : old;
  for (const key of LOOKING) if (look.has(key)) next.set(key, look.get(key));
  for (const key of [...OURS, ...KEPT]) if (old.has(key)) next.set(key, old.get(key));
  show(next);
  if (half !== 'settings') return;
  gv.settings = query;
  gv.record(query);
  if (gv.marked) gv.marked();
};

// The parts on arrival call themselves open and empty: the address is not theirs before the server has read it.
let begun = false;
gv.begin = () => {
  begun = true;
};

// What the address asked for is on the page: whoever drives or photographs it may begin.
gv.settle = () => {
  document.documentElement.dataset.gvSettled = '1';
  dispatchEvent(new Event('gv-settled'));
};

// A part of the address that only the browser knows; an empty value takes it out.
gv.part = (key, value) => {
  if (!begun) return;
  const parts = new URLSearchParams(location.search);
  if (value === null || value === undefined || value === '') parts.delete(key);
  else parts.set(key, String(value).slice(0, 2000));
  show(parts);
};

gv.link = () => {
  const parts = new URLSearchParams(location.search);
  for (const key of KEPT) parts.delete(key);
  const text = parts.toString();
  return location.origin + location.pathname + (text ? '?' + text : '');
};

gv.copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No permission, or no secure connection: the old way.
    const field = document.createElement('textarea');
    field.value = text;
    field.style.position = 'fixed';
    field.style.opacity = '0';
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
};

gv.say = (text) => {
  let place = document.getElementById('gv-said');
  if (!place) {
    place = document.createElement('div');
    place.id = 'gv-said';
    place.setAttribute('role', 'status');
    (document.querySelector('.gradio-container') || document.body).append(place);
  }
  place.textContent = text;
  place.classList.add('gv-shown');
  clearTimeout(place.later);
  place.later = setTimeout(() => place.classList.remove('gv-shown'), 4000);
};

const ACTIONS = {
  undo: () => gv.undo(),
  redo: () => gv.redo(),
  share: async () => {
    await gv.copy(gv.link());
    gv.say('The link to exactly this view is on the clipboard.');
  },
};
gv.actions = ACTIONS;

document.addEventListener('click', (event) => {
  const button = event.target.closest && event.target.closest('[data-gv]');
  const action = button && ACTIONS[button.dataset.gv];
  if (action && button.getAttribute('aria-disabled') !== 'true') action(button);
});

const typing = (node) =>
  node && (node.isContentEditable || node.tagName === 'TEXTAREA' || (node.tagName === 'INPUT' && node.type !== 'range'));

const MODIFIERS = ['control', 'meta', 'shift', 'alt'];
const touch = (event) => {
  if (!event.target.closest || !event.target.closest('[data-gv="undo"], [data-gv="redo"]')) stepping = false;
};
document.addEventListener('pointerdown', touch, true);

document.addEventListener('keydown', (event) => {
  const key = event.key.toLowerCase();
  if (!MODIFIERS.includes(key) && !(event.ctrlKey || event.metaKey)) touch(event);
  if (!(event.ctrlKey || event.metaKey) || event.altKey || typing(event.target)) return;
  const redo = (key === 'z' && event.shiftKey) || key === 'y';
  if (!redo && key !== 'z') return;
  event.preventDefault();
  (redo ? gv.redo : gv.undo)();
});

document.addEventListener(
  'input',
  (event) => {
    touch(event);
    // A walk of its own is one step, however slowly it goes.
    if (gv.playing) return;
    const now = Date.now();
    paused = paused || now - touched > TOGETHER;
    touched = now;
  },
  true,
);

// The first state is the address that the page was opened with.
gv.record(location.search);
new MutationObserver((_, watcher) => {
  if (!document.getElementById('gv-undo')) return;
  watcher.disconnect();
  mark();
}).observe(document.documentElement, { childList: true, subtree: true });
