// Names for readers of the screen where gradio's own parts have none, or another than what stands there.
const NAMED = [
  ['.empty[aria-label]:not([role])', (node) => node.setAttribute('role', 'img')],
  ['button[aria-label="Click to upload or drop files"]', (node) => node.removeAttribute('aria-label')],
  ['input.search-input:not([aria-label])', (node) => node.setAttribute('aria-label', 'Search the table')],
];

const name = () => {
  for (const [where, how] of NAMED) document.querySelectorAll(where).forEach(how);
};

let due = 0;
new MutationObserver(() => {
  if (due) return;
  due = setTimeout(() => {
    due = 0;
    name();
  }, 100);
}).observe(document.documentElement, { childList: true, subtree: true });
