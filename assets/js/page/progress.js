// What is left of a job is counted down between two news of it; never to nothing, which only the end of the job says.
const begun = new WeakMap();

const words = (seconds) => {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
};

setInterval(() => {
  for (const node of document.querySelectorAll('[data-left]')) {
    if (!begun.has(node)) begun.set(node, Date.now());
    else node.textContent = words(Number(node.dataset.left) - (Date.now() - begun.get(node)) / 1000);
  }
}, 1000);
