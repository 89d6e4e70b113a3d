// On a narrow screen the tabs are a strip to swipe: the open one is brought into sight, whoever opened it.
const reveal = () => {
  const chosen = document.querySelector('#gv-tabs [role="tab"][aria-selected="true"]');
  const strip = chosen && chosen.parentElement;
  if (!strip || strip.scrollWidth <= strip.clientWidth) return;
  const [tab, box] = [chosen.getBoundingClientRect(), strip.getBoundingClientRect()];
  const hidden = tab.left < box.left || tab.right > box.right - 40;
  if (hidden) strip.scrollLeft += tab.left + tab.width / 2 - box.left - box.width / 2;
};

let due = 0;
new MutationObserver(() => {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(reveal);
}).observe(document.documentElement, { subtree: true, attributeFilter: ['aria-selected'] });
addEventListener('resize', reveal);
