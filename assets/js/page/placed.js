// The page is shown once the sidebar and the tuning bar have their places: see layout.css.
const placed = new MutationObserver(() => {
  if (!document.querySelector('.sidebar-parent #gv-sidebar') || !document.querySelector('#gv-sparsity input')) return;
  placed.disconnect();
  document.documentElement.dataset.gvPlaced = '1';
});
placed.observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ['class'] });
