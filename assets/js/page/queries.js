// The keys [ and ] go through the sample queries while the Retrieval tab is open and nobody is typing.
const BUTTONS = { '[': 'gv-query-back', ']': 'gv-query-next' };

document.addEventListener('keydown', (event) => {
  const node = event.target;
  const typing = node.isContentEditable || node.tagName === 'TEXTAREA' || (node.tagName === 'INPUT' && node.type !== 'range');
  const button = document.getElementById(BUTTONS[event.key]);
  if (!button || !button.offsetParent || typing || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  button.click();
});
