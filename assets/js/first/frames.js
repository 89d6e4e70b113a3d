// A page that nobody touches draws nothing. Gradio counts seconds at every frame: a splash that is gone goes on with it
// (6.31), which takes a twelfth of a processor, and every part that waits for an answer does, shown or not. Whoever has
// asked for the next frame from each of so many gets one a second.
const MANY = 300;
const PAUSE = 1000;
const ask = window.requestAnimationFrame.bind(window);
const cancel = window.cancelAnimationFrame.bind(window);
const resting = new Map(); // timers of those, by the number that they were given
let given = 0;
let drawn = 0; // how many frames led to the one that is drawn now, one from the other

window.requestAnimationFrame = (draw) => {
  const count = drawn + 1;
  const frame = (now) => {
    drawn = count;
    try {
      draw(now);
    } finally {
      drawn = 0;
    }
  };
  if (count <= MANY) return ask(frame);
  given -= 1;
  const number = given;
  const rested = () => {
    resting.delete(number);
    ask(frame);
  };
  resting.set(number, setTimeout(rested, PAUSE));
  return number;
};

window.cancelAnimationFrame = (number) => {
  clearTimeout(resting.get(number));
  if (!resting.delete(number)) cancel(number);
};
