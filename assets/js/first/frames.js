// A page that nobody touches draws nothing. Gradio's splash counts its seconds at every frame, and goes on when it is
// gone (6.31), which takes a twelfth of a processor. What began before the page was there, and has asked for the next
// frame from each of so many, gets one a second.
const MANY = 300;
const PAUSE = 1000;
const ask = window.requestAnimationFrame.bind(window);
// How many frames led to the one that is drawn now, one from the other; 0 where the first was asked for later.
let drawn = 0;

window.requestAnimationFrame = (draw) => {
  const there = 'gvSettled' in document.documentElement.dataset;
  const count = drawn || !there ? drawn + 1 : 0;
  const frame = (now) => {
    drawn = count;
    try {
      draw(now);
    } finally {
      drawn = 0;
    }
  };
  return there && count > MANY ? setTimeout(() => ask(frame), PAUSE) : ask(frame);
};
